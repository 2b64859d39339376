/* What the machine itself allows: prints lines of `measure value`, in seconds.
**
**   fork        a bare fork of a small process, until the child has a lua_State with its libraries
**   fork_2      two such children at once, until each of them has one; fork_8: eight
**   end_2       and these two, from the word to end until all have been waited for; end_8: eight
**   ping_pong   64 bytes there and back through a socket pair, two processes pinned to one core
**   memcpy_1m   two plain copies of 1 MiB, memcpy_64m of 64 MiB
**   scaling     how much faster two busy processes are than one
**   futures     a second: what Lua alone takes for a future: a userdata made by one call, held in the registry, let go by
**               another, and collected
*/
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[n / 2];
}

static double fork_once(volatile double *running) {
    double start = now();
    pid_t pid = fork();
    if (pid == 0) {
        lua_State *L = luaL_newstate();
        luaL_openlibs(L);
        *running = now();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return *running - start;
}

static double measure_fork(void) {
    enum { N = 51 };
    double times[N],
        *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < N; i++)
        times[i] = fork_once(shared);
    return median(times, N);
}

/* So many children of a small process, which open a Lua state each and wait; then they end. */
static void fork_many(int n, double *started, double *ended) {
    int told[2], end[2];
    char c;
    if (pipe(told) || pipe(end))
        exit(1);
    double start = now();
    for (int i = 0; i < n; i++)
        if (fork() == 0) {
            close(end[1]);
            luaL_openlibs(luaL_newstate());
            if (write(told[1], "", 1) != 1 || read(end[0], &c, 1) != 0)
                _exit(1);
            _exit(0);
        }
    for (int i = 0; i < n; i++)
        if (read(told[0], &c, 1) != 1)
            exit(1);
    *started = now() - start;
    start = now();
    close(end[1]);
    for (int i = 0; i < n; i++)
        wait(NULL);
    *ended = now() - start;
    close(end[0]);
    close(told[0]);
    close(told[1]);
}

static void measure_many(int n) {
    enum { TIMES = 21 };
    double started[TIMES], ended[TIMES];
    for (int i = 0; i < TIMES; i++)
        fork_many(n, &started[i], &ended[i]);
    printf("fork_%d %.9f\n", n, median(started, TIMES));
    printf("end_%d %.9f\n", n, median(ended, TIMES));
}

static void answer(int fd) {
    char bytes[64];
    while (read(fd, bytes, sizeof bytes) > 0)
        if (write(fd, bytes, sizeof bytes) < 0)
            break;
    _exit(0);
}

static double measure_ping_pong(void) {
    enum { N = 20000 };
    static double times[N];
    int pair[2];
    char bytes[64] = {0};
    cpu_set_t all, first;
    sched_getaffinity(0, sizeof all, &all);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&first);
    CPU_SET(cpu, &first);
    sched_setaffinity(0, sizeof first, &first);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return 0;
    if (fork() == 0) {
        close(pair[0]);
        answer(pair[1]);
    }
    close(pair[1]);
    for (int i = 0; i < N; i++) {
        double start = now();
        if (write(pair[0], bytes, sizeof bytes) < 0 || read(pair[0], bytes, sizeof bytes) < 0)
            return 0;
        times[i] = now() - start;
    }
    close(pair[0]);
    wait(NULL);
    sched_setaffinity(0, sizeof all, &all);
    return median(times, N);
}

static double measure_memcpy(size_t size, int repeats) {
    double times[101];
    char *a = malloc(size), *b = malloc(size), *c = malloc(size);
    memset(a, 1, size), memset(b, 2, size), memset(c, 3, size);
    for (int i = 0; i < repeats; i++) {
        double start = now();
        memcpy(b, a, size);
        __asm__ volatile("" : : "r"(b) : "memory");
        memcpy(c, b, size);
        __asm__ volatile("" : : "r"(c) : "memory");
        times[i] = now() - start;
    }
    free(a), free(b), free(c);
    return median(times, repeats);
}

static void spin(long count) {
    for (volatile long i = 0; i < count; i++)
        ;
}

static double busy(int processes, long count) {
    double start = now();
    for (int i = 0; i < processes; i++)
        if (fork() == 0) {
            spin(count);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    return now() - start;
}

/* --- Lua's own floor --- */

enum { FUTURE = 144, USER_VALUES = 2 }; /* as large as one of ours */

/* (function) -> future; upvalues: its metatable, what is in flight */
static int submit(lua_State *L) {
    void *future = lua_newuserdatauv(L, FUTURE, USER_VALUES);
    memset(future, 0, FUTURE);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, lua_upvalueindex(2), 1);
    lua_pushnil(L);
    lua_rawseti(L, lua_upvalueindex(2), 1);
    return 1;
}

static int result(lua_State *L) {
    luaL_checktype(L, 1, LUA_TUSERDATA);
    return 0;
}

/* As bench/tine.lua submits its no-op tasks. */
static double measure_futures(void) {
    enum { N = 200000, TIMES = 5 };
    static const char script[] = "local submit, count = ... local function noop() end\n"
                                 "local futures = {}\n"
                                 "for i = 1, count do futures[i] = submit(noop) end\n"
                                 "for i = 1, count do futures[i]:result() end";
    double times[TIMES];
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, result);
    lua_setfield(L, -2, "result");
    lua_setfield(L, -2, "__index");
    lua_newtable(L);
    lua_pushcclosure(L, submit, 2);
    for (int i = 0; i < TIMES; i++) {
        double start = now();
        if (luaL_loadstring(L, script) != LUA_OK)
            return 0;
        lua_pushvalue(L, 1);
        lua_pushinteger(L, N);
        lua_call(L, 2, 0);
        times[i] = (now() - start) / N;
    }
    lua_close(L);
    return 1 / median(times, TIMES);
}

int main(void) {
    printf("fork %.9f\n", measure_fork());
    measure_many(2);
    measure_many(8);
    printf("ping_pong %.9f\n", measure_ping_pong());
    printf("memcpy_1m %.9f\n", measure_memcpy((size_t)1 << 20, 101));
    printf("memcpy_64m %.9f\n", measure_memcpy((size_t)64 << 20, 7));
    long count = 200 * 1000 * 1000;
    double one = busy(1, count), two = busy(2, count);
    printf("scaling %.4f\n", 2 * one / two);
    printf("futures %.1f\n", measure_futures());
    return 0;
}
