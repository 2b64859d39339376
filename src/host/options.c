#include "host/options.h"

#include <stdio.h>
#include <string.h>
#include <lauxlib.h>

#include "host/call.h"
#include "worker/state/state.h"

/* Read the option at argv[*i], and move *i to its argument. False: not a valid option. */
static bool read_option(struct options *o, char **argv, int *i) {
    const char *arg = argv[*i];
    bool single = arg[2] == '\0';
    switch (arg[1]) {
    case 'E':
        o->no_environment = true;
        return single;
    case 'W':
        return single;
    case 'i':
        o->interactive = o->version = true;
        return single;
    case 'v':
        o->version = true;
        return single;
    case 'e':
        o->execute = true; /* fall through */
    case 'l':              /* both take an argument, in the same or the next word */
        if (single && (!argv[*i + 1] || argv[*i + 1][0] == '-'))
            return false;
        *i += single;
        return true;
    default:
        return false;
    }
}

struct options read_options(int argc, char **argv) {
    struct options o = {.script = argc};
    for (int i = 1; i < argc; i++) {
        o.script = i;
        if (argv[i][0] != '-' || argv[i][1] == '\0') /* a script, or "-": stdin */
            return o;
        if (argv[i][1] == '-') { /* "--" */
            o.wrong = argv[i][2] != '\0';
            o.script = o.wrong ? i : i + 1;
            return o;
        }
        if (!read_option(&o, argv, &i)) {
            o.wrong = true;
            return o;
        }
    }
    o.script = argc;
    return o;
}

void print_usage(const char *option) {
    fprintf(stderr, "%s: ", progname);
    if (option[1] == 'e' || option[1] == 'l')
        fprintf(stderr, "'%s' needs argument\n", option);
    else
        fprintf(stderr, "unrecognized option '%s'\n", option);
    fprintf(stderr,
            "usage: %s [options] [script [args]]\n"
            "Available options are:\n"
            "  -e stat   execute string 'stat'\n"
            "  -i        enter interactive mode after executing 'script'\n"
            "  -l mod    require library 'mod' into global 'mod'\n"
            "  -l g=mod  require library 'mod' into global 'g'\n"
            "  -v        show version information\n"
            "  -E        ignore environment variables\n"
            "  -W        turn warnings on\n"
            "  --        stop handling options\n"
            "  -         stop handling options and execute stdin\n"
            "  --help    the rest of it\n",
            progname);
}

/* require "name" into the global `name`, or, for "g=name", into the global `g`. */
static int load_library(lua_State *L, const char *arg) {
    const char *equals = strchr(arg, '=');
    const char *module = equals ? equals + 1 : arg;
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    int status = docall(L, 1, 1);
    if (status != LUA_OK)
        return status;
    lua_pushlstring(L, arg, equals ? (size_t)(equals - arg) : strlen(arg));
    lua_insert(L, -2);
    lua_pushglobaltable(L);
    lua_insert(L, -3);
    lua_settable(L, -3);
    lua_pop(L, 1);
    return LUA_OK;
}

static int run_text(lua_State *L, const char *text) {
    int status = luaL_loadbuffer(L, text, strlen(text), "=(command line)");
    return status == LUA_OK ? docall(L, 0, 0) : status;
}

bool run_options(lua_State *L, char **argv, int n) {
    for (int i = 1; i < n; i++) {
        char option = argv[i][1];
        if (option == 'W') {
            lua_warning(L, "@on", 0);
            lua_pushboolean(L, 1); /* for workers of its pools */
            lua_setfield(L, LUA_REGISTRYINDEX, TINE_WARNINGS_FIELD);
        }
        if (option != 'e' && option != 'l')
            continue;
        const char *arg = argv[i][2] ? argv[i] + 2 : argv[++i];
        int status = option == 'e' ? run_text(L, arg) : load_library(L, arg);
        if (report(L, status) != LUA_OK)
            return false;
    }
    return true;
}
