/* Events of the C library's futures: what their tasks emit. */
#include "api/api.h"
#include "codec/segment.h"

static bool is_settled(const struct tine_future *f) {
    return outcome_settled(&f->outcome);
}

static bool has_event(void *arg) {
    const struct tine_future *f = arg;
    return is_settled(f) || tine__events_unread(f->events) > 0;
}

/* Get the task's events, and announce that they will be read. 0 or TINE_ENOMEM. */
static int open_events(struct tine_future *f) {
    if (f->events)
        return 0;
    f->events = tine__item_events(f->pool->core, &f->item);
    if (!f->events)
        return TINE_ENOMEM;
    tine__events_read(f->events);
    return 0;
}

/* Take the next event into f->event. False: there is none. */
static bool take(struct tine_future *f, const void **bytes, size_t *length) {
    uint32_t k;
    tine__outcome_free(&f->event);
    f->event = (struct outcome){0};
    if (!tine__events_take(f->events, &f->event, &k))
        return false;
    size_t whole;
    const char *segment = tine__outcome_bytes(&f->event, &whole);
    *length = segment && whole >= SEGMENT_HEAD ? segment_body(segment, whole) : 0;
    *bytes = *length ? segment + SEGMENT_HEAD : NULL;
    return true;
}

static int next_event(tine_future *f, uint64_t deadline, const void **bytes, size_t *length) {
    tine__pool_poll(f->pool->core);
    for (int err = 0;;) {
        bool settled = is_settled(f); /* checked before taking: all events came before the end */
        if (take(f, bytes, length))
            return 1;
        if (settled || err)
            return settled ? 0 : err;
        if (tine__api_is_managing(f->pool) && deadline != 0)
            return TINE_EINVALID;
        /* This waits for no task's end, but a task that stands may be in the way of this one. */
        err = tine__api_wait(f->pool, has_event, tine__events_no_end, f, deadline);
    }
}

int tine_future_next_event(tine_future *f, double timeout, const void **bytes, size_t *length) {
    uint64_t deadline;
    int err = future_check(f);
    if (err || !bytes || !length || !tine__api_deadline(timeout, &deadline))
        return err ? err : TINE_EARG;
    if ((err = open_events(f)) != 0)
        return err;
    tine__unread_begin(f);
    int code = next_event(f, timeout == 0 ? 0 : deadline, bytes, length);
    tine__unread_end(f, code);
    return code;
}
