/* Internals of serving.
**
**     serve.c   the loop                       hear.c     what servers and submitters send
**     work.c    a task, from job to item       answer.c   from ended tasks to answers
**     blobs.c   functions of submitters        watch.c    signs of life, reconnecting
**     crews.c   errands of submitters
**
** All of it runs in the one thread that calls tine__serve.
*/
#ifndef TINE_SERVE_INTERNAL_H
#define TINE_SERVE_INTERNAL_H

#include "base/list.h"
#include "gearman/connection.h"
#include "pool/pool.h"
#include "serve/serve.h"

#define SERVE_SECOND 1000000000ull
#define SERVE_MILLISECOND 1000000ull
#define SERVE_BLOBS 4096u /* most functions and values of submitters that are remembered */
#define SERVE_SEEN 4096u  /* recent tasks that are remembered by their unique ids */

struct crew;
struct call_far;

/* A submitter, at one server. */
struct peer {
    struct list node; /* in server->peers, or in server->opening until its line has a handle */
    char id[GM_UNIQUE], unique[GM_UNIQUE];
    char handle[GM_HANDLE];
    unsigned works;      /* number of its tasks that it has confirmed */
    uint64_t said;       /* number of messages received from it */
    uint64_t heard;      /* ns: when the last one came */
    uint64_t lost_after; /* ns */
    uint64_t shown;      /* ns: when it was last told of our workers */
    unsigned key;        /* number of the key that it uses */
    struct crew *crew;   /* NULL: it has no errands */
    bool lacks;          /* an errand that was sent could not be kept */
};

struct server {
    struct serve *serve;
    struct gm_conn conn;
    /* Our id at this server. New for each connection, since nothing of an earlier one is left. */
    char id[GM_UNIQUE];
    struct list peers, opening, works;
    unsigned grabs; /* jobs that were asked for and have not come */
    bool dry;       /* it had no job for us: not asked again until it wakes us */
    bool asleep;
    bool known; /* it has registered our function */
    bool told;  /* that it cannot be reached was logged */
    uint64_t again, pause;
    uint64_t asked; /* ns: when it was last asked for a sign of life */
};

enum work_stage {
    WORK_ASKED, /* its submitter must confirm it */
    WORK_BEGUN, /* submitted to the pool */
    WORK_ENDED
};

/* A task, or a chunk, of a submitter. */
struct work {
    struct item item;      /* first member */
    struct list node;      /* in server->works, or in serve->orphans */
    struct server *server; /* NULL: nobody waits for it any more */
    struct peer *peer;
    struct crew *crew; /* the submitter's, once the work is submitted to the pool */
    char handle[GM_HANDLE], unique[GM_UNIQUE];
    uint8_t stage; /* enum work_stage */
    bool stopped;  /* it was stopped by an order */
    bool running;  /* its submitter knows that a worker has begun it */
    unsigned key;
    uint64_t said;   /* number of messages sent about it */
    uint64_t asked;  /* ns: when it came */
    uint64_t looked; /* tine__blobs_now when its functions were looked up */
    uint32_t told;   /* number of its tasks whose ends were told */
    struct gm_task task;
    struct buf rest; /* names and bytes of the call, as they came */
    struct buf answers;
    struct events *events; /* of its item, or NULL */
    struct outcome event;  /* the next event to be told, of task `event_k`, if set */
    uint32_t event_k;
    struct settings *settings;
    struct outcome outcomes[];
};

struct serve {
    struct pool *pool;
    const struct serve_options *o;
    struct inbox inbox;
    bool opened;
    char function[GM_FUNCTION];
    unsigned nservers;
    struct server servers[GM_SERVERS];
    struct list orphans;
    unsigned works;   /* number of all works */
    unsigned waiting; /* works whose submitters do not know that a worker has begun them */
    unsigned running; /* works whose submitters know it */
    /* When to look for begun works next, and the present pause between looks. */
    uint64_t look, rest;
    /* ns: since when there is no work, or no server; 0: there is. */
    uint64_t idle_since, alone_since;
    bool registered, leaving, forced, broken;
    int signals;
    struct buf plain, sealed;
    struct blobs *blobs;
    uint64_t seen[SERVE_SEEN];
};

/* --- blobs.c: functions and shared values of submitters, in the pool's own store --- */

/* `most`: about how many bytes are remembered. */
struct blobs *tine__blobs_new(struct store *store, uint64_t most);
void tine__blobs_free(struct blobs *b);
/* The blob with the submitter's number, marked as used. NULL: it is not known. */
const struct codec_stored *tine__blob_find(struct blobs *b, uint64_t id);
/* Remember a blob from SAY_CODE. Those that were used since `since` (tine__blobs_now) are not
** forgotten for its sake. */
void tine__blob_keep(struct blobs *b, struct gm_reader r, uint64_t since);
uint64_t tine__blobs_now(const struct blobs *b);
/* Forget a shared value that is no longer used. */
void tine__blob_drop(struct blobs *b, uint64_t id);

/* --- crews.c: errands of submitters --- */

/* Add the submitter's next errand, from SAY_ERRAND. */
void tine__crew_hear(struct serve *s, struct peer *peer, struct gm_reader r);
/* NULL is allowed. */
struct crew *tine__crew_ref(struct crew *c);
void tine__crew_unref(struct serve *s, struct crew *c);
/* The number of errands. */
uint64_t tine__crew_errands(const struct crew *c);
/* Does an errand carry code? */
bool tine__crew_has_code(const struct crew *c);
/* Set the members that tell a worker about the crew. */
void tine__crew_describe(const struct crew *c, struct call_far *out);

/* --- work.c --- */

/* A job has come. */
void tine__work_take(struct serve *s, struct server *v, const struct gm_packet *p);
/* The work was confirmed, or needs no confirmation: submit it to the pool. */
void tine__work_begin(struct serve *s, struct work *w);
/* Nobody waits for the work any more: send nothing about it, and unless option `finish` is set
** abort it. */
void tine__work_abandon(struct serve *s, struct work *w);
/* The work will not begin here: the server gives it to another host. */
void tine__work_drop(struct serve *s, struct work *w);
/* The work has ended: free it. */
void tine__work_free(struct serve *s, struct work *w);
/* Tell the server that there will be no result. */
void tine__work_refuse(struct server *v, struct gm_text handle);

/* --- answer.c --- */

/* Append an answer to those to be sent. */
void tine__answer(struct work *w, enum gm_answer_kind kind, uint32_t k, const void *bytes,
                  size_t n);
/* ... that a worker has begun the task. */
void tine__answer_begun(struct serve *s, struct work *w);
/* ... with the task's progress. */
void tine__answer_progress(struct serve *s, struct work *w);
/* Send the answers; `last`: the job has ended. */
void tine__answer_say(struct serve *s, struct work *w, bool last);
/* The work was not begun and will not be, for this reason: answer for all its tasks. */
void tine__answer_unrun(struct serve *s, struct work *w, enum gm_answer_kind kind, const char *why);
/* Take ended tasks and events from the inbox and answer. */
void tine__answer_all(struct serve *s);

/* --- hear.c --- */

/* Handle what the server has sent. */
void tine__hear(struct serve *s, struct server *v);
/* Ask the server for jobs, if there is room. */
void tine__grab(struct serve *s, struct server *v);
/* The submitter of the task; a line to it is opened if needed. NULL: no memory. */
struct peer *tine__peer_need(struct serve *s, struct server *v, const struct gm_task *t,
                             unsigned key);
/* Free a peer that is in no list any more. */
void tine__peer_free(struct serve *s, struct peer *peer);
/* The submitter has gone: abandon its works. */
void tine__peer_lose(struct serve *s, struct server *v, struct peer *peer, const char *why);

/* --- watch.c --- */

/* The connection was just established: register our function. */
void tine__greet(struct serve *s, struct server *v);
/* The connection was closed. */
void tine__server_lose(struct serve *s, struct server *v, const char *why);
/* Tell the submitter if a worker has begun the work and it does not know that yet. */
void tine__watch_begun(struct serve *s, struct work *w);
uint64_t tine__watch_due(const struct serve *s);
void tine__watch(struct serve *s, uint64_t now);
/* Log a line, printf-like. */
void tine__serve_log(const struct serve *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How many more tasks may be taken. */
static inline unsigned serve_room(const struct serve *s) {
    unsigned most = s->o->workers + s->o->workers / 2 + 1, taken = s->works;
    for (unsigned i = 0; i < s->nservers; i++)
        taken += s->servers[i].grabs;
    return s->leaving || s->broken || taken >= most ? 0 : most - taken;
}

#endif
