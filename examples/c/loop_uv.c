/* A server in a loop of libuv. A pool computes the answers, and a timer goes on ticking meanwhile.
**
**     loop_uv [port] &                               (prints the port; 0: any)
**     printf '10\n20000\ngap\nstop\n' | nc -N localhost PORT
**
** A line with a number is answered by how many primes there are up to it, `gap` by the longest time, in milliseconds,
** between two ticks since the last `gap`; `stop` ends the server. Answers come in the order of the lines.
*/
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine.h>
#include <uv.h>
#include "count.h"

struct client {
    uv_tcp_t tcp; /* first: libuv's handle is ours */
    uv_write_t write;
    char in[256], out[64];
    size_t length;
    tine_future *future; /* what the client waits for; its next lines are looked at afterwards */
    bool ended, writing;
};

static uv_loop_t *loop;
static uv_tcp_t server;
static uv_timer_t timer;
static uv_poll_t doorbell; /* of the pool */
static tine_pool *pool;
static uint64_t gap, last;

static void go_on(struct client *c);

/* --- the pool --- */

static void on_news(uv_poll_t *handle, int status, int events) {
    (void)handle, (void)status, (void)events;
    tine_pool_dispatch(pool); /* calls on_done; never waits */
}

static void on_written(uv_write_t *request, int status) {
    struct client *c = request->data;
    (void)status;
    c->writing = false;
    go_on(c);
}

static void answer(struct client *c) {
    uv_buf_t buf = uv_buf_init(c->out, (unsigned)strlen(c->out));
    c->write.data = c;
    c->writing = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0;
    if (!c->writing) { /* the client is gone */
        c->ended = true;
        c->length = 0;
        go_on(c);
    }
}

static void on_done(tine_future *future, void *arg) {
    struct client *c = arg;
    count_answer(future, c->out, sizeof c->out);
    tine_future_free(c->future);
    c->future = NULL;
    answer(c);
}

/* --- lines --- */

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

static void stop(void) {
    uv_close((uv_handle_t *)&server, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&doorbell, NULL);
}

static void take_line(struct client *c, const char *line) {
    if (!strcmp(line, "stop")) {
        stop();
        snprintf(c->out, sizeof c->out, "bye\n");
    } else if (!strcmp(line, "gap")) {
        snprintf(c->out, sizeof c->out, "%.1f\n", (double)gap / 1e6);
        gap = 0;
    } else if (!isdigit((unsigned char)*line)) {
        snprintf(c->out, sizeof c->out, "a number, please\n");
    } else if (count_submit(pool, atol(line), on_done, c, &c->future) == 0) {
        return; /* on_done answers */
    } else {
        snprintf(c->out, sizeof c->out, "error: the pool takes nothing\n");
    }
    answer(c);
}

/* Take the next line, if there is one and nothing is under way. */
static void go_on(struct client *c) {
    char line[sizeof c->in], *end = memchr(c->in, '\n', c->length);
    if (c->future || c->writing)
        return;
    if (end) {
        size_t n = (size_t)(end - c->in);
        memcpy(line, c->in, n);
        line[n] = '\0';
        c->length -= n + 1;
        memmove(c->in, end + 1, c->length);
        take_line(c, line);
    } else if ((c->ended || c->length == sizeof c->in) && !uv_is_closing((uv_handle_t *)&c->tcp)) {
        uv_close((uv_handle_t *)&c->tcp, on_closed);
    }
}

/* --- clients --- */

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct client *c = (struct client *)handle;
    (void)suggested;
    *buf = uv_buf_init(c->in + c->length, (unsigned)(sizeof c->in - c->length));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    struct client *c = (struct client *)stream;
    (void)buf;
    if (n > 0)
        c->length += (size_t)n;
    else if (n == UV_ENOBUFS) /* more lines than there is room for: they wait in the socket */
        return;
    else if (n < 0)
        c->ended = true;
    go_on(c);
}

static void on_client(uv_stream_t *from, int status) {
    struct client *c = status == 0 ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return;
    uv_tcp_init(loop, &c->tcp);
    if (uv_accept(from, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, give_room, on_read) != 0)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_tick(uv_timer_t *handle) {
    uint64_t now = uv_hrtime();
    (void)handle;
    if (now - last > gap)
        gap = now - last;
    last = now;
}

static int listen_at(int port) {
    struct sockaddr_in address;
    int size = sizeof address;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(loop, &server);
    if (uv_tcp_bind(&server, (struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&server, 128, on_client) != 0 ||
        uv_tcp_getsockname(&server, (struct sockaddr *)&address, &size) != 0)
        return -1;
    printf("%d\n", ntohs(address.sin_port));
    return fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--help"))
        return puts("usage: loop_uv [port]      (0: any free one)") == EOF;
    tine_options options = TINE_OPTIONS_INIT;
    options.workers = 2;
    loop = uv_default_loop();
    if (tine_pool_open(&pool, &options) != 0 || listen_at(argc > 1 ? atoi(argv[1]) : 0) != 0)
        return fprintf(stderr, "loop_uv: no pool, or no such port\n"), 1;
    uv_poll_init(loop, &doorbell, tine_pool_fileno(pool));
    uv_poll_start(&doorbell, UV_READABLE, on_news);
    last = uv_hrtime();
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, on_tick, 5, 5);
    uv_run(loop, UV_RUN_DEFAULT);
    tine_pool_close(pool);
    return uv_loop_close(loop) != 0;
}
