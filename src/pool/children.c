/* Children: tasks that tasks have submitted (msg/nested.h). The pool owns their items, and tells the worker of the task that
** submitted one how that has ended. When that task ends, those that have not ended are ended as by abort.
*/
#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "base/text.h"
#include "msg/extra.h"
#include "msg/nested.h"
#include "pool/internal.h"

struct child {
    struct item item; /* first member */
    struct outcome outcome;
    struct list node;    /* in the parent's children, or among the orphans */
    struct kin_node kin; /* whose it is, and its number there */
    uint64_t parent_id;  /* the task of the parent */
    unsigned worker;     /* of that */
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

/* --- what a worker says, which is foreign --- */

struct said {
    struct nested_call call;
    struct settings set;
    const char *group, *label, *name, *source; /* NULL: none, or each ends with a NUL */
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

/* False: there is not so much. */
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

/* --- its settings --- */

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

/* Those of its tasks; NULL: it has never had any. */
static struct list *children_of(const struct item *item) {
    struct item_rare *rare = item_rare(item);
    return rare ? &rare->children : NULL;
}

/* --- its call --- */

static uint64_t serial_of(const struct child *c, uint64_t count) {
    const struct item *parent = c->kin.parent;
    uint64_t index = parent->task.call.index;
    if (index)
        index += c->parent_id - parent->task.call.id;
    return tine__nested_serial(parent->serial, index, count);
}

/* The bytes of the whole call, where workers read them if they are many. 0 or TINE_ENOMEM. */
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

/* Where its function comes from, for its worker to know. 0 or TINE_ENOMEM. */
static int set_origin(struct pool *p, struct child *c) {
    const struct codec_stored *stored =
        tine__store_put(p->store, &(struct codec_code){0}, &c->origin);
    int err = stored ? tine__store_hold(&c->item.refs, stored) : TINE_ENOMEM;
    if (stored)
        tine__store_drop(p->store, stored);
    c->item.task.call.callee = err ? 0 : stored->id;
    return err;
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
    if (r->carried) { /* what the call names is held until it has ended */
        item->refs.carried = *r->carried;
        *r->carried = (struct carried){0};
    }
    item->name.label = text_put(&at, said->label, call->label);
    item->name.label_len = call->label ? call->label - 1 : 0;
    c->origin.name = text_put(&at, said->name, call->name);
    c->origin.source = text_put(&at, said->source, call->source);
    c->origin.line = call->line;
    item->name.origin = &c->origin;
    item->inbox = &p->nest;
    item->outcomes = &c->outcome;
    item->serial = serial_of(c, call->count);
    item->task.call.count = 1;
    item->task.mute = true; /* a task reads no events of those that it has submitted */
    item->task.nested = true;
    item->task.depth = (uint16_t)(parent->task.depth + 1);
    list_init(&c->node);
    return c;
}

/* --- how it ends --- */

/* Post how it has ended, if there is memory; else the one that waits for it is ended. */
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
    list_remove(&c->node);
    tine__kin_remove(&p->kin, &c->kin);
    if (outcome_owns(&c->outcome))
        tine__outcome_free_locked(p, &c->outcome);
    tine__item_drop_rare(&c->item);
    free(c);
}

/* It is done, and in no list of the scheduler's. */
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

/* --- what is wanted --- */

/* The task that says it: of the item of this call. NULL: it has ended. */
static struct item *parent_of(struct pool *p, const struct report *r) {
    struct task *t = sched_sent(&p->s, r->ref);
    return t && r->id == t->call.id + t->next ? item_of(t) : NULL;
}

static struct child *find(struct pool *p, const struct item *parent, uint64_t number) {
    struct kin_node *node = tine__kin_find(&p->kin, parent, number);
    return node ? LIST_ITEM(node, struct child, kin) : NULL;
}

/* The child is one of the pool's tasks from now on. 0, or a code. */
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
    if (good && tine__item_need_rare(parent)) /* where its children are */
        c = new_child(p, parent, r, &said);
    if (!c) { /* rubbish, or nothing can be told of it */
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

/* What it waited for, which comes first, it does so no more. */
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
        assert(children); /* `c` is in it */
        list_remove(&c->node);
        list_push_front(children, &c->node);
        tine__sched_await(&p->s, &c->item.task, r->worker);
    }
}

/* A cancel that is to be answered, when what comes of it has been told. */
struct wish {
    struct list node;
    unsigned worker;
    uint64_t number;
};

static void cancel(struct pool *p, struct item *parent, const struct report *r) {
    struct wish *wish = r->length < sizeof wish->number ? NULL : sys.malloc(sizeof *wish);
    if (!wish)
        return; /* it asks again */
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
