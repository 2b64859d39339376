/* A host that does to its pools what careless programs and hostile tasks do: closes and replaces descriptors, forks
** in threads, reaps all children, changes its environment and its ids meanwhile. Nothing of it may crash, hang or
** write into files of the program; a pool that was broken says so, and the next one works. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tine.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            exit(1); \
        } \
    } while (0)

#define PATIENCE 30.0

static tine_pool *open_pool(unsigned workers) {
    tine_options o = TINE_OPTIONS_INIT;
    tine_pool *pool;
    o.workers = workers;
    o.on_crash = TINE_REPLACE;
    CHECK(tine_pool_open(&pool, &o) == 0);
    return pool;
}

/* The code of a task of that source; TINE_ETIMEDOUT and the like never. */
static int run(tine_pool *pool, const char *source) {
    tine_task task = TINE_TASK_INIT;
    tine_future *future;
    task.function = source;
    int err = tine_submit(pool, &task, &future);
    if (err)
        return err;
    CHECK(tine_future_wait(future, PATIENCE) == 0);
    err = tine_future_code(future);
    tine_future_free(future);
    return err;
}

static void works(tine_pool *pool) {
    CHECK(run(pool, "return 1") == 0);
}

/* --- descriptors --- */

static void victims_are_whole(int *files, int n) {
    for (int i = 0; i < n; i++) {
        struct stat st;
        CHECK(fstat(files[i], &st) == 0 && st.st_size == 8);
        close(files[i]);
    }
}

static int make_victims(int *files, int most) {
    for (int i = 0; i < most; i++) {
        char name[] = "/tmp/tine_hostile_XXXXXX";
        CHECK((files[i] = mkstemp(name)) != -1 && unlink(name) == 0);
        CHECK(write(files[i], "precious", 8) == 8);
    }
    return most;
}

static void descriptors_closed(void) {
    int files[40];
    tine_pool *pool = open_pool(2);
    works(pool);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    int n = make_victims(files, 40);
    CHECK(run(pool, "return ('x'):rep(1 << 20)") == TINE_EBROKEN);
    tine_pool_close(pool);
    victims_are_whole(files, n);
    works(pool = open_pool(1));
    tine_pool_close(pool);
}

/* One after the other, each with a file put in its place. */
static void descriptors_replaced(void) {
    for (int victim = 3; victim < 40; victim++) {
        int file;
        tine_pool *pool = open_pool(1);
        works(pool);
        make_victims(&file, 1);
        if (victim != file && fcntl(victim, F_GETFD) != -1)
            CHECK(dup2(file, victim) == victim);
        int err = run(pool, "return ('x'):rep(1 << 20)");
        CHECK(err == 0 || err == TINE_EBROKEN || err == TINE_ESYSTEM || err == TINE_ECRASHED ||
              err == TINE_ENOMEM);
        tine_pool_close(pool);
        if (victim != file)
            close(victim);
        victims_are_whole(&file, 1);
    }
}

/* --- forks, and children that are not the program's --- */

static atomic_bool stop;

static void *forks(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    return NULL;
}

static void *reaps(void *arg) {
    (void)arg;
    while (!atomic_load(&stop))
        if (waitpid(-1, NULL, WNOHANG) <= 0)
            usleep(100);
    return NULL;
}

__attribute__((unused)) static void *changes_environment(void *arg) {
    char *big = malloc(100000);
    (void)arg;
    memset(big, 'x', 99999);
    big[99999] = '\0';
    while (!atomic_load(&stop)) {
        setenv("CHANGING", "1", 1);
        setenv("CHANGING", big, 1);
    }
    free(big);
    return NULL;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 8 /* each takes three times as long */
#else
#define ROUNDS 20
#endif

/* Pools come and go while another thread does that. */
static void beside(void *(*what)(void *), int rounds) {
    pthread_t thread;
    atomic_store(&stop, false);
    CHECK(pthread_create(&thread, NULL, what, NULL) == 0);
    for (int i = 0; i < rounds; i++) {
        tine_pool *pool = open_pool(2);
        works(pool);
        tine_pool_close(pool);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

/* --- tasks --- */

static void hostile_tasks(void) {
    static const char *const tasks[] = {
        "os.exit(0)",
        "os.exit(3, true)",
        "os.execute('kill -9 $PPID') while true do end",
        "os.execute('kill -STOP $PPID; sleep 0.1; kill -CONT $PPID') return 1",
        "for i = 0, 300 do io.open('/proc/self/fd/' .. i, 'a') end return 1",
        "io.stdout:close() io.stderr:close() print(1) return 1",
        "os.execute('sleep 3 &') return 1",
        "error(setmetatable({}, {__tostring = error}))",
        "return setmetatable({}, {__gc = function() os.exit(4) end}) and 1",
    };
    tine_pool *pool = open_pool(2);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        run(pool, tasks[i]);
        works(pool);
    }
    tine_pool_close(pool);
}

/* --- ids --- */

static void ids_given_up(void) {
    if (getuid() != 0)
        return;
    tine_pool *before = open_pool(1);
    works(before);
    CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    tine_options o = TINE_OPTIONS_INIT;
    tine_pool *pool;
    o.workers = 1;
    if (tine_pool_open(&pool, &o) == 0) { /* or the helper is not to be had */
        CHECK(run(pool, "assert(not io.open '/etc/shadow') return 1") != TINE_ETASK);
        tine_pool_close(pool);
    }
    works(before);
    tine_pool_close(before);
}

int main(void) {
    CHECK(tine_prepare() == 0);
    hostile_tasks();
#ifndef __SANITIZE_THREAD__ /* a race of the program's own, which it would tell */
    beside(changes_environment, ROUNDS);
#endif
    beside(reaps, ROUNDS);
    beside(forks, ROUNDS);
    descriptors_closed();
    descriptors_replaced();
    ids_given_up();
    return 0;
}
