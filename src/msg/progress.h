/* Progress: how far a task says that it has come (tine.worker.progress). Plain data;
** only the last one is kept. */
#ifndef TINE_MSG_PROGRESS_H
#define TINE_MSG_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_TEXT 200 /* bytes; a longer text is cut */

/* A Lua number. */
struct progress_number {
    bool is_integer;
    union {
        int64_t i;
        double f;
    } u;
};

struct progress {
    uint64_t id; /* of the task */
    struct progress_number done, total;
    bool has_total, has_text;
    uint8_t length; /* of the text */
    char text[PROGRESS_TEXT];
};

/* How many bytes of it are used. */
static inline size_t progress_size(const struct progress *p) {
    return offsetof(struct progress, text) + p->length;
}

#endif
