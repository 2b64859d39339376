#include "host/csv.h"

#include <string.h>

bool csv_init(struct csv *c, const char *separator, size_t length) {
    *c = (struct csv){.length = length};
    if (length == 0 || length > sizeof c->separator)
        return false;
    memcpy(c->separator, separator, length);
    return true;
}

void csv_reset(struct csv *c) {
    c->state = CSV_START;
    c->plain = 0;
}

/* Does a separator end here, which does not overlap with one before? */
static bool ends_field(const struct csv *c, const char *here) {
    return c->plain >= c->length && *here == c->separator[c->length - 1] &&
           memcmp(here + 1 - c->length, c->separator, c->length) == 0;
}

/* Pass a character of a field that is not quoted, or no longer. */
static void pass_plain(struct csv *c, const char *here) {
    c->state = CSV_PLAIN;
    c->plain++;
    if (ends_field(c, here))
        csv_reset(c);
}

bool csv_next(struct csv *c, const char *data, size_t *at, size_t end) {
    while (*at < end) {
        const char *here = data + (*at)++;
        if (c->state == CSV_QUOTED) {
            if (*here == '"')
                c->state = CSV_QUOTE;
        } else if (*here == '"' && (c->state == CSV_START || c->state == CSV_QUOTE)) {
            c->state = CSV_QUOTED;
        } else if (*here == '\n') {
            csv_reset(c);
            return true;
        } else {
            pass_plain(c, here);
        }
    }
    return false;
}
