/* Events of a trace that are as long as they can be: they are written without a look at the room, so
** it must have been made before. */
#include "trace/format.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static unsigned longest;

static void put(void *formatter, const char *event, size_t length) {
    const struct formatter *f = formatter;
    CHECK_LE(length, f->text.cap);
    CHECK(event[0] == '{' && event[length - 1] == '}');
    longest = length > longest ? (unsigned)length : longest;
}

/* The row of another machine's worker is named after pool and host, in which each byte may take six;
** there was room for one of the two. */
static void place(struct formatter *f) {
    struct {
        struct place_record r;
        char host[TRACE_PLACE_NAME];
    } record = {.r = {.head = {.size = sizeof record, .kind = TRACE_PLACE},
                      .worker = FORMAT_WORKERS - 1,
                      .number = UINT32_MAX,
                      .length = TRACE_PLACE_NAME}};
    memset(record.host, '\xff', TRACE_PLACE_NAME);
    tine__format(f, &record.r.head);
    CHECK_LE(6 * TRACE_PLACE_NAME, longest);
}

int main(void) {
    char pool[100];
    struct formatter f = {.put = put, .arg = &f};
    memset(pool, '\xff', sizeof pool - 1);
    pool[sizeof pool - 1] = '\0';
    tine__format_open(&f, 1, pool);
    tine__format_begin(&f, NULL);
    place(&f);
    tine__format_close(&f);
    return 0;
}
