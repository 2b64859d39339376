/* The table of system calls: calls go through; with TINE_FAULTS they fail by name and count. */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/sys.h"
#include "check.h"
#include "tine.h"

static void calls_go_through(void) {
    int pair[2] = {-1, -1}, copy = -1;
    void *p = sys.malloc(10);
    CHECK(p);
    p = sys.realloc(p, 100);
    CHECK(p);
    free(p);
    CHECK_EQ(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    copy = sys.dup3(pair[0], 100, O_CLOEXEC);
    CHECK_EQ(copy, 100);
    errno = ENOENT;
    tine__close(&copy);
    CHECK_EQ(copy, -1);
    tine__close(&copy); /* accepts a closed one */
    CHECK_EQ(errno, ENOENT);
    tine__close(&pair[0]);
    tine__close(&pair[1]);
    CHECK_EQ(sys.open("/no such file", O_RDONLY | O_CLOEXEC), -1);
    CHECK_EQ(errno, ENOENT);
}

static void every_code_has_a_name(void) {
    CHECK(!strcmp(tine_error_kind(TINE_ECRASHED), "crashed"));
    CHECK(!strcmp(tine_error_kind(TINE_ENOMEM), "system"));
    CHECK(!strcmp(tine_error_text(TINE_ETIMEOUT), "the time allowed has passed"));
    CHECK(!strcmp(tine_error_kind(TINE_OK), "ok"));
    CHECK(!strcmp(tine_error_kind(-1000), "unknown"));
    CHECK(!strcmp(tine_error_text(-1000), tine_error_text(1)));
}

#ifdef TINE_FAULTS

/* Whether the call fails, and leaves this errno. */
static bool malloc_fails(int error) {
    errno = 0;
    void *p = sys.malloc(8);
    bool failed = !p && errno == error;
    free(p);
    return failed;
}

static void the_call_with_the_count_fails(void) {
    CHECK(tine__fault_set("malloc:3"));
    CHECK(!malloc_fails(0));
    CHECK(!malloc_fails(0));
    CHECK(malloc_fails(ENOMEM));
    CHECK(!malloc_fails(0));
    CHECK_EQ(tine__fault_count("malloc"), 4);
    CHECK_EQ(tine__fault_count("mmap"), 0);
    CHECK_EQ(tine__fault_struck(), 1);
}

static void errno_and_times_can_be_chosen(void) {
    int pair[2];
    CHECK(tine__fault_set("socketpair:2:EMFILE:2,mmap:1::0"));
    for (int i = 1; i <= 4; i++) {
        int fails = i == 2 || i == 3;
        CHECK_EQ(sys.socketpair(AF_UNIX, SOCK_STREAM, 0, pair), fails ? -1 : 0);
        if (fails)
            CHECK_EQ(errno, EMFILE);
        else
            close(pair[0]), close(pair[1]);
    }
    for (int i = 0; i < 5; i++)
        CHECK(sys.mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK(tine__fault_set(NULL));
    CHECK(sys.mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void all_counts_any_name(void) {
    CHECK(tine__fault_set("all:3"));
    CHECK(!malloc_fails(0));
    CHECK(sys.mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    CHECK(malloc_fails(EMFILE));
    CHECK_EQ(tine__fault_count("all"), 3);
}

static void threads_fail_as_pthread_does(void) {
    pthread_t t;
    CHECK(tine__fault_set("thread_create:1"));
    CHECK_EQ(sys.thread_create(&t, NULL, NULL, NULL), EAGAIN);
}

static void nonsense_is_refused(void) {
    CHECK(!tine__fault_set("no_such_call:1"));
    CHECK(!tine__fault_set("malloc:0"));
    CHECK(!tine__fault_set("malloc:1:EWHAT"));
    CHECK(!tine__fault_set("malloc:1:EIO:1:1"));
    CHECK(!malloc_fails(0));
    CHECK(tine__kill_set("anything:2"));
    CHECK(tine__kill_set(NULL));
}

/* Run `body` in a child; gives waitpid's status. */
static int in_child(void (*body)(void)) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static void become_worker_and_fail(void) {
    CHECK(!malloc_fails(0)); /* the host's calls do not count */
    CHECK(!malloc_fails(0));
    tine__fault_role("worker");
    CHECK_EQ(tine__fault_count("malloc"), 0);
    CHECK(!malloc_fails(0));
    CHECK(malloc_fails(ENOMEM));
}

static void roles_are_told_apart(void) {
    setenv("TINE_FAULT", "worker/malloc:2", 1);
    CHECK_EQ(in_child(become_worker_and_fail), 0);
    unsetenv("TINE_FAULT");
}

static void pass_a_kill_point_three_times(void) {
    tine__fault_role("server");
    KILL_POINT("here");
    KILL_POINT("elsewhere");
    KILL_POINT("here");
    KILL_POINT("here");
}

static void kill_points_kill(void) {
    setenv("TINE_KILL", "server/here:3", 1);
    CHECK_EQ(in_child(pass_a_kill_point_three_times), SIGKILL);
    setenv("TINE_KILL", "server/here:4,worker/here", 1);
    CHECK_EQ(in_child(pass_a_kill_point_three_times), 0);
    unsetenv("TINE_KILL");
}

#endif

int main(void) {
    calls_go_through();
    every_code_has_a_name();
#ifdef TINE_FAULTS
    the_call_with_the_count_fails();
    errno_and_times_can_be_chosen();
    all_counts_any_name();
    threads_fail_as_pthread_does();
    nonsense_is_refused();
    roles_are_told_apart();
    kill_points_kill();
#endif
    return 0;
}
