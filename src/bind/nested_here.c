/* tine.worker.pool in a pool without processes: a nested task runs at once, inside the task that
** submits it. */
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "bind/nested.h"
#include "msg/extra.h"
#include "msg/report.h"
#include "msg/settings.h"

/* The result as the letter that a worker would get; takes over what it names. */
static struct posted *as_letter(enum record_kind kind, const struct buf *out,
                                struct carried *names) {
    static const struct {
        uint32_t state;
        int code;
    } ends[RECORD_KINDS] = {[RECORD_SKIP] = {OUTCOME_FAILED, TINE_ENOMEM},
                            [RECORD_VALUES] = {OUTCOME_VALUES, 0},
                            [RECORD_ERROR] = {OUTCOME_ERROR, TINE_ETASK},
                            [RECORD_REFUSED] = {OUTCOME_FAILED, TINE_ESERIALIZE},
                            [RECORD_MEMORY] = {OUTCOME_FAILED, TINE_EMEMORY},
                            [RECORD_ENDED] = {OUTCOME_FAILED, TINE_ETIMEOUT}};
    static const char late[] = "the time allowed has passed",
                      short_of[] = "the task has used more memory than it may";
    struct letter_failure f = {.running = kind == RECORD_ENDED};
    struct report_memory memory;
    bool failed = kind == RECORD_ENDED || kind == RECORD_MEMORY;
    if (kind == RECORD_MEMORY && out->len == sizeof memory) {
        memcpy(&memory, out->data, sizeof memory);
        f.limit = memory.limit;
        f.used = memory.used;
    }
    const char *text = kind == RECORD_ENDED ? late : short_of;
    f.message = (uint32_t)strlen(text) + 1;
    size_t len = failed ? sizeof f + f.message : out->len;
    struct posted *p = sys.malloc(sizeof *p + len);
    if (!p)
        return NULL;
    p->names = *names;
    *names = (struct carried){0};
    p->letter = (struct letter){
        .state = ends[kind].state, .code = ends[kind].code, .failed = failed, .length = len};
    char *at = (char *)(&p->letter + 1);
    if (failed) {
        memcpy(at, &f, sizeof f);
        memcpy(at + sizeof f, text, f.message);
    } else if (len) {
        memcpy(at, out->data, len);
    }
    return p;
}

/* The head of the call, whose bytes begin with `extra` bytes of struct call_extra and the label. */
static struct call_head head_of(const struct loop *l, const struct nested_here *h, uint32_t extra) {
    uint64_t depth = l->call->depth + 1;
    uint32_t first = extra + (uint32_t)h->label_len;
    return (struct call_head){.id = h->said->number,
                              .length = first + h->said->call,
                              .label = first,
                              .function = h->said->function,
                              .count = 1,
                              .flags = depth << CALL_DEPTH | CALL_MUTE | (extra ? CALL_EXTRA : 0)};
}

/* The settings of the task, without a group. */
static void set_settings(const struct loop *l, const struct nested_here *h, struct settings *out) {
    memcpy(out, l->defaults ? l->defaults : &tine__settings_none, sizeof *out);
    if (h->settings)
        tine__nested_merge(out, h->settings, h->said->set);
}

/* Push the bytes of the call; returns them. */
static const char *push_bytes(lua_State *L, const struct loop *l, const struct nested_here *h,
                              const struct settings *set, const struct call_head *head) {
    const uint64_t index = l->call->index ? l->call->index + l->k : 0;
    const uint64_t serial = l->call->extra ? l->call->extra->serial : 0;
    const struct call_extra extra =
        extra_of(set, tine__nested_serial(serial, index, h->said->count));
    char *bytes = lua_newuserdatauv(L, head->length, 0), *at = bytes + settings_extra(set);
    memcpy(bytes, &extra, settings_extra(set));
    if (h->label_len)
        memcpy(at, h->label, h->label_len);
    memcpy(at + h->label_len, h->call, h->said->call);
    return bytes;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a && (!b || a < b) ? a : b;
}

/* May the task be tried again, when its n-th attempt has ended like this? */
static bool again(const struct settings *set, enum record_kind kind, uint32_t n) {
    return (kind == RECORD_ERROR || kind == RECORD_MEMORY)
               ? n <= set->retry.budget[RETRY_ERROR]
               : kind == RECORD_ENDED && n <= set->retry.budget[RETRY_TIMEOUT];
}

struct posted *tine__nested_run(lua_State *L, struct loop *l, const struct nested_here *h) {
    struct settings set;
    struct carried names = {0};
    struct buf out;
    enum record_kind kind;
    uint32_t n = 0;
    set_settings(l, h, &set);
    uint64_t deadline = set.deadline ? clock_after(tine__now(), set.deadline) : 0;
    struct call_head head = head_of(l, h, settings_extra(&set));
    const char *bytes = push_bytes(L, l, h, &set, &head);
    tine__buf_init(&out);
    do {
        tine__buf_free(&out);
        tine__carried_drop(&names);
        uint64_t late = set.timeout ? clock_after(tine__now(), set.timeout) : 0;
        kind = tine__nest_run(L, l, &head, bytes, h->origin, earlier(late, deadline), &out, &names);
        head.flags += UINT64_C(1) << CALL_TRIED;
    } while (again(&set, kind, ++n));
    struct posted *p = as_letter(kind, &out, &names);
    tine__buf_free(&out);
    tine__carried_drop(&names);
    return p;
}
