/* Serving: what the files share.
**
**     serve.c   the loop                       hear.c     what servers and submitters say
**     work.c    a task, from job to item       answer.c   from what has ended to answers
**     blobs.c   functions of submitters        watch.c    signs of life, connecting again
**     crews.c   what workers run once for a submitter
*/
#ifndef TINE_SERVE_INTERNAL_H
#define TINE_SERVE_INTERNAL_H

#include "base/list.h"
#include "gearman/connection.h"
#include "pool/pool.h"
#include "serve/serve.h"

#define SERVE_SECOND 1000000000ull
#define SERVE_MILLISECOND 1000000ull
#define SERVE_BLOBS 4096u /* functions and values of others that are remembered, at most */
#define SERVE_SEEN 4096u  /* tasks that were here, by their unique ids */

struct crew;
struct call_far;

/* A submitter, as one server knows it. */
struct peer {
    struct list node; /* in server->peers, or server->opening until its line has a handle */
    char id[GM_UNIQUE], unique[GM_UNIQUE];
    char handle[GM_HANDLE];
    unsigned works;      /* of its tasks, those that it has confirmed */
    uint64_t said;       /* messages that it has sent, so far */
    uint64_t heard;      /* when, the last one */
    uint64_t lost_after; /* ns */
    uint64_t shown;      /* ... and when it was told of our workers last */
    unsigned key;        /* that it seals with */
    struct crew *crew;   /* or NULL: it has no errands */
};

struct server {
    struct serve *serve;
    struct gm_conn conn;
    /* who we are there: of this connection, for nothing of an earlier one is left */
    char id[GM_UNIQUE];
    struct list peers, opening, works;
    unsigned grabs; /* jobs that were asked for */
    bool dry;       /* it had nothing for one of them: it is not asked again before it says so */
    bool asleep;
    bool known; /* it has heard what we can do */
    bool told;  /* the log has it that it is not there */
    uint64_t again, pause;
    uint64_t asked; /* for a sign of life */
};

enum work_stage {
    WORK_ASKED, /* its submitter is to confirm it */
    WORK_BEGUN, /* it is with the pool */
    WORK_ENDED
};

/* A task of somebody. */
struct work {
    struct item item;      /* first member */
    struct list node;      /* in server->works, or serve->orphans */
    struct server *server; /* NULL: nobody waits for it any more */
    struct peer *peer;
    struct crew *crew; /* its submitter's, since it is with the pool */
    char handle[GM_HANDLE], unique[GM_UNIQUE];
    uint8_t stage; /* enum work_stage */
    bool stopped;  /* it was to be ended */
    bool running;  /* a worker has taken it up, as its submitter knows */
    unsigned key;
    uint64_t said;   /* messages about it, so far */
    uint64_t asked;  /* when it was given to us, */
    uint64_t looked; /* and its functions were looked for (tine__blobs_now) */
    uint32_t told;   /* its tasks whose ends were told */
    struct gm_task task;
    struct buf rest; /* names and bytes, as they came */
    struct buf answers;
    struct events *events; /* or NULL */
    struct outcome event;  /* the next one, of task `event_k`, if it is set */
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
    unsigned works;      /* all of them */
    unsigned waiting;    /* of which nobody has been told that a worker has taken it up, */
    unsigned running;    /* and of which somebody has */
    uint64_t look, rest; /* when to look for that, and how long after that again */
    uint64_t idle_since, alone_since; /* 0: it is not */
    bool registered, leaving, forced, broken;
    int signals;
    struct buf plain, sealed;
    struct blobs *blobs;
    uint64_t seen[SERVE_SEEN];
};

/* --- blobs.c: functions and shared values of others, in the pool's own store --- */

/* About so many bytes of them are remembered. */
struct blobs *tine__blobs_new(struct store *store, uint64_t most);
void tine__blobs_free(struct blobs *b);
/* NULL: it is not there. */
const struct codec_stored *tine__blob_find(struct blobs *b, uint64_t id);
/* As it came in SAY_CODE. What was looked for since that moment (tine__blobs_now) is not forgotten for its bytes. */
void tine__blob_keep(struct blobs *b, struct gm_reader r, uint64_t since);
uint64_t tine__blobs_now(const struct blobs *b);
/* It is wanted no more. */
void tine__blob_drop(struct blobs *b, uint64_t id);

/* --- crews.c: what workers run once for a submitter --- */

/* As it came in SAY_ERRAND: the next one of the submitter. */
void tine__crew_hear(struct serve *s, struct peer *peer, struct gm_reader r);
/* NULL is fine. */
struct crew *tine__crew_ref(struct crew *c);
void tine__crew_unref(struct serve *s, struct crew *c);
/* So many there are. */
uint64_t tine__crew_errands(const struct crew *c);
/* Does one of them carry code? */
bool tine__crew_has_code(const struct crew *c);
/* What a worker is told of them. */
void tine__crew_describe(const struct crew *c, struct call_far *out);

/* --- work.c --- */

/* A job came. */
void tine__work_take(struct serve *s, struct server *v, const struct gm_packet *p);
/* Its submitter has confirmed it, or need not. */
void tine__work_begin(struct serve *s, struct work *w);
/* Nothing is to be said of it any more; it ends as by abort, if it runs. */
void tine__work_abandon(struct serve *s, struct work *w);
/* It never begins: its server gives it to another. */
void tine__work_drop(struct serve *s, struct work *w);
/* It has ended. */
void tine__work_free(struct serve *s, struct work *w);
/* Say to the server that there will be no result. */
void tine__work_refuse(struct server *v, struct gm_text handle);

/* --- answer.c --- */

/* Add an answer to what is to be said. */
void tine__answer(struct work *w, enum gm_answer_kind kind, uint32_t k, const void *bytes,
                  size_t n);
/* ... that it has begun. */
void tine__answer_begun(struct serve *s, struct work *w);
/* ... how far it has come. */
void tine__answer_progress(struct serve *s, struct work *w);
/* Say it; `last`: that was all. */
void tine__answer_say(struct serve *s, struct work *w, bool last);
/* It was not begun, and none of its tasks will be: this is why. */
void tine__answer_unrun(struct serve *s, struct work *w, enum gm_answer_kind kind, const char *why);
/* Take what has ended from the pool. */
void tine__answer_all(struct serve *s);

/* --- hear.c --- */

/* Read what the server has sent. */
void tine__hear(struct serve *s, struct server *v);
/* Ask for tasks, if there is room for them. */
void tine__grab(struct serve *s, struct server *v);
/* The submitter with this id, to which a line is opened; NULL: no memory. */
struct peer *tine__peer_need(struct serve *s, struct server *v, const struct gm_task *t,
                             unsigned key);
/* It is in no list any more. */
void tine__peer_free(struct serve *s, struct peer *peer);
/* Nobody waits for what runs for the submitter any more. */
void tine__peer_lose(struct serve *s, struct server *v, struct peer *peer, const char *why);

/* --- watch.c --- */

/* The connection has been made. */
void tine__greet(struct serve *s, struct server *v);
/* It is closed. */
void tine__server_lose(struct serve *s, struct server *v, const char *why);
/* Tell the submitter of the work if a worker has taken it up, and it does not know yet. */
void tine__watch_begun(struct serve *s, struct work *w);
uint64_t tine__watch_due(const struct serve *s);
void tine__watch(struct serve *s, uint64_t now);
/* A line of the log, printf-like. */
void tine__serve_log(const struct serve *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Could more tasks be taken? */
static inline unsigned serve_room(const struct serve *s) {
    unsigned most = s->o->workers + s->o->workers / 2 + 1, taken = s->works;
    for (unsigned i = 0; i < s->nservers; i++)
        taken += s->servers[i].grabs;
    return s->leaving || s->broken || taken >= most ? 0 : most - taken;
}

#endif
