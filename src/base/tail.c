#include "base/tail.h"

#include <string.h>
#include "base/sys.h"

#define LEAST 1024u

/* --- reading --- */

static void reverse(char *from, char *to) {
    while (from < to) {
        char c = *from;
        *from++ = *--to;
        *to = c;
    }
}

/* The ring wraps only when it is full. Rotate it until the oldest byte comes first. */
const char *tine__tail_bytes(struct tail *t) {
    if (t->start) {
        reverse(t->data, t->data + t->start);
        reverse(t->data + t->start, t->data + t->room);
        reverse(t->data, t->data + t->room);
        t->start = 0;
    }
    return t->data ? t->data : "";
}

/* --- writing --- */

/* Make room for `n` more bytes, as far as the limit and the memory go. */
static void grow(struct tail *t, size_t n) {
    size_t room = t->room ? t->room : LEAST;
    while (room < t->length + n && room <= SIZE_MAX / 2)
        room *= 2;
    if (room > t->limit)
        room = (size_t)t->limit;
    if (room <= t->room)
        return;
    tine__tail_bytes(t);
    char *data = sys.realloc(t->data, room);
    if (!data)
        return;
    t->data = data;
    t->room = room;
}

/* What does not fit overwrites the oldest bytes. */
void tine__tail_append(struct tail *t, const char *bytes, size_t n) {
    if (n > t->room - t->length)
        grow(t, n);
    if (n > t->room) {
        bytes += n - t->room;
        n = t->room;
    }
    if (n == 0)
        return;
    size_t at = (t->start + t->length) % t->room, first = t->room - at < n ? t->room - at : n;
    memcpy(t->data + at, bytes, first);
    memcpy(t->data, bytes + first, n - first);
    size_t over = t->length + n > t->room ? t->length + n - t->room : 0;
    t->start = (t->start + over) % t->room;
    t->length += n - over;
}

void tine__tail_free(struct tail *t) {
    free(t->data);
    *t = tail_of(t->limit);
}
