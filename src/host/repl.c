#include "host/repl.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <lauxlib.h>

#include "host/call.h"

/* Write the global _PROMPT or _PROMPT2, or Lua's defaults. */
static void write_prompt(lua_State *L, bool first) {
    const char *prompt = first ? "> " : ">> ";
    if (lua_getglobal(L, first ? "_PROMPT" : "_PROMPT2") != LUA_TNIL)
        prompt = luaL_tolstring(L, -1, NULL);
    else
        lua_pushnil(L);
    fputs(prompt, stdout);
    fflush(stdout);
    lua_pop(L, 2);
}

/* Push a line of any length, without its newline; false (nothing pushed) at the end of input. */
static bool push_line(lua_State *L, bool first) {
    char piece[512];
    luaL_Buffer line;
    bool some = false;
    write_prompt(L, first);
    luaL_buffinit(L, &line);
    while (fgets(piece, sizeof piece, stdin)) {
        size_t n = strlen(piece);
        bool ends = n > 0 && piece[n - 1] == '\n';
        some = true;
        luaL_addlstring(&line, piece, ends ? n - 1 : n);
        if (ends)
            break;
    }
    luaL_pushresult(&line);
    if (!some)
        lua_pop(L, 1);
    return some;
}

static int load_text(lua_State *L, const char *text, size_t len) {
    return luaL_loadbuffer(L, text, len, "=stdin");
}

/* Is the error that the text ends too early? Then pops the message. */
static bool is_incomplete(lua_State *L, int status) {
    static const char mark[] = "<eof>";
    size_t len, n = sizeof mark - 1;
    if (status != LUA_ERRSYNTAX)
        return false;
    const char *msg = lua_tolstring(L, -1, &len);
    if (len < n || strcmp(msg + len - n, mark) != 0)
        return false;
    lua_pop(L, 1);
    return true;
}

/* Try the line at index 1 as an expression. On success the function is at index 2.
*/
static int load_expression(lua_State *L) {
    const char *line = lua_tostring(L, 1);
    const char *text = lua_pushfstring(L, "return %s", line);
    int status = load_text(L, text, strlen(text));
    if (status == LUA_OK)
        lua_remove(L, -2);
    else
        lua_pop(L, 2);
    return status;
}

/* Load the line at index 1, reading further lines while it is incomplete. */
static int load_statement(lua_State *L) {
    for (;;) {
        size_t len;
        const char *text = lua_tolstring(L, 1, &len);
        int status = load_text(L, text, len);
        if (!is_incomplete(L, status))
            return status;
        if (!push_line(L, false)) /* no more input: report the error after all */
            return load_text(L, text, len);
        lua_pushliteral(L, "\n");
        lua_insert(L, -2);
        lua_concat(L, 3);
    }
}

/* Read a statement and leave its function at index 1. -1: end of input. */
static int load_line(lua_State *L) {
    lua_settop(L, 0);
    if (!push_line(L, true))
        return -1;
    if (*lua_tostring(L, 1) == '=') { /* "=x" is an old form of "return x" */
        lua_pushfstring(L, "return %s", lua_tostring(L, 1) + 1);
        lua_replace(L, 1);
    }
    int status = load_expression(L);
    if (status != LUA_OK)
        status = load_statement(L);
    lua_remove(L, 1);
    return status;
}

/* Print the values on the stack with the global function `print`. */
static void print_results(lua_State *L) {
    int n = lua_gettop(L);
    if (n == 0)
        return;
    luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
    lua_getglobal(L, "print");
    lua_insert(L, 1);
    if (lua_pcall(L, n, 0, 0) != LUA_OK)
        print_message(progname,
                      lua_pushfstring(L, "error calling 'print' (%s)", lua_tostring(L, -1)));
}

void run_repl(lua_State *L) {
    const char *name = progname;
    int status;
    progname = NULL; /* errors at the prompt have no prefix */
    while ((status = load_line(L)) != -1) {
        if (status == LUA_OK)
            status = docall(L, 0, LUA_MULTRET);
        if (report(L, status) == LUA_OK)
            print_results(L);
    }
    lua_settop(L, 0);
    fputs("\n", stdout);
    fflush(stdout);
    progname = name;
}
