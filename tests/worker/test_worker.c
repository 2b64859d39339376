/* Fork servers and workers, seen from the submitter's side. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "codec/segment.h"
#include "worker/root/root.h"
#include "worker/submitter.h"
#include "worker/task/ask.h"

static const struct setup plain;

/* One pool, one worker, at its task loop. */
static void open_one(struct submitter *s, const struct setup *setup) {
    submitter_open(s, setup);
    submitter_up(s);
    submitter_start(s, 1);
    CHECK(submitter_record(s, 1).kind == RECORD_READY);
}

static void test_whole_way(void) {
    struct submitter s;
    open_one(&s, &plain);
    uint64_t id = submitter_put1(&s, "function(x) return x .. '!', 7, nil end", "hello");
    struct record r = submitter_record(&s, 1);
    CHECK(r.kind == RECORD_VALUES && r.id == id && r.ref == id);
    CHECK(lua_gettop(s.L) == 3);
    CHECK(!strcmp(lua_tostring(s.L, 1), "hello!") && lua_tointeger(s.L, 2) == 7);
    submitter_close(&s);
}

/* --- what tasks see, and what comes back --- */

static const char *run_task(struct submitter *s, const char *function, const char *argument) {
    submitter_put1(s, function, argument);
    return submitter_value(s, 1, RECORD_VALUES);
}

static void expect(struct submitter *s, const char *function, const char *argument,
                   const char *result) {
    const char *got = run_task(s, function, argument);
    if (strcmp(got, result) != 0) {
        fprintf(stderr, "%s\ngave: %s\nwanted: %s\n", function, got, result);
        exit(1);
    }
}

static void test_nothing_around_a_task(void) {
    struct submitter s;
    open_one(&s, &plain);
    expect(&s, "function() return tostring(select(2, coroutine.running())) end", "", "true");
    expect(&s, "function() return tostring(coroutine.isyieldable()) end", "", "false");
    expect(&s, "function() return tostring(debug.getinfo(2)) end", "", "nil");
    expect(&s, "function() return debug.traceback('x', 2) end", "", "x\nstack traceback:");
    expect(&s, "function() return tostring(debug.gethook()) end", "", "nil");
    /* the stack is empty after each task, whatever it left */
    expect(&s, "function() return select('#', string.byte(('x'):rep(1000), 1, -1)) end", "",
           "1000");
    submitter_close(&s);
}

static void expect_error(struct submitter *s, const char *function, const char *error,
                         const char *traceback) {
    submitter_put1(s, function, "");
    const char *got = submitter_value(s, 1, RECORD_ERROR);
    if (strcmp(got, error) != 0 || lua_type(s->L, 2) != LUA_TSTRING ||
        !strstr(lua_tostring(s->L, 2), traceback)) {
        fprintf(stderr, "%s\ngave: %s\n%s\n", function, got, lua_tostring(s->L, 2));
        exit(1);
    }
}

/* Under the address sanitizer too a request that is too large fails, as it does elsewhere. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

static int no_memory(lua_State *L) {
    lua_newuserdatauv(L, (size_t)1 << 60, 0);
    return 0;
}

static int no_memory_hook(lua_State *L, void *arg) {
    (void)arg;
    lua_register(L, "no_memory", no_memory);
    return 0;
}

static void test_errors_end_no_loop(void) {
    struct submitter s;
    open_one(&s, &(struct setup){.hook = no_memory_hook});
    expect_error(&s, "function() error('no', 0) end", "no", "in function 'error'");
    expect_error(&s, "function() error() end", "nil", "stack traceback:");
    expect_error(&s, "function() string.rep('x', 1 << 62, nil, error(nil, 0)) end", "nil", "error");
    /* an earlier error's traceback is not taken for this one's: memory errors have none */
    submitter_put1(&s,
                   "function() pcall(load, function() error('x') end)"
                   " no_memory() end",
                   "");
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_ERROR), "not enough memory"));
    CHECK(!strcmp(lua_tostring(s.L, 2), ""));
    submitter_put1(&s, "function() local function f() return 1 + f() end return f() end", "");
    CHECK(strstr(submitter_value(&s, 1, RECORD_ERROR), "stack overflow"));
    submitter_put1(&s,
                   "function() local t = setmetatable({}, {__index = function(t, k)"
                   " return t[k .. 'x'] end}) return t.x end",
                   "");
    CHECK(strstr(submitter_value(&s, 1, RECORD_ERROR), "stack overflow"));
    submitter_put1(&s,
                   "function() setmetatable({}, {__gc = function() error('gc') end})"
                   " collectgarbage() return 'alive' end",
                   "");
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_VALUES), "alive"));
    expect(&s, "function() debug.sethook(function() error('hook') end, '', 1000) return 'ok' end",
           "", "ok");
    expect(&s, "function() for i = 1, 1e5 do end return 'fine' end", "", "fine");
    submitter_put1(&s, "function() return coroutine.create(print) end", "");
    CHECK(strstr(submitter_value(&s, 1, RECORD_REFUSED), "cannot send a"));
    submitter_put1(&s, "function() error(coroutine.create(print)) end", "");
    CHECK(!strncmp(submitter_value(&s, 1, RECORD_ERROR), "thread: ", 8));
    CHECK(strstr(lua_tostring(s.L, 2), "cannot send a"));
    expect(&s, "function() return 'still here' end", "", "still here");
    submitter_close(&s);
}

static void test_load_keeps_its_message(void) {
    struct submitter s;
    open_one(&s, &plain);
    expect(&s, "function() return select(2, load(function() error('reader', 0) end)) end", "",
           "reader");
    submitter_close(&s);
}

static void test_large_results(void) {
    struct submitter s;
    open_one(&s, &plain);
    for (int i = 0; i < 50; i++) {
        CHECK(strlen(run_task(&s, "function(n) return ('x'):rep(n) end", "1000000")) == 1000000);
        CHECK(strlen(run_task(&s, "function(n) return ('x'):rep(n) end", "16000")) == 16000);
    }
    submitter_close(&s);
}

static void test_chunks(void) {
    struct submitter s;
    open_one(&s, &plain);
    uint64_t id = submitter_put(&s, "function(x) if x == 'b' then error('bad', 0) end return x end",
                                3, (const char *const[]){"a", "b", "c"});
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_VALUES), "a"));
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_ERROR), "bad"));
    struct record r = submitter_record(&s, 1);
    CHECK(r.kind == RECORD_VALUES && r.id == id + 2 && !strcmp(lua_tostring(s.L, 1), "c"));
    submitter_close(&s);
}

static void test_stopped_chunk(void) {
    struct submitter s;
    char fifo[] = "/tmp/tine-test-fifo-XXXXXX";
    CHECK(mkdtemp(fifo));
    char path[64];
    snprintf(path, sizeof path, "%s/f", fifo);
    CHECK(mkfifo(path, 0600) == 0);
    open_one(&s, &plain);
    uint64_t id = submitter_put(&s, "function(p) return io.open(p):read('a') end", 3,
                                (const char *const[]){path, path, path});
    FILE *f = fopen(path, "w"); /* now the first task has opened it */
    uint64_t next;
    CHECK(f);
    CHECK(tine__link_stop(&s.links[1], id, 3, &next) && next == id + 1);
    fputs("first", f);
    fclose(f);
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_VALUES), "first"));
    struct record r = submitter_record(&s, 1);
    CHECK(r.kind == RECORD_STOPPED && r.id == id + 1 && r.ref == id);
    expect(&s, "function() return 'next' end", "", "next");
    submitter_close(&s);
    unlink(path);
    rmdir(fifo);
}

static void test_max_tasks(void) {
    struct submitter s;
    open_one(&s, &(struct setup){.max_tasks = 3});
    run_task(&s, "function(x) return x end", "1");
    uint64_t id =
        submitter_put(&s, "function(x) return x end", 4, (const char *const[]){"a", "b", "c", "d"});
    submitter_value(&s, 1, RECORD_VALUES);
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_VALUES), "b"));
    struct record r = submitter_record(&s, 1);
    CHECK(r.kind == RECORD_STOPPED && r.id == id + 2);
    CHECK(submitter_record(&s, 1).kind == RECORD_LEAVING);
    struct message m = submitter_expect(&s, MESSAGE_EXITED);
    CHECK(m.worker == 1 && m.pid == s.pids[1] && m.status == 0);
    submitter_start(&s, 1); /* the same id again */
    CHECK(submitter_record(&s, 1).kind == RECORD_READY);
    submitter_close(&s);
}

static int exit_status(const char *function) {
    struct submitter s;
    open_one(&s, &plain);
    submitter_put1(&s, function, "");
    int status = submitter_expect(&s, MESSAGE_EXITED).status;
    submitter_close(&s);
    return status;
}

static pid_t program;

/* The program's own: it must not run in our processes. */
static void program_exit_handler(void) {
    if (getpid() != program)
        _exit(99);
}

static void test_exits(void) {
    int status = exit_status("function() os.exit(7) end");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = exit_status("function() os.exit(true, true) end");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = exit_status("function() os.execute('kill -9 $PPID') end");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* --- the pool's surroundings --- */

static void test_initializer(void) {
    struct submitter s;
    open_one(&s, &(struct setup){.initializer = "function(x) ready = x end", .initarg = "yes"});
    expect(&s, "function() return ready end", "", "yes");
    submitter_close(&s);
    submitter_open(&s, &(struct setup){.initializer = "function(x) error('init ' .. x, 0) end",
                                       .initarg = "no"});
    submitter_up(&s);
    submitter_start(&s, 1);
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_FAILED), "init no"));
    CHECK(WEXITSTATUS(submitter_expect(&s, MESSAGE_EXITED).status) == 1);
    submitter_close(&s);
}

static void test_preload(void) {
    struct submitter s;
    open_one(&s, &(struct setup){.preload = "function(x) loaded = x end", .initarg = "once"});
    expect(&s, "function() return loaded end", "", "once");
    expect(&s, "function() return package.path end", "", "here/?.lua");
    submitter_close(&s);
    struct message m;
    static char bytes[MESSAGE_MAX];
    submitter_open(
        &s, &(struct setup){.preload = "function(x) error(x:rep(100000), 0) end", .initarg = "no"});
    size_t len;
    CHECK(submitter_hear_bytes(&s, &m, bytes, &len) && m.kind == MESSAGE_NOPRELOAD && len > 10000);
    CHECK(len == segment_length(bytes, len));
    CHECK(!submitter_hear(&s, &m));
    submitter_drop(&s);
}

static void test_endless_preload(void) {
    struct submitter s;
    char path[] = "/tmp/tine-test-preload-XXXXXX";
    int fd = mkstemp(path);
    submitter_open(
        &s, &(struct setup){
                .preload = "function(p) os.execute('echo $PPID >' .. p ..'; exec sleep 1000') end",
                .initarg = path});
    char text[32] = "";
    while (!strchr(text, '\n'))
        CHECK(pread(fd, text, sizeof text - 1, 0) >= 0);
    close(s.control);
    s.control = -1;
    await_gone(atoi(text));
    submitter_drop(&s);
    close(fd);
    unlink(path);
}

static int hook(lua_State *L, void *arg) {
    if (!arg) {
        lua_pushliteral(L, "hook says no");
        return 1;
    }
    lua_pushstring(L, arg);
    lua_setglobal(L, "hooked");
    return 0;
}

static void test_hook(void) {
    struct submitter s;
    open_one(&s, &(struct setup){.hook = hook, .hook_arg = "by a hook"});
    expect(&s, "function() return hooked end", "", "by a hook");
    submitter_close(&s);
    submitter_open(&s, &(struct setup){.hook = hook});
    submitter_up(&s);
    submitter_start(&s, 1);
    CHECK(!strcmp(submitter_value(&s, 1, RECORD_FAILED), "hook says no"));
    submitter_expect(&s, MESSAGE_EXITED);
    submitter_close(&s);
    submitter_open(&s, &(struct setup){.hook_name = "nowhere.so:f"});
    submitter_up(&s);
    submitter_start(&s, 1);
    CHECK(strstr(submitter_value(&s, 1, RECORD_FAILED), "nowhere.so"));
    submitter_expect(&s, MESSAGE_EXITED);
    submitter_close(&s);
}

static void test_worker_process(void) {
    struct submitter s;
    mode_t before = umask(027);
    open_one(&s, &plain);
    umask(before);
    /* what it holds: 0 1 2, the heap, the link, the two bells, the two sockets for what tasks print, the arena, and
    ** here the pipe of popen (for an instant both ends of it) */
    const char *n = run_task(&s,
                             "function() local f <close> = io.popen('ls /proc/$PPID/fd | wc -l')"
                             " return f:read() end",
                             "");
    CHECK(atoi(n) == 11 || atoi(n) == 12);
    const char *status =
        run_task(&s, "function() return io.open('/proc/self/status'):read('a') end", "");
    /* signals: nothing ignored, nothing blocked, SIGINT and the one that asks a task to end caught */
    char caught[40];
    snprintf(caught, sizeof caught, "SigCgt:\t%016llx",
             1ull << (SIGINT - 1) | 1ull << (ASK_SIGNAL - 1));
    CHECK(strstr(status, "SigIgn:\t0000000000000000"));
    CHECK(strstr(status, "SigBlk:\t0000000000000000"));
    CHECK(strstr(status, caught));
    expect(&s, "function() return io.read() == nil and 'eof' end", "", "eof");
    expect(&s, "function() local f = io.popen('umask') return f:read() end", "", "0027");
    submitter_close(&s);
}

static void test_random_seeds(void) {
    struct submitter s;
    char first[64];
    submitter_open(&s, &plain);
    submitter_up(&s);
    submitter_start(&s, 1);
    CHECK(submitter_record(&s, 1).kind == RECORD_READY);
    strcpy(first, run_task(&s, "function() return tostring(math.random(0)) end", ""));
    submitter_kill(&s, 1, SIGKILL);
    submitter_expect(&s, MESSAGE_EXITED);
    submitter_start(&s, 1);
    CHECK(submitter_record(&s, 1).kind == RECORD_READY);
    CHECK(strcmp(first, run_task(&s, "function() return tostring(math.random(0)) end", "")));
    submitter_close(&s);
}

/* --- output --- */

static void read_all(int fd, char *text, size_t size) {
    size_t n = 0;
    ssize_t got;
    while (n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
}

static void test_output_precedes_the_answer(void) {
    struct submitter s;
    int p[2];
    char text[4096];
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    open_one(&s, &(struct setup){.stdout_fd = p[1],
                                 .preload = "function() io.write('preload ') end",
                                 .initarg = ""});
    run_task(&s, "function() print('a line') io.write('no end') end", "");
    ssize_t n = read(p[0], text, sizeof text);
    CHECK(n == 21 && !memcmp(text, "preload a line\nno end", 21));
    run_task(&s, "function() io.stdout:setvbuf('no') io.write('x') io.write('y\\n') end", "");
    run_task(&s, "function() assert(io.stdout:flush()) print('last') end", "");
    submitter_put1(&s, "function() io.write('by exit') os.exit(0) end", "");
    submitter_expect(&s, MESSAGE_EXITED);
    submitter_close(&s);
    close(p[1]);
    read_all(p[0], text, sizeof text);
    CHECK(!strcmp(text, "xy\nlast\nby exit"));
    close(p[0]);
}

/* Four workers print lines of up to 4,096 bytes into one pipe; none is mixed with another. */
static void test_lines_are_whole(void) {
    struct submitter s;
    int p[2];
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    submitter_open(&s, &(struct setup){.stdout_fd = p[1]});
    submitter_up(&s);
    for (unsigned id = 1; id <= 4; id++)
        submitter_start(&s, id);
    for (int i = 0; i < 40; i++)
        submitter_put1(&s,
                       "function(c) for i = 1, 200 do local n = i * 7919 % 4096"
                       " io.write(c:rep(n // 2), c:rep(n - n // 2), '\\n') end end",
                       (const char[]){(char)('a' + i % 26), 0});
    close(p[1]);
    FILE *f = fdopen(p[0], "r");
    static char line[8192];
    for (int i = 0; i < 40 * 200; i++) {
        CHECK(fgets(line, sizeof line, f));
        size_t n = strlen(line) - 1;
        CHECK(n < 4096 && line[n] == '\n' && strspn(line, (char[]){line[0], 0}) == (n ? n : 1));
    }
    submitter_close(&s);
    fclose(f);
}

static void test_closed_pipe_kills_nobody(void) {
    struct submitter s;
    int p[2];
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    open_one(&s, &(struct setup){.stdout_fd = p[1]});
    close(p[0]);
    close(p[1]);
    expect(&s, "function() io.write('x') return select(2, io.stdout:flush()) end", "",
           "Broken pipe");
    expect(&s, "function() print('x') return 'alive' end", "", "alive");
    expect(&s, "function() local _, how, n = os.execute('kill -PIPE $$') return how .. n end", "",
           "signal13");
    submitter_close(&s);
}

/* --- ends --- */

/* The task prints pids; waits for the line. */
static void read_line(int fd, char *text, size_t size) {
    size_t n = 0;
    while (n < size - 1 && read(fd, text + n, 1) == 1 && text[n] != '\n')
        n++;
    text[n] = '\0';
}

struct busy {
    struct submitter s;
    pid_t child, background;
    int out;
};

/* A worker that waits for a program, and has another one in the background. */
static void open_busy(struct busy *b, bool wait) {
    int p[2];
    char text[64];
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    open_one(&b->s, &(struct setup){.stdout_fd = p[1]});
    close(p[1]);
    b->out = p[0];
    submitter_put1(&b->s,
                   wait ? "function() os.execute[[(setsid sleep 1000 & echo $!)& wait; sleep 0.1; "
                          "echo $$; exec sleep 1000]] end"
                        : "function() os.execute[[sleep 1000 & echo $!]] end",
                   "");
    read_line(p[0], text, sizeof text);
    b->background = atoi(text);
    CHECK(b->background > 0 && is_alive(b->background));
    if (!wait) {
        submitter_value(&b->s, 1, RECORD_VALUES);
        return;
    }
    read_line(p[0], text, sizeof text);
    b->child = atoi(text);
    CHECK(b->child > 0 && is_alive(b->child));
}

static void test_kill_takes_the_family(void) {
    struct busy b;
    open_busy(&b, true);
    submitter_kill(&b.s, 1, SIGKILL);
    struct message m = submitter_expect(&b.s, MESSAGE_EXITED);
    CHECK(WIFSIGNALED(m.status) && WTERMSIG(m.status) == SIGKILL);
    await_gone(b.child);
    await_gone(b.background);
    submitter_close(&b.s);
    close(b.out);
}

static void test_terminate_takes_the_family(void) {
    struct busy b;
    open_busy(&b, true);
    submitter_kill(&b.s, 1, SIGTERM);
    struct message m = submitter_expect(&b.s, MESSAGE_EXITED);
    CHECK(WIFSIGNALED(m.status) && WTERMSIG(m.status) == SIGTERM);
    await_gone(b.child);
    await_gone(b.background);
    submitter_close(&b.s);
    close(b.out);
}

static void test_end_of_file_ends_all(void) {
    struct busy b;
    open_busy(&b, true);
    close(b.s.control);
    b.s.control = -1;
    await_gone(b.s.pids[1]);
    await_gone(b.child);
    await_gone(b.background);
    await_gone(b.s.server);
    submitter_drop(&b.s);
    close(b.out);
}

static void test_background_survives_good_order(void) {
    struct busy b;
    open_busy(&b, false);
    submitter_close(&b.s);
    CHECK(is_alive(b.background));
    kill(b.background, SIGKILL);
    await_gone(b.background);
    close(b.out);
}

static void test_death_of_the_server(void) {
    struct busy b;
    struct message m;
    open_busy(&b, true);
    kill(b.s.server, SIGKILL);
    CHECK(!submitter_hear(&b.s, &m));
    await_gone(b.s.pids[1]);
    await_gone(b.child);
    await_gone(b.background);
    submitter_drop(&b.s);
    close(b.out);
}

/* Another program (a forked child of this one) is killed in the middle. */
static void test_death_of_the_submitter(void) {
    int p[2];
    pid_t pids[4];
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    unsigned before = tine__root_generation();
    pid_t pid = fork();
    if (pid == 0) {
        struct busy b;
        CHECK(tine__root_generation() == before + 1);
        CHECK(tine__root_take() == 0);
        open_busy(&b, true);
        const pid_t all[4] = {b.s.server, b.s.pids[1], b.child, b.background};
        CHECK(write(p[1], all, sizeof all) == sizeof all);
        pause();
    }
    CHECK(tine__root_generation() == before);
    close(p[1]);
    CHECK(read(p[0], pids, sizeof pids) == sizeof pids);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    for (int i = 0; i < 4; i++)
        await_gone(pids[i]);
    close(p[0]);
}

/* The standard descriptors of the program may be closed, and its signals in any state. */
static void test_odd_program(void) {
    int p[2];
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct submitter s;
        dup2(p[1], 9);
        for (int fd = 0; fd < 9; fd++)
            close(fd);
        signal(SIGCHLD, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        struct setup setup = {.stdout_fd = 9};
        CHECK(tine__root_take() == 0);
        CHECK(open("/dev/null", O_RDWR) == 0); /* none of ours is there */
        CHECK(dup(0) == 1 && dup(0) == 2);
        open_one(&s, &setup);
        const char *status =
            run_task(&s, "function() return io.open('/proc/self/status'):read('a') end", "");
        bool good = strstr(status, "SigIgn:\t0000000000000002") && /* SIGINT; not SIGCHLD */
                    strstr(status, "SigBlk:\t0000000000000000");
        submitter_close(&s);
        CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD); /* we have no children */
        _exit(good ? 0 : 1);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(p[0]);
    close(p[1]);
}

/* start_method = "spawn": a root that was executed has nothing of this program. */
static void test_spawn(void) {
    struct submitter s;
    open_one(&s, &(struct setup){
                     .spawn = true, .preload = "function(x) loaded = x end", .initarg = "here"});
    expect(&s, "function() return loaded end", "", "here");
    expect(&s,
           "function() local f <close> = io.popen('readlink /proc/$PPID/exe') return"
           " f:read():match('[^/]*$') end",
           "", "tine-helper");
    submitter_close(&s);
    submitter_open(&s, &(struct setup){.spawn = true, .hook = hook, .hook_arg = "x"});
    submitter_up(&s);
    submitter_start(&s, 1);
    CHECK(strstr(submitter_value(&s, 1, RECORD_FAILED), "lib.so:symbol"));
    submitter_expect(&s, MESSAGE_EXITED);
    submitter_close(&s);
}

static void *another_thread(void *arg) {
    read(*(int *)arg, (char[1]){0}, 1);
    return NULL;
}

/* A program that has threads when the root is taken is not forked at all. */
static void test_threads(void) {
    int p[2], status;
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct submitter s;
        pthread_t t;
        CHECK(pthread_create(&t, NULL, another_thread, &p[0]) == 0);
        CHECK(tine__root_take() == 0);
        open_one(&s, &plain);
        expect(&s,
               "function() local f <close> = io.popen('readlink /proc/$PPID/exe') return"
               " f:read():match('[^/]*$') end",
               "", "tine-helper");
        submitter_close(&s);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(p[0]);
    close(p[1]);
}

static void count_close(void *arg) {
    ++*(int *)arg;
}

static void test_watch(void) {
    int closed = 0;
    struct root_watch *a = tine__root_watch(count_close, &closed);
    struct root_watch *b = tine__root_watch(count_close, &closed);
    CHECK(a && b);
    tine__root_unwatch(b);
    pid_t pid = fork();
    if (pid == 0)
        _exit(closed == 1 ? 0 : 1);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0 && closed == 0);
    tine__root_unwatch(a);
}

/* A task that makes a pool of its own: a C function of the test's, there by the hook. */
static int nested(lua_State *L) {
    struct submitter s;
    CHECK(tine__root_take() == 0);
    open_one(&s, &plain);
    lua_pushstring(L, run_task(&s, "function() print('inner') return 'nested' end", ""));
    submitter_close(&s);
    return 1;
}

static int nest_hook(lua_State *L, void *arg) {
    (void)arg;
    lua_register(L, "nested", nested);
    return 0;
}

static void test_pool_in_a_task(void) {
    struct submitter s;
    open_one(&s, &(struct setup){.hook = nest_hook});
    expect(&s, "function() return nested() end", "", "nested");
    expect(&s, "function() return nested() end", "", "nested");
    submitter_close(&s);
}

/* No descriptor of ours is left after a pool. */
static int count_fds(void) {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"whole_way", test_whole_way},
        {"nothing_around_a_task", test_nothing_around_a_task},
        {"errors_end_no_loop", test_errors_end_no_loop},
        {"load_keeps_its_message", test_load_keeps_its_message},
        {"large_results", test_large_results},
        {"chunks", test_chunks},
        {"stopped_chunk", test_stopped_chunk},
        {"max_tasks", test_max_tasks},
        {"exits", test_exits},
        {"initializer", test_initializer},
        {"preload", test_preload},
        {"endless_preload", test_endless_preload},
        {"hook", test_hook},
        {"worker_process", test_worker_process},
        {"random_seeds", test_random_seeds},
        {"output_precedes_the_answer", test_output_precedes_the_answer},
        {"lines_are_whole", test_lines_are_whole},
        {"closed_pipe_kills_nobody", test_closed_pipe_kills_nobody},
        {"kill_takes_the_family", test_kill_takes_the_family},
        {"terminate_takes_the_family", test_terminate_takes_the_family},
        {"end_of_file_ends_all", test_end_of_file_ends_all},
        {"background_survives_good_order", test_background_survives_good_order},
        {"death_of_the_server", test_death_of_the_server},
        {"death_of_the_submitter", test_death_of_the_submitter},
        {"odd_program", test_odd_program},
        {"spawn", test_spawn},
        {"threads", test_threads},
        {"watch", test_watch},
        {"pool_in_a_task", test_pool_in_a_task},
    };
    program = getpid();
    atexit(program_exit_handler);
    CHECK(tine__root_take() == 0);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (argc < 2 || !strcmp(argv[1], tests[i].name)) {
            fprintf(stderr, "%s\n", tests[i].name);
            int before = count_fds();
            tests[i].run();
            /* the socket and the pidfd of the helper, which is executed once, stay */
            CHECK(count_fds() == before + 2 * !strcmp(tests[i].name, "spawn"));
        }
    return 0;
}
