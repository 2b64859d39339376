/* Events of tasks in a worker inside the program: a queue with one writer, the task, and one reader
** at a time. It always holds one event that was already taken, so writer and reader never touch the
** same pointer.
*/
#include "base/error.h"
#include "base/sys.h"
#include "worker/inner/inner.h"

static struct inner_event *new_event(void) {
    struct inner_event *e = sys.calloc(1, sizeof *e);
    if (e)
        tine__buf_init(&e->bytes);
    return e;
}

static void free_event(struct inner_event *e) {
    tine__buf_free(&e->bytes);
    tine__carried_drop(&e->carried);
    free(e);
}

int tine__inner_events_open(struct inner_call *call) {
    call->taken = call->emitted = new_event();
    return call->taken ? 0 : TINE_ENOMEM;
}

void tine__inner_events_close(struct inner_call *call) {
    while (tine__inner_event(call))
        tine__inner_take_event(call);
    if (call->taken)
        free_event(call->taken);
    call->taken = NULL;
}

bool tine__inner_put_event(struct inner_call *call, uint32_t k, const struct buf *bytes,
                           const struct carried *carried) {
    struct inner_event *e = new_event();
    if (!e)
        return false;
    e->k = k;
    e->bytes = *bytes;
    e->carried = *carried;
    atomic_store(&call->emitted->next, e);
    call->emitted = e;
    return true;
}

struct inner_event *tine__inner_event(struct inner_call *call) {
    return call->taken ? atomic_load(&call->taken->next) : NULL;
}

void tine__inner_take_event(struct inner_call *call) {
    struct inner_event *next = tine__inner_event(call);
    free_event(call->taken);
    call->taken = next;
}
