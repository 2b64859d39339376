/* Hand: a thread of a site that writes what tasks print to the program's streams, which takes as
** long as somebody outside does not read.
**
** Who has it does not wait for that. A hand that is over is joined; one that is not may be forsaken:
** it goes on alone, and frees everything when it has finished.
*/
#ifndef TINE_SITE_HAND_H
#define TINE_SITE_HAND_H

#include <pthread.h>
#include <stdbool.h>
#include "base/hot.h"

struct hand {
    pthread_t thread;
    pthread_mutex_t lock; /* protects the next two, and what its owner says */
    bool over;
    bool forsaken;
    int manager; /* an event, borrowed until the hand is over or forsaken */
};

void tine__hand_init(struct hand *h, int manager);
/* Start the thread. 0, TINE_ESYSTEM. */
int tine__hand_start(struct hand *h, void *(*run)(void *arg), void *arg);
/* The thread has finished, which rings the manager. True: it was forsaken, and has to free
** everything itself. */
bool tine__hand_ends(struct hand *h);
COLD bool tine__hand_is_over(struct hand *h);
/* Forsake it. False: it is over, and has to be joined. */
COLD bool tine__hand_forsake(struct hand *h);
/* Wait until it is over. */
void tine__hand_join(struct hand *h);
void tine__hand_free(struct hand *h);

#endif
