/* The queue between the one that tells and the one that writes: all records, in order, none cut. */
#include "trace/block.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "check.h"

#define RECORDS 200000u

static struct blocks b;

static uint32_t size_of(unsigned n) {
    unsigned long long seed = n;
    return TRACE_ROOM(
        (uint32_t)(sizeof(struct stopped_record) + check_random(&seed) % (n % 100 ? 100 : 18000)));
}

static void *tell(void *arg) {
    (void)arg;
    for (unsigned n = 0; n < RECORDS;) {
        uint32_t size = size_of(n);
        struct stopped_record *r = tine__blocks_room(&b, size);
        if (!r) { /* it is full */
            sched_yield();
            continue;
        }
        memset(r, (int)n, size);
        r->head = (struct trace_record){.size = size, .kind = TRACE_STOPPED};
        r->at = n++;
        tine__blocks_put(&b, size);
    }
    return NULL;
}

int main(void) {
    pthread_t teller;
    CHECK_EQ(tine__blocks_init(&b), 0);
    CHECK(!tine__blocks_next(&b));
    CHECK_EQ(pthread_create(&teller, NULL, tell, NULL), 0);
    for (unsigned n = 0; n < RECORDS;) {
        const struct stopped_record *r = (const void *)tine__blocks_next(&b);
        if (!r) {
            sched_yield();
            continue;
        }
        CHECK_EQ(r->head.size, size_of(n));
        CHECK_EQ(r->at, n);
        CHECK_EQ(((const unsigned char *)r)[r->head.size - 1], n & 0xff);
        n++;
    }
    pthread_join(teller, NULL);
    CHECK(!tine__blocks_next(&b));
    CHECK_LE(atomic_load(&b.n), 1);
    tine__blocks_free(&b);
    return 0;
}
