#include "gearman/message.h"

#include <lua.h>
#include <stdio.h>
#include <string.h>

#define WIRE 4 /* version of the messages, a part of function names */

bool tine__gm_unique(char out[GM_UNIQUE]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[GM_UNIQUE - 1];
    if (!tine__seal_random(bytes, sizeof bytes))
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        out[i] = digits[bytes[i] & 63];
    out[GM_UNIQUE - 1] = 0;
    return true;
}

/* Bytecode is valid for one build of Lua only: release, sizes, byte order. */
void tine__gm_function(const char *set, char out[GM_FUNCTION]) {
    const uint16_t one = 1;
    snprintf(out, GM_FUNCTION, "tine%d/%s/%s-%zu%zu%zu%s", WIRE, set, LUA_RELEASE,
             sizeof(lua_Integer), sizeof(lua_Number), sizeof(size_t),
             *(const char *)&one ? "le" : "be");
    for (char *p = out; *p; p++)
        if (*p == ' ')
            *p = '-';
}

void tine__gm_line_function(const char *id, char out[GM_FUNCTION]) {
    snprintf(out, GM_FUNCTION, "tine%d-line/%s", WIRE, id);
}

struct seal_about tine__gm_about(struct gm_about *a, enum gm_kind kind, const char *function,
                                 const char *unique, uint64_t number) {
    int n = snprintf(a->bytes, sizeof a->bytes, "%c%d %s %s ", kind, WIRE, function, unique);
    a->n = (size_t)n < sizeof a->bytes - sizeof number ? (size_t)n : 0;
    memcpy(a->bytes + a->n, &number, sizeof number);
    a->n += sizeof number;
    return (struct seal_about){a->bytes, a->n};
}

const char *tine__gm_take(struct gm_reader *r, uint64_t n) {
    const char *p = r->p;
    if (n > r->n)
        return NULL;
    r->p += n;
    r->n -= n;
    return p;
}

bool tine__gm_copy(struct gm_reader *r, void *out, size_t n) {
    const char *p = tine__gm_take(r, n);
    if (p)
        memcpy(out, p, n);
    return p != NULL;
}

bool tine__gm_is_text(const char *p, size_t size) {
    return size > 0 && p[size - 1] == 0 && strlen(p) == size - 1;
}
