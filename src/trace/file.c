#include "trace/file.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "base/thread.h"
#include "base/text.h"
#include "base/why.h"
#include "ipc/futex.h"
#include "trace/pages.h"
#include "worker/root/root.h"

#define BATCH 10000000u /* ns: the writer waits so long for more records before it writes */
#define PATIENCE 1000u  /* ms that the end of the program waits for a thread that is writing */

struct trace_file {
    struct trace_file *next; /* in files */
    unsigned users;          /* 0: it is closed */
    dev_t device;
    ino_t inode;
    char *name;       /* by which it was opened last */
    atomic_bool told; /* its error was told */

    pthread_mutex_t lock; /* guards the formatting and writing, and: */
    struct list streams;
    struct pages pages;

    pthread_t writer;
    pthread_mutex_t bell; /* guards the writer's sleep, and `stop` */
    pthread_cond_t rung;
    atomic_bool dirty, hurry; /* there are records; there are many */
    bool stop;
};

/* All files that this process has traced to. They are few, and kept until the process ends. */
static struct {
    pthread_mutex_t lock;
    struct trace_file *files;
    unsigned generation;
    bool heeds_exit;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- writing --- */

static void put(void *pages, const char *event, size_t length) {
    tine__pages_put(pages, event, length);
}

/* Write all records of all streams. The lock is held. */
static void drain(struct trace_file *f) {
    for (struct list *n = f->streams.next; n != &f->streams; n = n->next) {
        struct stream *s = LIST_ITEM(n, struct stream, node);
        const struct trace_record *r;
        bool any = false;
        for (; (r = tine__blocks_next(&s->blocks)) != NULL; any = true)
            if (!atomic_load_explicit(&f->pages.error, memory_order_relaxed))
                tine__format(&s->format, r);
        if (any)
            tine__format_rest(&s->format);
    }
    tine__pages_flush(&f->pages);
}

void tine__file_drain(struct trace_file *f) {
    pthread_mutex_lock(&f->lock);
    drain(f);
    pthread_mutex_unlock(&f->lock);
}

void tine__file_ring(struct trace_file *f, bool pressed) {
    /* Here: store the record, then read `dirty`. The writer: clear `dirty`, then read records. So
    ** one of the two sees what the other has stored. */
    store_then_look();
    bool dirty = atomic_load_explicit(&f->dirty, memory_order_relaxed);
    if (dirty && (!pressed || atomic_load_explicit(&f->hurry, memory_order_relaxed)))
        return;
    pthread_mutex_lock(&f->bell);
    atomic_store(&f->dirty, true);
    if (pressed)
        atomic_store(&f->hurry, true);
    pthread_cond_signal(&f->rung);
    pthread_mutex_unlock(&f->bell);
}

/* Wait for records, and then BATCH for more of them. False: the writer is to stop. */
static bool sleep_for_news(struct trace_file *f) {
    while (!f->stop && !atomic_load(&f->dirty))
        pthread_cond_wait(&f->rung, &f->bell);
    const struct timespec until = clock_timespec(tine__now() + BATCH);
    int err = 0;
    while (!f->stop && !err && !atomic_load(&f->hurry))
        err = pthread_cond_timedwait(&f->rung, &f->bell, &until);
    return !f->stop;
}

static void *run_writer(void *arg) {
    struct trace_file *f = arg;
    pthread_mutex_lock(&f->bell);
    while (sleep_for_news(f)) {
        atomic_store(&f->hurry, false);
        atomic_store(&f->dirty, false);
        pthread_mutex_unlock(&f->bell);
        store_then_look();
        tine__file_drain(f);
        pthread_mutex_lock(&f->bell);
    }
    pthread_mutex_unlock(&f->bell);
    return NULL;
}

static int start_writer(struct trace_file *f) {
    f->stop = false;
    return tine__thread_start(&f->writer, run_writer, f);
}

static void stop_writer(struct trace_file *f) {
    pthread_mutex_lock(&f->bell);
    f->stop = true;
    pthread_cond_signal(&f->rung);
    pthread_mutex_unlock(&f->bell);
    pthread_join(f->writer, NULL);
}

/* --- the end of the program --- */

/* The program ends with open pools: write what they have told. The closing bracket is missing
** then. */
static void flush_at_exit(void) {
    if (all.generation != tine__root_generation() || pthread_mutex_trylock(&all.lock) != 0)
        return;
    for (struct trace_file *f = all.files; f; f = f->next) {
        const struct timespec step = {0, 1000000};
        bool locked = false;
        for (unsigned i = 0; f->users > 0 && i < PATIENCE && !locked; i++)
            if (!(locked = pthread_mutex_trylock(&f->lock) == 0))
                nanosleep(&step, NULL);
        if (locked) {
            drain(f);
            pthread_mutex_unlock(&f->lock);
        }
    }
    pthread_mutex_unlock(&all.lock);
}

/* --- opening --- */

/* Lock `all`. A forked child forgets the files of its parent first. */
static void lock_all(void) {
    if (all.generation != tine__root_generation()) {
        pthread_mutex_init(&all.lock, NULL);
        all.generation = tine__root_generation();
        all.files = NULL;
    }
    pthread_mutex_lock(&all.lock);
    if (!all.heeds_exit)
        all.heeds_exit = atexit(flush_at_exit) == 0;
}

static struct trace_file *find(const struct stat *st) {
    struct trace_file *f = all.files;
    while (f && (f->device != st->st_dev || f->inode != st->st_ino))
        f = f->next;
    return f;
}

static struct trace_file *new_file(const struct stat *st) {
    struct trace_file *f = sys.calloc(1, sizeof *f);
    pthread_condattr_t attr;
    if (!f)
        return NULL;
    f->device = st->st_dev;
    f->inode = st->st_ino;
    list_init(&f->streams);
    pthread_mutex_init(&f->lock, NULL);
    pthread_mutex_init(&f->bell, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->rung, &attr);
    pthread_condattr_destroy(&attr);
    f->next = all.files;
    return all.files = f;
}

/* Write from the beginning of the file; or continue it, if this program has written it and nobody
** has changed it since. */
static int open_pages(struct trace_file *f, int fd, const struct stat *st) {
    bool regular = S_ISREG(st->st_mode);
    if (regular && flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) {
        tine__why(EBUSY, "another program writes it (%%p in its name keeps them apart)");
        return -1;
    }
    if (regular && f->pages.any && (uint64_t)st->st_size == tine__pages_length(&f->pages))
        return tine__pages_reopen(&f->pages, fd);
    return tine__pages_open(&f->pages, fd, regular);
}

/* Open a file that is closed, by the name it has now. Takes over the descriptor. */
static int open_file(struct trace_file *f, int fd, const struct stat *st, const char *name) {
    char *copy = tine__text_copy(name);
    int err = copy ? 0 : TINE_ENOMEM;
    if (!err && (open_pages(f, fd, st) || start_writer(f)))
        err = TINE_ESYSTEM;
    if (err) {
        int saved = errno;
        free(copy);
        tine__close(&fd);
        errno = saved;
        return err;
    }
    free(f->name);
    f->name = copy;
    return 0;
}

/* O_NONBLOCK while opening: a pipe that nobody reads is an error then, and does not block. */
static int open_descriptor(const char *name, struct stat *st) {
    int fd = tine__fd_create(name, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    if (fd == -1) {
        tine__why(errno, "%s", strerror(errno)); /* the name of the system call would help nobody */
        return -1;
    }
    int flags = sys.fcntl(fd, F_GETFL, 0);
    if (flags == -1 || sys.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1 ||
        sys.fstat(fd, st) == -1) {
        tine__close(&fd);
        return -1;
    }
    return fd;
}

static int join_locked(struct trace_file **out, const char *name) {
    struct stat st;
    int fd = open_descriptor(name, &st), err = 0;
    if (fd == -1)
        return TINE_ESYSTEM;
    struct trace_file *f = find(&st);
    if (f && f->users > 0) {
        tine__close(&fd);
    } else {
        f = f ? f : new_file(&st);
        err = f ? open_file(f, fd, &st, name) : TINE_ENOMEM;
        if (!f)
            tine__close(&fd);
    }
    if (!err)
        f->users++;
    *out = f;
    return err;
}

int tine__file_join(struct trace_file **out, const char *name, struct stream *s) {
    if (tine__root_heed_forks())
        return TINE_ESYSTEM;
    lock_all();
    int err = join_locked(out, name);
    if (!err) {
        struct trace_file *f = *out;
        s->format.put = put;
        s->format.arg = &f->pages;
        pthread_mutex_lock(&f->lock);
        tine__format_begin(&s->format, f->pages.any ? NULL : program_invocation_short_name);
        list_push(&f->streams, &s->node);
        pthread_mutex_unlock(&f->lock);
    }
    pthread_mutex_unlock(&all.lock);
    return err;
}

void tine__file_leave(struct trace_file *f, struct stream *s) {
    lock_all();
    tine__file_drain(f);
    pthread_mutex_lock(&f->lock);
    list_remove(&s->node);
    pthread_mutex_unlock(&f->lock);
    if (--f->users == 0) {
        stop_writer(f);
        tine__pages_close(&f->pages);
    }
    pthread_mutex_unlock(&all.lock);
}

/* --- trouble --- */

int tine__file_error(const struct trace_file *f) {
    return atomic_load_explicit(&f->pages.error, memory_order_relaxed);
}

bool tine__file_tell(struct trace_file *f) {
    return !atomic_exchange(&f->told, true);
}

const char *tine__file_name(const struct trace_file *f) {
    return f->name;
}
