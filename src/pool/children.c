/* Children: tasks that tasks have submitted (msg/nested.h). The pool owns their items, and posts
** their results to the worker of the task that submitted them. When that task ends, its unfinished
** children are aborted.
*/
#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "msg/extra.h"
#include "msg/nested.h"
#include "pool/internal.h"

struct child {
    struct item item; /* first member */
    struct outcome outcome;
    struct list node;    /* in the parent's list of children, or in pool->orphans */
    struct kin_node kin; /* key: the parent's item, and the number of the child there */
    uint64_t parent_id;  /* id of the parent task */
    unsigned worker;     /* that runs the parent task */
    struct codec_origin origin;
    char text[]; /* label, name, source */
};

static struct child *child_of(struct item *item) {
    return (struct child *)item;
}

void tine__children_open(struct pool *p) {
    list_init(&p->orphans);
    list_init(&p->cancels);
    tine__kin_init(&p->kin);
    tine__inbox_init(&p->nest);
    p->nest.pool = p;
}

/* --- parsing what a worker has submitted; it is not trusted --- */

struct said {
    struct nested_call call;
    struct settings set;
    const char *group, *label, *name, *source; /* NULL: none; else NUL-terminated */
    const char *bytes;
};

struct reading {
    const char *p;
    size_t left;
};

static const char *take(struct reading *r, uint64_t n) {
    const char *at = r->p;
    if (n > r->left)
        return NULL;
    r->p += n;
    r->left -= n;
    return at;
}

/* Take a text of `n` bytes. False: it is not there, or has no NUL at its end. */
static bool take_text(struct reading *r, uint32_t n, const char **out) {
    *out = n ? take(r, n) : NULL;
    return n == 0 || (*out && (*out)[n - 1] == 0);
}

static bool is_sane(const struct said *said) {
    const struct settings *s = &said->set;
    return s->output <= OUTPUT_PREFIX && (!(said->call.set & SET_GROUP) || said->group) &&
           said->call.function <= said->call.call && said->name && said->source;
}

static bool read_said(const struct report *r, struct said *out) {
    struct reading in = {r->bytes, r->error ? 0 : r->length};
    const char *head = take(&in, sizeof out->call);
    *out = (struct said){.set = tine__settings_none};
    if (!head)
        return false;
    memcpy(&out->call, head, sizeof out->call);
    const char *set = out->call.set ? take(&in, sizeof out->set) : NULL;
    if (out->call.set && !set)
        return false;
    if (set)
        memcpy((char *)&out->set + offsetof(struct settings, output),
               set + offsetof(struct settings, output),
               sizeof out->set - offsetof(struct settings, output));
    return (out->bytes = take(&in, out->call.call)) != NULL &&
           take_text(&in, out->call.group, &out->group) &&
           take_text(&in, out->call.label, &out->label) &&
           take_text(&in, out->call.name, &out->name) &&
           take_text(&in, out->call.source, &out->source) && is_sane(out);
}

/* --- settings --- */

/* 0 or TINE_ENOMEM. */
static int set_settings(struct pool *p, struct item *item, const struct said *said) {
    item->settings = NULL;
    if (!said->call.set)
        return 0;
    struct settings all;
    memcpy(&all, p->settings, sizeof all);
    tine__nested_merge(&all, &said->set, said->call.set);
    bool grouped = said->call.set & SET_GROUP;
    item->settings = tine__settings_copy(&all, grouped ? said->group : p->settings->group,
                                         grouped ? said->call.group - 1 : p->settings->group_len);
    return item->settings ? 0 : TINE_ENOMEM;
}

/* The list of children of the item's tasks. NULL: it never had any. */
static struct list *children_of(const struct item *item) {
    struct item_rare *rare = item_rare(item);
    return rare ? &rare->children : NULL;
}

/* --- calls --- */

static uint64_t serial_of(const struct child *c, uint64_t count) {
    const struct item *parent = c->kin.parent;
    uint64_t index = parent->task.call.index;
    if (index)
        index += c->parent_id - parent->task.call.id;
    return tine__nested_serial(parent->serial, index, count);
}

/* Build the bytes of the whole call; long ones in the call heap. 0 or TINE_ENOMEM. */
static int set_bytes(struct pool *p, struct child *c, const struct said *said) {
    struct item *item = &c->item;
    const struct settings *set = item->settings ? item->settings : p->settings;
    const struct call_extra extra = extra_of(set, item->serial);
    size_t first = settings_extra(set), label = item->name.label_len, cap;
    uint64_t length = first + label + said->call.call, block = 0;
    char *at;
    if (length <= CALL_INLINE)
        at = sys.malloc(length);
    else if (tine__store_grow(p->store, &block, 0, length, &at, &cap))
        at = NULL;
    if (!at)
        return TINE_ENOMEM;
    item->bytes = at;
    item->task.call.offset = block;
    item->task.call.length = length;
    item->task.call.label = (uint32_t)(first + label);
    item->task.call.function = said->call.function;
    memcpy(at, &extra, first);
    if (label)
        memcpy(at + first, item->name.label, label);
    memcpy(at + first + label, said->bytes, said->call.call);
    return 0;
}

/* Store the origin of the child's function, so that its worker knows it. 0 or TINE_ENOMEM. */
static int set_origin(struct pool *p, struct child *c) {
    const struct codec_stored *stored =
        tine__store_put(p->store, &(struct codec_code){0}, &c->origin);
    int err = stored ? tine__store_hold(&c->item.refs, stored) : TINE_ENOMEM;
    if (stored)
        tine__store_drop(p->store, stored);
    c->item.task.call.callee = err ? 0 : stored->id;
    return err;
}

/* Copy a text of `n` bytes to *at, which is zeroed, and advance *at. Its NUL is not copied: the worker
** may have overwritten that since it was checked. NULL: there is no text. */
static const char *put_text(char **at, const char *text, size_t n) {
    char *to = *at;
    *at += n;
    return n ? memcpy(to, text, n - 1) : NULL;
}

static struct child *new_child(struct pool *p, struct item *parent, const struct report *r,
                               const struct said *said) {
    const struct nested_call *call = &said->call;
    struct child *c = sys.calloc(1, sizeof *c + (size_t)call->label + call->name + call->source);
    if (!c)
        return NULL;
    char *at = c->text;
    struct item *item = &c->item;
    item_init(item);
    c->kin = (struct kin_node){.parent = parent, .number = call->number};
    c->parent_id = r->id;
    c->item.parent = r->id;
    c->worker = r->worker;
    if (r->carried) { /* hold what the call names until the child has ended */
        item->refs.carried = *r->carried;
        *r->carried = (struct carried){0};
    }
    item->name.label = put_text(&at, said->label, call->label);
    item->name.label_len = call->label ? call->label - 1 : 0;
    c->origin.name = put_text(&at, said->name, call->name);
    c->origin.source = put_text(&at, said->source, call->source);
    c->origin.line = call->line;
    item->name.origin = &c->origin;
    item->inbox = &p->nest;
    item->outcomes = &c->outcome;
    item->serial = serial_of(c, call->count);
    item->task.call.count = 1;
    item->task.mute = true; /* a task cannot read events of its children */
    item->task.nested = true;
    item->task.depth = (uint16_t)(parent->task.depth + 1);
    list_init(&c->node);
    return c;
}

/* --- ends --- */

/* Post how the child has ended. Without memory for the result post TINE_ENOMEM; without memory for
** that, abort the parent task, which waits for it. */
static void tell(struct pool *p, const struct child *c) {
    const struct outcome *o = &c->outcome;
    struct carried names = {0};
    uint64_t place;
    struct letter *letter = tine__letter_of_end(p, o, &place, &names);
    int state = o->state, code = o->code;
    if (!letter) {
        tine__carried_drop(&names);
        letter = tine__letter_new(p, 0, &place);
        state = OUTCOME_FAILED;
        code = TINE_ENOMEM;
    }
    if (!letter) {
        tine__sched_abort(&p->s, &c->kin.parent->task);
        return;
    }
    letter->kind = LETTER_RESULT;
    letter->number = c->kin.number;
    letter->id = c->item.name.id;
    letter->state = (uint32_t)state;
    letter->code = code;
    tine__letter_post(p, c->worker, place, letter, &names);
}

static void free_child(struct pool *p, struct child *c) {
    struct item_rare *rare = item_rare(&c->item);
    list_remove(&c->node);
    tine__kin_remove(&p->kin, &c->kin);
    if (outcome_owns(&c->outcome))
        tine__outcome_free_locked(p, &c->outcome);
    if (rare) { /* what is freed below needs no lock */
        tine__attempts_free_locked(p, rare->attempts);
        rare->attempts = NULL;
    }
    tine__item_drop_rare(&c->item);
    free(c);
}

/* The child is DONE, and the scheduler has no reference to it. */
static void ended(struct pool *p, struct child *c) {
    p->nest.open--;
    p->children--;
    if (c->kin.parent)
        tell(p, c);
    free_child(p, c);
}

bool tine__children_settle(struct pool *p) {
    bool any = pool_has_children_news(p);
    struct list *node;
    while ((node = list_pop(&p->nest.news)) != NULL) {
        struct item *item = LIST_ITEM(node, struct item, news);
        item->listed = false;
        if (item->task.state == TASK_DONE)
            ended(p, child_of(item));
    }
    while ((node = list_pop(&p->orphans)) != NULL)
        tine__sched_abort(&p->s, &LIST_ITEM(node, struct child, node)->item.task);
    return any;
}

void tine__children_end(struct pool *p, struct item *item, uint64_t id) {
    struct list *children = children_of(item);
    for (struct list *n = children ? children->next : NULL, *next; n != children; n = next) {
        struct child *c = LIST_ITEM(n, struct child, node);
        next = n->next;
        if (c->parent_id != id)
            continue;
        list_remove(&c->node);
        list_push(&p->orphans, &c->node);
        tine__kin_remove(&p->kin, &c->kin);
        c->kin.parent = NULL;
    }
}

/* --- requests --- */

/* The item of the task that made the request. NULL: it has ended. */
static struct item *parent_of(struct pool *p, const struct report *r) {
    struct task *t = sched_sent(&p->s, r->ref);
    return t && r->id == t->call.id + t->next ? item_of(t) : NULL;
}

static struct child *find(struct pool *p, const struct item *parent, uint64_t number) {
    struct kin_node *node = tine__kin_find(&p->kin, parent, number);
    return node ? LIST_ITEM(node, struct child, kin) : NULL;
}

/* Submit the child as a task of the pool. 0 or an error code. */
static int enter(struct pool *p, struct child *c, const struct said *said) {
    struct item *item = &c->item;
    int err = set_settings(p, item, said);
    if (!err)
        err = set_bytes(p, c, said);
    if (!err)
        err = set_origin(p, c);
    item->task.set = item->settings ? item->settings : p->settings;
    if (!err)
        err = tine__sched_submit(&p->s, &item->task, tine__now());
    if (err)
        return err;
    item->name.id = item->task.call.id;
    item->started = item->ended = 0;
    p->submitted++;
    p->nest.open++;
    p->children++;
    list_push(children_of(c->kin.parent), &c->node);
    tine__kin_put(&p->kin, &c->kin);
    return 0;
}

static void refuse(struct pool *p, struct child *c, int code) {
    tine__outcome_set_bytes(&c->outcome, OUTCOME_FAILED, code, "", 0, NULL);
    tell(p, c);
    if (c->item.bytes)
        tine__item_free_bytes(p, &c->item);
    tine__store_release(p->store, &c->item.refs);
    tine__settings_unref(c->item.settings);
    free_child(p, c);
}

static void submit(struct pool *p, struct item *parent, const struct report *r) {
    struct said said;
    struct child *c = NULL;
    bool good = read_said(r, &said) && parent->task.depth < NESTED_MOST;
    if (good && tine__item_need_rare(parent)) /* which holds the list of children */
        c = new_child(p, parent, r, &said);
    if (!c) { /* invalid, or no memory: the worker cannot be answered */
        tine__sched_abort(&p->s, &parent->task);
        return;
    }
    int err = enter(p, c, &said);
    if (err)
        refuse(p, c, err);
}

static void answer(struct pool *p, unsigned worker, uint64_t number) {
    uint64_t place;
    struct letter *letter = tine__letter_new(p, 0, &place);
    if (!letter)
        return;
    letter->kind = LETTER_ANSWER;
    letter->number = number;
    tine__letter_post(p, worker, place, letter, &(struct carried){0});
}

/* The parent no longer waits for its children. The children that it waited for are the first in its
** list. */
static void release(struct pool *p, struct item *parent, unsigned worker) {
    struct list *children = children_of(parent);
    for (struct list *n = children ? children->next : NULL; n != children; n = n->next) {
        struct task *t = &LIST_ITEM(n, struct child, node)->item.task;
        if (!t->awaiter && t->state != TASK_DONE)
            break;
        tine__sched_unawait(&p->s, t);
    }
    tine__sched_unblock(&p->s, &parent->task);
    answer(p, worker, 0);
}

static void await(struct pool *p, struct item *parent, const struct report *r) {
    uint64_t number;
    if (r->length < sizeof number) {
        release(p, parent, r->worker);
        return;
    }
    tine__sched_block(&p->s, &parent->task, r->worker);
    struct list *children = children_of(parent);
    for (size_t i = 0; i + sizeof number <= r->length; i += sizeof number) {
        memcpy(&number, r->bytes + i, sizeof number);
        struct child *c = find(p, parent, number);
        if (!c)
            continue;
        assert(children); /* since `c` was found */
        list_remove(&c->node);
        list_push_front(children, &c->node);
        tine__sched_await(&p->s, &c->item.task, r->worker);
    }
}

/* A request to cancel a child, to be answered when its consequences were delivered. */
struct wish {
    struct list node;
    unsigned worker;
    uint64_t number;
};

static void cancel(struct pool *p, struct item *parent, const struct report *r) {
    struct wish *wish = r->length < sizeof wish->number ? NULL : sys.malloc(sizeof *wish);
    if (!wish)
        return; /* the worker asks again */
    *wish = (struct wish){.worker = r->worker};
    memcpy(&wish->number, r->bytes, sizeof wish->number);
    list_init(&wish->node);
    list_push(&p->cancels, &wish->node);
    struct child *c = find(p, parent, wish->number);
    if (c)
        tine__sched_cancel(&p->s, &c->item.task);
}

void tine__children_answer(struct pool *p) {
    struct list *node;
    while ((node = list_pop(&p->cancels)) != NULL) {
        struct wish *wish = LIST_ITEM(node, struct wish, node);
        if (!pool_site_is_gone(p))
            answer(p, wish->worker, wish->number);
        free(wish);
    }
}

void tine__children_hear(struct pool *p, const struct report *r) {
    struct item *parent = parent_of(p, r);
    if (!parent || !p->site->ops->post)
        return;
    if (r->kind == REPORT_SUBMIT)
        submit(p, parent, r);
    else if (r->kind == REPORT_AWAIT)
        await(p, parent, r);
    else
        cancel(p, parent, r);
}
