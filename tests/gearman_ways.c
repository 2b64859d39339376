/* Connections to job servers: a name with two addresses, of which the first refuses late; one that fails while it is
** written to; and a program that forks while connections are made. */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/sys.h"
#include "check.h"
#include "gearman/connection.h"
#include "worker/root/root.h"

static int listen_here(struct gm_way *way) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)&way->socket;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    way->length = sizeof *v4;
    CHECK(fd != -1 && bind(fd, (struct sockaddr *)v4, way->length) == 0 && listen(fd, 5) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)v4, &way->length) == 0);
    return fd;
}

/* What the system says of a connection that has failed by now. */
static void refuse(struct gm_conn *c, int listener) {
    const struct linger at_once = {.l_onoff = 1};
    int peer = accept(listener, NULL, NULL);
    CHECK(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(peer);
    CHECK(poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, -1) == 1);
}

/* The second address had what the first one left of its time; where that was little, it never came to it. */
static void the_second_way_has_its_own_time(void) {
    struct gm_address address = {.name = "jobs", .nways = 2};
    int first = listen_here(&address.ways[0]), second = listen_here(&address.ways[1]);
    struct gm_conn c;
    bool opened;
    const uint64_t long_ago = 1;
    tine__gm_init(&c, &address);
    CHECK(tine__gm_open(&c, long_ago));
    CHECK_EQ(c.heard, long_ago);
    refuse(&c, first);
    uint64_t before = tine__now();
    tine__gm_polled(&c, POLLOUT | POLLERR, &opened);
    CHECK(c.connecting && !opened);
    CHECK_EQ(c.way, 1);
    CHECK(c.heard >= before);

    refuse(&c, second); /* there is no third */
    tine__gm_polled(&c, POLLOUT | POLLERR, &opened);
    CHECK_EQ(c.fd, -1);
    CHECK_EQ(c.error, ECONNRESET);
    close(first);
    close(second);
}

/* A connection that had failed counted as open until its failure was read: calls that the pool meant to send there
** meanwhile ended with "out of memory". */
static void a_connection_that_has_failed_is_not_open(void) {
    struct gm_address address = {.name = "jobs", .nways = 1};
    int listener = listen_here(&address.ways[0]);
    struct gm_conn c;
    bool opened;
    tine__gm_init(&c, &address);
    CHECK(tine__gm_open(&c, tine__now()));
    CHECK(poll(&(struct pollfd){.fd = c.fd, .events = POLLOUT}, 1, -1) == 1);
    tine__gm_polled(&c, POLLOUT, &opened);
    CHECK(opened && gm_is_open(&c));
    refuse(&c, listener);
    CHECK(tine__gm_say(&c, "workers\n"));
    tine__gm_flush(&c);
    CHECK(!gm_is_open(&c));
    struct gm_packet p;
    CHECK(!tine__gm_receive(&c, &p, tine__now()));
    CHECK_EQ(c.fd, -1);
    CHECK_EQ(c.error, ECONNRESET);
    close(listener);
}

/* --- forks --- */

#define MANY 200
#define ROUNDS 30

static struct gm_address here = {.nways = 1};
static struct gm_conn conns[MANY];
static atomic_bool all_open;

static void *open_all(void *arg) {
    for (int i = 0; i < MANY; i++) {
        tine__gm_init(&conns[i], &here);
        CHECK(tine__gm_open(&conns[i], tine__now()));
    }
    atomic_store(&all_open, true);
    return arg;
}

/* In a child of the program all descriptors of ours are closed. */
static _Noreturn void look_for_sockets(int listener) {
    struct stat st;
    for (int fd = 3; fd < 3 + 2 * MANY; fd++)
        if (fd != listener && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
            _exit(1);
    _exit(0);
}

/* A socket was made and then noted, each by itself: a child that was forked in between kept it, and
** the server went on taking the program for alive. */
static void a_child_has_no_connection(void) {
    int listener = listen_here(&here.ways[0]), status;
    pthread_t thread;
    CHECK(tine__root_heed_forks() == 0);
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&all_open, false);
        CHECK(pthread_create(&thread, NULL, open_all, NULL) == 0);
        while (!atomic_load(&all_open)) {
            pid_t pid = fork();
            if (pid == 0)
                look_for_sockets(listener);
            CHECK(pid != -1 && waitpid(pid, &status, 0) == pid);
            CHECK_EQ(status, 0);
        }
        CHECK(pthread_join(thread, NULL) == 0);
        for (int i = 0; i < MANY; i++)
            tine__gm_close(&conns[i]);
    }
    close(listener);
}

int main(void) {
    the_second_way_has_its_own_time();
    a_connection_that_has_failed_is_not_open();
    a_child_has_no_connection();
    return 0;
}
