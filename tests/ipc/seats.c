/* Seats in the arena, and processes that come too late for theirs. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/arena.h"
#include "ipc/arena_layout.h"

static int go[2], told[2], given[2];

static void await_exit(pid_t pid) {
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

/* Be a process that Tine has forked for this seat. */
static struct arena *sit_down(struct arena *a, uint32_t ticket) {
    int fd = tine__arena_fd(a);
    tine__arena_forget();
    CHECK_EQ(tine__arena_attach(fd, ticket), 0);
    return tine__arena_get();
}

/* A worker's child, which the worker has forked and given a seat: it takes it when it is let go, and tells how
** that ended. */
static void be_child(uint32_t ticket) {
    char byte;
    CHECK_EQ(read(go[0], &byte, 1), 1);
    int error = tine__arena_reseat(ticket);
    CHECK_EQ(write(told[1], &error, sizeof error), (int)sizeof error);
    _exit(0);
}

/* Start a worker with a child, and return the child's ticket. The worker dies, or (`stays`) lives until the child
** has ended. */
static pid_t start_worker(struct arena *a, uint32_t ticket, bool stays, uint32_t *child) {
    pid_t pid = fork();
    if (pid == 0) {
        uint32_t its = tine__seat_give(sit_down(a, ticket));
        pid_t kid = fork();
        if (kid == 0)
            be_child(its);
        CHECK_EQ(write(given[1], &its, sizeof its), (int)sizeof its);
        if (stays)
            await_exit(kid);
        _exit(0);
    }
    CHECK_EQ(read(given[0], child, sizeof *child), (int)sizeof *child);
    return pid;
}

static int let_go(void) {
    int error;
    CHECK_EQ(write(go[1], "", 1), 1);
    CHECK_EQ(read(told[0], &error, sizeof error), (int)sizeof error);
    return error;
}

/* As it should be. */
static void test_child(struct arena *a) {
    uint32_t child, worker = tine__seat_give(a);
    pid_t pid = start_worker(a, worker, true, &child);
    CHECK_EQ(let_go(), 0);
    await_exit(pid);
    tine__seat_vacate(a, worker);
    CHECK_EQ(seat_number(tine__seat_give(a)), seat_number(worker)); /* both are free again */
    CHECK_EQ(seat_number(tine__seat_give(a)), seat_number(child));
}

/* The worker dies before its child has taken its seat. The worker's parent finds no process in that seat, and gives
** it to another one: then both sat there, and what the one dropped was freed for the other. */
static void test_late_child(struct arena *a) {
    uint32_t child, worker = tine__seat_give(a);
    await_exit(start_worker(a, worker, false, &child));
    tine__seat_vacate(a, worker);
    uint32_t next = tine__seat_give(a), other = tine__seat_give(a);
    CHECK_EQ(seat_number(next), seat_number(worker));
    CHECK_EQ(seat_number(other), seat_number(child));
    pid_t pid = fork();
    if (pid == 0) {
        sit_down(a, other);
        _exit(0);
    }
    await_exit(pid);
    CHECK_EQ(let_go(), TINE_ESYSTEM);
    CHECK_EQ(seat_pid(atomic_load(&a->seats[seat_number(other)].word)), pid);
}

/* A worker has the regions that its fork server has made, in a preload, and notes that it holds them. If that could not
** be done it went on, and crashed when it dropped one. */
static void test_no_memory(struct arena *a) {
#ifdef TINE_FAULTS
    struct region *r;
    CHECK_EQ(tine__region_new(&r, REGION_BUFFER, 10), 0);
    for (int i = 0; i < 2; i++) {
        uint32_t ticket = tine__seat_give(a);
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(tine__fault_set(i == 0 ? "mmap" : ""));
            int err = tine__arena_reseat(ticket);
            CHECK_EQ(err, i == 0 ? TINE_ESYSTEM : 0);
            if (!err)
                tine__region_unref(r);
            _exit(0);
        }
        await_exit(pid);
        tine__seat_vacate(a, ticket);
    }
    tine__region_unref(r);
#else
    (void)a;
#endif
}

int main(void) {
    CHECK(pipe(go) == 0 && pipe(told) == 0 && pipe(given) == 0);
    struct arena *a = tine__arena_get();
    CHECK(a);
    test_child(a);
    test_late_child(a);
    test_no_memory(a);
    tine__arena_put(a);
    return 0;
}
