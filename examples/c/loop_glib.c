/* A server in a main loop of GLib. A pool computes the answers, and a timer goes on ticking meanwhile.
**
**     loop_glib [port] &                             (prints the port; 0: any)
**     printf '10\n20000\ngap\nstop\n' | nc -N localhost PORT
**
** A line with a number is answered by how many primes there are up to it, `gap` by the longest time, in milliseconds,
** between two ticks since the last `gap`; `stop` ends the server. Answers come in the order of the lines.
*/
#include <arpa/inet.h>
#include <ctype.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tine.h>
#include <unistd.h>
#include "count.h"

struct client {
    int fd;
    guint source; /* 0: it is not to be read from */
    char in[256];
    size_t length;
    tine_future *future; /* what the client waits for; its next lines are looked at afterwards */
    gboolean ended;
};

static GMainLoop *loop;
static tine_pool *pool;
static gint64 gap, last;

static void go_on(struct client *c);

/* --- the pool --- */

static gboolean on_news(gint fd, GIOCondition condition, gpointer data) {
    (void)fd, (void)condition, (void)data;
    tine_pool_dispatch(pool); /* calls on_done; never waits */
    return G_SOURCE_CONTINUE;
}

/* An answer is short: the socket takes it, or its client has not read for long. */
static void answer(struct client *c, const char *text) {
    if (send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        c->ended = TRUE;
}

static void on_done(tine_future *future, void *arg) {
    struct client *c = arg;
    char out[64] = "";
    count_answer(future, out, sizeof out);
    tine_future_free(c->future);
    c->future = NULL;
    answer(c, out);
    go_on(c);
}

/* --- lines --- */

static void take_line(struct client *c, const char *line) {
    char out[64] = "a number, please\n";
    if (!strcmp(line, "stop")) {
        g_main_loop_quit(loop);
        snprintf(out, sizeof out, "bye\n");
    } else if (!strcmp(line, "gap")) {
        snprintf(out, sizeof out, "%.1f\n", (double)gap / 1e3);
        gap = 0;
    } else if (isdigit((unsigned char)*line)) {
        if (count_submit(pool, atol(line), on_done, c, &c->future) == 0)
            return; /* on_done answers */
        snprintf(out, sizeof out, "error: the pool takes nothing\n");
    }
    answer(c, out);
}

static void drop(struct client *c) {
    if (c->source)
        g_source_remove(c->source);
    close(c->fd);
    free(c);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data) {
    struct client *c = data;
    (void)condition;
    ssize_t n = read(fd, c->in + c->length, sizeof c->in - c->length);
    c->length += n > 0 ? (size_t)n : 0;
    c->ended = n <= 0;
    c->source = 0; /* until the lines that there are have been answered */
    go_on(c);
    return G_SOURCE_REMOVE;
}

/* Take the lines that there are, up to one that a task computes; then read on. */
static void go_on(struct client *c) {
    char line[sizeof c->in], *end;
    while (!c->future && (end = memchr(c->in, '\n', c->length)) != NULL) {
        size_t n = (size_t)(end - c->in);
        memcpy(line, c->in, n);
        line[n] = '\0';
        c->length -= n + 1;
        memmove(c->in, end + 1, c->length);
        take_line(c, line);
    }
    if (c->future)
        return;
    if (c->ended || c->length == sizeof c->in)
        drop(c);
    else if (!c->source)
        c->source = g_unix_fd_add(c->fd, G_IO_IN | G_IO_HUP, on_readable, c);
}

/* --- clients --- */

static gboolean on_client(gint fd, GIOCondition condition, gpointer data) {
    (void)condition, (void)data;
    int client = accept(fd, NULL, NULL);
    struct client *c = client == -1 ? NULL : calloc(1, sizeof *c);
    if (c) {
        c->fd = client;
        go_on(c);
    } else if (client != -1) {
        close(client);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer data) {
    gint64 now = g_get_monotonic_time();
    (void)data;
    gap = MAX(gap, now - last);
    last = now;
    return G_SOURCE_CONTINUE;
}

static int listen_at(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        return -1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--help"))
        return puts("usage: loop_glib [port]      (0: any free one)") == EOF;
    tine_options options = TINE_OPTIONS_INIT;
    options.workers = 2;
    int fd = -1;
    if (tine_pool_open(&pool, &options) != 0 ||
        (fd = listen_at(argc > 1 ? atoi(argv[1]) : 0)) == -1)
        return fprintf(stderr, "loop_glib: no pool, or no such port\n"), 1;
    loop = g_main_loop_new(NULL, FALSE);
    g_unix_fd_add(fd, G_IO_IN, on_client, NULL);
    g_unix_fd_add(tine_pool_fileno(pool), G_IO_IN, on_news, NULL);
    last = g_get_monotonic_time();
    g_timeout_add(5, on_tick, NULL);
    g_main_loop_run(loop);
    tine_pool_close(pool);
    g_main_loop_unref(loop);
    return 0;
}
