#include "host/call.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <lauxlib.h>

#include "worker/task/task_error.h"

const char *progname = "tine";

static lua_State *running; /* its hook is set by the signal handler */
static bool interrupted;
static volatile sig_atomic_t stop_asked;

void print_message(const char *name, const char *msg) {
    if (name)
        fprintf(stderr, "%s: ", name);
    fprintf(stderr, "%s\n", msg);
    fflush(stderr);
}

/* Nobody may have checked a `print` that failed: then only the stream knows of the loss. */
const char *output_error(void) {
    if (fflush(stdout) == EOF)
        return strerror(errno);
    return ferror(stdout) ? "some output was lost" : NULL;
}

int report(lua_State *L, int status) {
    if (status == LUA_OK)
        return status;
    const char *msg = lua_tostring(L, -1);
    print_message(progname, msg ? msg : "(error message is no string)");
    lua_pop(L, 1);
    return status;
}

bool was_interrupted(void) {
    return interrupted;
}

bool was_asked_to_stop(void) {
    return stop_asked;
}

/* --- Ctrl-C ----------------------------------------------------------------------------------- */

static void set_handler(int signal, void (*handler)(int)) {
    struct sigaction sa = {.sa_handler = handler}; /* no SA_RESTART: blocking calls must return */
    sigemptyset(&sa.sa_mask);
    sigaction(signal, &sa, NULL);
}

static void stop(lua_State *L, lua_Debug *ar) {
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "interrupted!");
}

/* Of Lua's functions, a signal handler may call only lua_sethook. A second Ctrl-C, when the script
** is stuck where no hook runs, kills the program. */
static void on_interrupt(int signal) {
    int everything = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
    set_handler(signal, SIG_DFL);
    stop_asked = true;
    lua_sethook(running, stop, everything, 1);
}

/* --- calls ------------------------------------------------------------------------------------ */

static bool is_interruption(lua_State *L, int err) {
    static const char text[] = "interrupted!";
    size_t len, n = sizeof text - 1;
    if (lua_type(L, err) != LUA_TSTRING)
        return false;
    const char *msg = lua_tolstring(L, err, &len);
    return len >= n && !memcmp(msg + len - n, text, n);
}

/* Push the text of the error value at index 1, with a traceback where lua.c adds one. */
static void push_message(lua_State *L) {
    const char *msg = lua_tostring(L, 1);
    if (!msg) {
        if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
            return;
        msg = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
    luaL_traceback(L, L, msg, 1);
}

static int message_handler(lua_State *L) {
    interrupted = is_interruption(L, 1);
    push_message(L);
    if (tine__task_error_push(L, 1))
        lua_concat(L, 2);
    return 1;
}

int docall(lua_State *L, int nargs, int nresults) {
    int base = lua_gettop(L) - nargs;
    lua_pushcfunction(L, message_handler);
    lua_insert(L, base);
    running = L;
    set_handler(SIGINT, on_interrupt);
    int status = lua_pcall(L, nargs, nresults, base);
    set_handler(SIGINT, SIG_DFL);
    lua_remove(L, base);
    return status;
}
