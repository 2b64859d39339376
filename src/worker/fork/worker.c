/* A worker process: from its fork to its end. */
#include <errno.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"
#include "ipc/arena.h"
#include "worker/channel/shm.h"
#include "worker/fork/server.h"
#include "worker/fork/takeover.h"
#include "worker/process/family.h"
#include "worker/process/output.h"
#include "worker/process/process.h"
#include "worker/state/memory.h"
#include "worker/state/seed.h"
#include "worker/state/state.h"
#include "worker/task/ask.h"
#include "worker/task/divert.h"
#include "worker/task/loop.h"
#include "worker/task/prelude.h"

struct worker {
    struct server *server;
    uint32_t id;
    struct loop loop;
};

/* --- the process --- */

static void become_worker(struct server *s, int link, pid_t parent) {
    tine__process_tie(parent);
    tine__fault_role("worker");
    tine__process_signals_worker(s->boot.preload != NULL, &s->boot.inherit);
    tine__family_mark(parent, getpid());
    int keep[] = {s->fds[SETUP_CALLS], s->fds[SETUP_CLAIMS], s->fds[SETUP_HEAP],
                  s->fds[SETUP_BELL],  s->fds[SETUP_WAKEUP], s->fds[SETUP_CAPTURE],
                  s->fds[SETUP_PRINT], s->fds[SETUP_ARENA],  link};
    tine__fd_keep(keep, sizeof keep / sizeof *keep);
}

/* Do what a preload has not done already. */
static void attach(struct channel *ch, struct server *s, uint32_t seat) {
    int err = tine__server_attach(s, 0);
    if (!err)
        err = tine__arena_reseat(seat);
    if (err) {
        ch->say(ch, RECORD_UNFIT, (uint64_t)error_errno(err), 0);
        tine__process_exit(1);
    }
}

static struct channel *open_channel(struct server *s, uint32_t id, int link) {
    struct channel *ch;
    const struct shm_channel_parts parts = {
        .calls = s->fds[SETUP_CALLS],
        .claims = s->fds[SETUP_CLAIMS],
        .link = link,
        .waiter = s->fds[SETUP_BELL],
        .manager = s->fds[SETUP_WAKEUP],
        .heap = s->heap,
        .worker = id,
        .spin = s->boot.spin,
        .event_buffer = s->boot.event_buffer,
    };
    return tine__shm_channel_open(&ch, &parts) ? NULL : ch;
}

/* --- its life --- */

static _Noreturn void fail(struct channel *ch) {
    tine__output_flush();
    ch->say(ch, RECORD_FAILED, 0, 0);
    tine__process_exit(1);
}

static void start(struct worker *w) {
    struct channel *ch = w->loop.channel;
    KILL_POINT("starting");
    tine__fd_company();
    /* or all siblings would draw the same numbers */
    srandom((unsigned)tine__now() ^ (unsigned)getpid());
    const struct server *s = w->server;
    w->loop.run = s->run;
    if (tine__prelude_prepare(&w->loop, w->id, &s->boot, s->executed, ch->reply(ch)))
        fail(ch);
    if (s->boot.preload && tine__state_mend)
        tine__state_mend(w->loop.run.L);
    int err = tine__prelude_initialize(&w->loop.run, &s->boot, ch->reply(ch));
    if (process_is_foreign())
        tine__process_exit(0); /* the initializer has forked, and this is the child */
    if (err)
        fail(ch);
    tine__output_flush();
    ch->reply(ch);
    ch->say(ch, RECORD_READY, (uint64_t)getpid(), 0);
}

_Noreturn void tine__worker_main(struct server *s, uint32_t id, uint32_t seat, int link,
                                 pid_t parent) {
    struct worker w = {.server = s, .id = id};
    become_worker(s, link, parent);
    tine__process_title(s->boot.name ? s->boot.name : "", id);
    w.loop.channel = open_channel(s, id, link);
    if (!w.loop.channel)
        tine__process_exit(WORKER_SPEECHLESS);
    attach(w.loop.channel, s, seat);
    w.loop.max_tasks = s->boot.max_tasks;
    w.loop.max_memory = s->boot.max_memory;
    w.loop.idle = s->boot.idle;
    w.loop.slab = tine__memory_slab(s->run.L);
    if (w.loop.slab)
        tine__slab_forked(w.loop.slab);
    tine__divert_open(w.loop.channel, id, s->fds[SETUP_CAPTURE], s->fds[SETUP_PRINT]);
    start(&w);
    tine__loop_run(&w.loop);
    if (w.loop.parting) { /* else all leave because the pool ends, and no reason is needed */
        w.loop.channel->reply(w.loop.channel);
        w.loop.channel->say(w.loop.channel, RECORD_LEAVING, w.loop.parting, 0);
    }
    KILL_POINT("leaving");
    tine__prelude_finalize(&w.loop.run, &s->boot, w.loop.channel->reply(w.loop.channel));
    tine__state_end(s->run.L);
}
