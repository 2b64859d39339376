/* Changing the number of workers. */
#include "base/error.h"
#include "pool/internal.h"

static int resize(struct pool *p, unsigned workers) {
    if (pool_site_is_gone(p))
        return tine__sched_resize(&p->s, workers); /* returns why it fails */
    int err = p->site->ops->resize(p->site, workers);
    return err ? err : tine__sched_resize(&p->s, workers);
}

int tine__pool_resize(struct pool *p, unsigned workers) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    if (p->in_process || p->far)
        return TINE_EINVALID;
    pthread_mutex_lock(&p->lock);
    int err = resize(p, workers);
    if (!err)
        tine__take_in(p, false);
    pthread_mutex_unlock(&p->lock);
    return err;
}
