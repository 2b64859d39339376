#include "site/hand.h"

#include "base/fd.h"
#include "base/thread.h"

void tine__hand_init(struct hand *h, int manager) {
    *h = (struct hand){.manager = manager};
    pthread_mutex_init(&h->lock, NULL);
}

int tine__hand_start(struct hand *h, void *(*run)(void *arg), void *arg) {
    return tine__thread_start(&h->thread, run, arg);
}

bool tine__hand_ends(struct hand *h) {
    pthread_mutex_lock(&h->lock);
    h->over = true;
    bool forsaken = h->forsaken;
    if (!forsaken)
        tine__fd_ring(h->manager); /* with the lock held: after that the event may be closed */
    pthread_mutex_unlock(&h->lock);
    return forsaken;
}

bool tine__hand_is_over(struct hand *h) {
    pthread_mutex_lock(&h->lock);
    bool over = h->over;
    pthread_mutex_unlock(&h->lock);
    return over;
}

bool tine__hand_forsake(struct hand *h) {
    pthread_mutex_lock(&h->lock);
    bool over = h->over;
    h->forsaken = !over;
    if (!over)
        pthread_detach(h->thread);
    pthread_mutex_unlock(&h->lock);
    return !over;
}

void tine__hand_join(struct hand *h) {
    pthread_join(h->thread, NULL);
}

void tine__hand_free(struct hand *h) {
    pthread_mutex_destroy(&h->lock);
}
