/* Lanes: the links to workers; and which worker has which call. */
#include "base/sys.h"
#include "site/local/internal.h"

/* --- lanes --- */

struct lane *tine__lane_new(void) {
    struct lane *lane = sys.calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->link = LINK_CLOSED;
    lane->refs = 1;
    list_init(&lane->outputs);
    if (tine__link_create(&lane->link)) {
        free(lane);
        return NULL;
    }
    return lane;
}

void tine__lane_unref(struct lane *lane) {
    if (lane && --lane->refs == 0) {
        tine__link_close(&lane->link);
        free(lane);
    }
}

void tine__lane_drop_carried(struct lane *lane) {
    if (lane->carried.list)
        tine__carried_drop(&lane->carried);
}

void tine__local_forget(struct local *l, unsigned worker) {
    struct lane *lane = l->lanes[worker];
    l->lanes[worker] = NULL;
    tine__local_drop_outputs(l, lane);
    tine__lane_drop_carried(lane);
    tine__seat_vacate(l->arena, lane->seat);
    /* results kept in its heap are already mapped and do not need the descriptor */
    tine__link_retire(&lane->link);
    tine__lane_unref(lane);
}

/* --- calls --- */

bool tine__local_was_read(const struct local *l, const struct handed *h) {
    return tine__link_read(&l->lanes[h->worker]->link) >= h->letter;
}

unsigned tine__local_find(struct local *l, uint32_t ref) {
    struct handed *h = &l->handed[ref];
    unsigned worker;
    if (tine__queue_state(&l->queue, h->seq, &worker) == SLOT_READY)
        return 0;
    if (worker <= l->workers && l->lanes[worker])
        h->worker = worker;
    return h->worker;
}
