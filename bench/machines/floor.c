/* The floor under Tine on many machines: a client and workers as bare as the protocol allows, on the same gearmand.
**
**     floor worker PORT                    serves function "floor" for ever: gives back what it got
**     floor client PORT COUNT FLIGHT SIZE  COUNT jobs of SIZE bytes, FLIGHT of them under way; says seconds and the median
**                                          round trip (with FLIGHT 1)
*/
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CAN_DO = 1,
    PRE_SLEEP = 4,
    NOOP = 6,
    SUBMIT = 7,
    CREATED = 8,
    GRAB = 9,
    NO_JOB = 10,
    ASSIGN = 11,
    COMPLETE = 13
};

struct packet {
    uint32_t type, size;
    char *data;
};

static char *room;
static size_t capacity;
static char *in;
static size_t have, at, in_capacity;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int dial(const char *port) {
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd == -1 || connect(fd, (const struct sockaddr *)&to, sizeof to) == -1)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void send_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            die("send");
        p += sent;
        n -= (size_t)sent;
    }
}

/* A request of a head and two parts. */
static void request(int fd, uint32_t type, const char *a, size_t na, const char *b, size_t nb) {
    size_t size = 12 + na + nb;
    if (size > capacity && !(room = realloc(room, capacity = 2 * size)))
        die("realloc");
    uint32_t head[2] = {htonl(type), htonl((uint32_t)(na + nb))};
    memcpy(room, "\0REQ", 4);
    memcpy(room + 4, head, sizeof head);
    memcpy(room + 12, a, na);
    memcpy(room + 12 + na, b, nb);
    send_all(fd, room, size);
}

static void fill(int fd, size_t need) {
    if (at > 0) {
        memmove(in, in + at, have - at);
        have -= at;
        at = 0;
    }
    while (have < need) {
        if (in_capacity < need + 65536 && !(in = realloc(in, in_capacity = 2 * need + 131072)))
            die("realloc");
        ssize_t n = recv(fd, in + have, in_capacity - have, 0);
        if (n <= 0)
            die("recv");
        have += (size_t)n;
    }
}

static struct packet receive(int fd) {
    uint32_t head[2];
    if (have - at < 12)
        fill(fd, 12);
    memcpy(head, in + at + 4, sizeof head);
    struct packet p = {ntohl(head[0]), ntohl(head[1]), NULL};
    if (have - at < 12 + (size_t)p.size)
        fill(fd, 12 + (size_t)p.size);
    p.data = in + at + 12;
    at += 12 + (size_t)p.size;
    return p;
}

static int work(const char *port) {
    int fd = dial(port);
    request(fd, CAN_DO, "floor", 5, "", 0);
    request(fd, GRAB, "", 0, "", 0);
    for (;;) {
        struct packet p = receive(fd);
        if (p.type == NO_JOB)
            request(fd, PRE_SLEEP, "", 0, "", 0);
        if (p.type == NOOP)
            request(fd, GRAB, "", 0, "", 0);
        if (p.type != ASSIGN)
            continue;
        size_t handle = strlen(p.data) + 1, name = strlen(p.data + handle) + 1;
        request(fd, COMPLETE, p.data, handle, p.data + handle + name, p.size - handle - name);
        request(fd, GRAB, "", 0, "", 0);
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void submit(int fd, const char *bytes, size_t size) {
    request(fd, SUBMIT, "floor\0", 7, bytes, size);
}

static int ask(char **argv) {
    int fd = dial(argv[2]), count = atoi(argv[3]), flight = atoi(argv[4]);
    size_t size = (size_t)atol(argv[5]);
    char *bytes = calloc(1, size + 1);
    double *times = calloc((size_t)count, sizeof *times), begin = now(), last = begin;
    int sent = 0, done = 0;
    for (; sent < count && sent < flight; sent++)
        submit(fd, bytes, size);
    while (done < count) {
        if (receive(fd).type != COMPLETE)
            continue;
        double t = now();
        times[done++] = t - last;
        last = t;
        if (sent < count) {
            submit(fd, bytes, size);
            sent++;
        }
    }
    double seconds = now() - begin;
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("%.6f %.9f\n", seconds, times[count / 2]);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "worker"))
        return work(argv[2]);
    if (argc == 6 && !strcmp(argv[1], "client"))
        return ask(argv);
    fprintf(stderr, "usage: floor worker PORT | floor client PORT COUNT FLIGHT SIZE\n");
    return 2;
}
