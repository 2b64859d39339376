/* A server whose one thread never blocks: it serves lines of text on a loopback socket from its own poll
** loop, and each line is a Lua expression that a task evaluates. The answers to a client come in the
** order of its lines; an expression that computes for more than a second is an error, and no client
** waits for another.
**
**     server 4000 &        (prints the port; 0: any)
**     printf '6 * 7\nstring.rep("ab", 3)\n' | nc -N localhost 4000
*/
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tine.h>
#include <unistd.h>

enum {
    CLIENTS = 64,
    LINE = 1024,
    REQUESTS = 16
}; /* more requests of one client wait in its socket */

static const char evaluate_source[] = "local line = ...\n"
                                      "return tostring((assert(load('return ' .. line, '=line', "
                                      "'t', {math = math, string = string}))()))\n";

struct client {
    int fd; /* -1: free */
    int closing;
    size_t in_length, out_length;
    char in[LINE];
    char *out;                       /* not written yet */
    tine_future *requests[REQUESTS]; /* in their order */
    int count;
};

static tine_pool *pool;
static struct client clients[CLIENTS];
static volatile sig_atomic_t stopped;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

/* --- answers --- */

static void answer(struct client *c, const char *text, size_t length) {
    char *out = realloc(c->out, c->out_length + length + 1);
    if (!out)
        return;
    memcpy(out + c->out_length, text, length);
    out[c->out_length + length] = '\n';
    c->out = out;
    c->out_length += length + 1;
}

static void answer_with(struct client *c, tine_future *future) {
    size_t length;
    msgpack_unpacked values;
    if (tine_future_code(future) != 0) {
        char text[512];
        int n = snprintf(text, sizeof text, "error: %s", tine_future_message(future));
        answer(c, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
        return;
    }
    const void *bytes = tine_future_values(future, &length);
    msgpack_unpacked_init(&values);
    if (msgpack_unpack_next(&values, bytes, length, NULL) == MSGPACK_UNPACK_SUCCESS) {
        const msgpack_object_str *text = &values.data.via.array.ptr[0].via.str;
        answer(c, text->ptr, text->size);
    }
    msgpack_unpacked_destroy(&values);
}

/* Move what is done to the output, in order. */
static void collect(struct client *c) {
    int done = 0;
    while (done < c->count && tine_future_code(c->requests[done]) != TINE_EAGAIN) {
        if (c->fd != -1)
            answer_with(c, c->requests[done]);
        tine_future_free(c->requests[done++]);
    }
    c->count -= done;
    memmove(c->requests, c->requests + done, (size_t)c->count * sizeof *c->requests);
}

/* Called by tine_pool_dispatch, in our only thread. */
static void on_done(tine_future *future, void *arg) {
    (void)future;
    collect(arg);
}

/* --- requests --- */

static void request(struct client *c, const char *line, size_t length) {
    tine_task task = TINE_TASK_INIT;
    msgpack_sbuffer args;
    msgpack_packer packer;
    msgpack_sbuffer_init(&args);
    msgpack_packer_init(&packer, &args, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 1);
    msgpack_pack_str(&packer, length);
    msgpack_pack_str_body(&packer, line, length);
    task.function = evaluate_source;
    task.args = args.data;
    task.args_length = args.size;
    task.timeout = 1;
    task.done = on_done;
    task.done_arg = c;
    if (tine_submit(pool, &task, &c->requests[c->count]) == 0)
        c->count++;
    else
        answer(c, "error: busy", 11);
    msgpack_sbuffer_destroy(&args);
}

static void take_lines(struct client *c) {
    char *end, *start = c->in, *stop = c->in + c->in_length;
    while (c->count < REQUESTS && (end = memchr(start, '\n', (size_t)(stop - start)))) {
        request(c, start, (size_t)(end - start));
        start = end + 1;
    }
    c->in_length = (size_t)(stop - start);
    memmove(c->in, start, c->in_length);
}

/* --- sockets --- */

static void drop(struct client *c) {
    close(c->fd);
    for (int i = 0; i < c->count; i++) { /* callbacks still come, and find the place unchanged */
        tine_future_abort(c->requests[i]);
    }
    free(c->out);
    c->out = NULL;
    c->out_length = c->in_length = 0;
    c->fd = -1;
}

static void read_some(struct client *c) {
    ssize_t n = read(c->fd, c->in + c->in_length, LINE - c->in_length);
    if (n > 0)
        c->in_length += (size_t)n;
    else if (n == 0)
        c->closing = 1; /* it has said all, and waits for the rest of its answers */
    else if (errno != EAGAIN && errno != EINTR)
        drop(c);
}

static void write_some(struct client *c) {
    ssize_t n = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL);
    if (n > 0) {
        c->out_length -= (size_t)n;
        memmove(c->out, c->out + n, c->out_length);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        drop(c);
    }
}

static void welcome(int listener) {
    int fd = accept(listener, NULL, NULL);
    for (int i = 0; fd != -1 && i < CLIENTS; i++)
        if (clients[i].fd == -1 && clients[i].count == 0) {
            fcntl(fd, F_SETFL, O_NONBLOCK);
            clients[i].fd = fd;
            clients[i].closing = 0;
            return;
        }
    if (fd != -1)
        close(fd);
}

static void serve(struct client *c, int events) {
    if (events & (POLLIN | POLLHUP | POLLERR))
        read_some(c);
    if (c->fd != -1)
        take_lines(c);
    if (c->fd != -1 && c->out_length > 0)
        write_some(c);
    bool finished = c->closing && c->count == 0 && c->out_length == 0;
    bool too_long = c->in_length == LINE && !memchr(c->in, '\n', LINE); /* no line is that long */
    if (c->fd != -1 && (finished || too_long))
        drop(c);
}

static short wanted(const struct client *c) {
    short events = c->out_length > 0 ? POLLOUT : 0;
    if (!c->closing && c->count < REQUESTS && c->in_length < LINE)
        events |= POLLIN;
    return events;
}

static void loop(int listener) {
    struct pollfd fds[CLIENTS + 2];
    fds[CLIENTS] = (struct pollfd){listener, POLLIN, 0};
    fds[CLIENTS + 1] = (struct pollfd){tine_pool_fileno(pool), POLLIN, 0};
    while (!stopped) {
        for (int i = 0; i < CLIENTS; i++)
            fds[i] = (struct pollfd){clients[i].fd, wanted(&clients[i]), 0};
        if (poll(fds, CLIENTS + 2, -1) == -1)
            continue;
        if (fds[CLIENTS + 1].revents)
            tine_pool_dispatch(pool); /* calls on_done; never waits */
        for (int i = 0; i < CLIENTS; i++)
            if (clients[i].fd != -1)
                serve(&clients[i], fds[i].fd == clients[i].fd ? fds[i].revents : 0);
        if (fds[CLIENTS].revents)
            welcome(listener);
    }
}

static int listen_at(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 16) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        return -1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    tine_options options = TINE_OPTIONS_INIT;
    options.on_crash = TINE_REPLACE; /* one bad request must not end the others */
    options.workers = 4;
    int err = tine_pool_open(&pool, &options);
    int listener = listen_at(argc > 1 ? atoi(argv[1]) : 0);
    if (err || listener == -1) {
        fprintf(stderr, "server: %s\n", err ? tine_error_text(err) : strerror(errno));
        return 1;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    loop(listener);
    tine_pool_kill(pool, true);
    tine_pool_close(pool); /* the last callbacks */
    return 0;
}
