/* Functions whose calls carry much data beside their arguments.
**
** What a function brings along (its upvalues, and the globals that it names) is encoded, copied and
** decoded for each call, which is easily overlooked. If that happens again and again, Lua's `warn`
** tells it once, and pool:report lists it.
*/
#include <stdio.h>
#include <string.h>
#include "base/hot.h"
#include "bind/heavy.h"
#include "msg/origin.h"

#define HEAVY_BYTES (1u << 20)
#define HEAVY_TIMES 10
#define HEAVY_NAME 160

struct heavy {
    struct heavy *next;
    uint64_t times;
    size_t bytes; /* of the latest such call */
    struct codec_load load;
    char name[HEAVY_NAME];
};

static void name_of(const struct codec_origin *origin, char *name) {
    if (!origin)
        snprintf(name, HEAVY_NAME, "a function");
    else if (origin->line > 0)
        snprintf(name, HEAVY_NAME, "%s (%s:%d)", origin->name, origin->source, origin->line);
    else
        snprintf(name, HEAVY_NAME, "%s", origin->name);
}

/* The entry of this name, making it if needed. NULL: no memory, then nothing is reported. */
COLD static struct heavy *find(struct core *c, const char *name) {
    for (struct heavy *h = c->heavy; h; h = h->next)
        if (strcmp(h->name, name) == 0)
            return h;
    struct heavy *h = sys.calloc(1, sizeof *h);
    if (!h)
        return NULL;
    memcpy(h->name, name, strlen(name) + 1);
    h->next = c->heavy;
    c->heavy = h;
    return h;
}

COLD static void push_text(lua_State *L, const struct heavy *h) {
    char text[512];
    const struct codec_load *load = &h->load;
    int n = snprintf(text, sizeof text, "calls of %s carry %.1f MiB each", h->name,
                     (double)h->bytes / (1 << 20));
    if (load->bytes)
        snprintf(text + n, sizeof text - (size_t)n,
                 ", %.1f MiB of it the %s \"%s\": what pool:share(%s) gives instead is sent once",
                 (double)load->bytes / (1 << 20), load->global ? "global" : "upvalue", load->name,
                 load->name);
    else
        snprintf(text + n, sizeof text - (size_t)n,
                 " beside their arguments: what is the same for all is sent once, by pool:share");
    lua_pushstring(L, text);
}

void tine__heavy_note(lua_State *L, struct core *c, const struct codec_origin *origin,
                      size_t bytes) {
    if (bytes <= HEAVY_BYTES)
        return;
    char name[HEAVY_NAME];
    name_of(origin, name);
    struct heavy *h = find(c, name);
    if (!h)
        return;
    h->bytes = bytes;
    h->load = *tine__codec_load(c->codec);
    if (++h->times != HEAVY_TIMES)
        return;
    lua_warning(L, "tine: ", 1);
    push_text(L, h);
    lua_warning(L, lua_tostring(L, -1), 0);
    lua_pop(L, 1);
}

void tine__heavy_push(lua_State *L, const struct core *c) {
    lua_Integer n = 0;
    lua_createtable(L, 0, 0);
    for (const struct heavy *h = c->heavy; h; h = h->next) {
        if (h->times < HEAVY_TIMES)
            continue;
        push_text(L, h);
        lua_rawseti(L, -2, ++n);
    }
}

void tine__heavy_free(struct core *c) {
    for (struct heavy *h = c->heavy, *next; h; h = next) {
        next = h->next;
        free(h);
    }
    c->heavy = NULL;
}
