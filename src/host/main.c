/* tine: runs Lua scripts as `lua` does, with the module "tine" built in.
**
**     tine [options] [script [args]]     the interpreter, modelled on lua.c of Lua 5.4
**     tine COMMAND ...                   lua/tine/cli/COMMAND.lua: map, busted, luacheck, top ...
**
** Everything runs in one protected call, `run`, so that all failures, of memory too, arrive in one
** place. It decides how the program ends: in good order after a script that succeeded (pools let
** their tasks finish), at once after one that failed.
*/
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <lauxlib.h>
#include <lualib.h>

#include "worker/state/state.h"
#include "bind/preload.h"
#include "host/call.h"
#include "host/cli.h"
#include "host/options.h"
#include "host/repl.h"
#include "tine.h"

#define EXIT_INTERRUPTED 130 /* 128 + SIGINT, as shells report a program that Ctrl-C ended */

struct command {
    int argc;
    char **argv;
    int code;    /* exit code if nothing failed */
    bool failed; /* there was an uncaught error, even if the exit code does not show it */
};

static void print_help(void) {
    printf(
        "usage: %s [options] [script [args]]\n"
        "       %s COMMAND ...\n"
        "\n"
        "Runs a Lua script as lua does, with the process pool to require:\n"
        "\n"
        "  local tine = require \"tine\"\n"
        "\n"
        "  -e stat    execute string 'stat'\n"
        "  -i         enter interactive mode after executing 'script'\n"
        "  -l mod     require library 'mod' into global 'mod'\n"
        "  -l g=mod   require library 'mod' into global 'g'\n"
        "  -v         show version information\n"
        "  -E         ignore environment variables\n"
        "  -W         turn warnings on\n"
        "  --         stop handling options\n"
        "  -          stop handling options and execute stdin\n"
        "  --help     this text\n"
        "  --version  the version of tine\n"
        "\n"
        "Commands (a script of such a name is run by its path, ./map):\n"
        "\n"
        "  map        a function or a command for each line of files, in parallel: tine map --help\n"
        "  busted     busted on all processors: tine busted --help\n"
        "  luacheck   luacheck on all processors\n"
        "  top        what the pools of a running program do: tine top --help\n"
        "  report     a page for a browser of a trace: tine report --help\n"
        "  serve      run tasks of programs on other machines: tine serve --help\n"
        "  key        make a key for that\n",
        progname, progname);
}

/* Was all output written? Reports it if not. */
static bool written(void) {
    const char *why = output_error();
    if (why)
        fprintf(stderr, "%s: write error: %s\n", progname, why);
    return !why;
}

static void print_version(void) {
    printf("%s\n", LUA_COPYRIGHT);
    fflush(stdout);
}

/* Set the global `arg`: the script at 0, its arguments from 1 on, everything before it at negative
** indices. */
static void create_arg_table(lua_State *L, const struct command *c, int script) {
    if (script == c->argc)
        script = 0; /* without a script the program's own name is at 0 */
    lua_createtable(L, c->argc - script, script + 1);
    for (int i = 0; i < c->argc; i++) {
        lua_pushstring(L, c->argv[i]);
        lua_rawseti(L, -2, i - script);
    }
    lua_setglobal(L, "arg");
}

static int run_file(lua_State *L, const char *name) {
    int status = luaL_loadfile(L, name);
    return report(L, status == LUA_OK ? docall(L, 0, 0) : status);
}

static int run_init(lua_State *L) {
    const char *name = "=LUA_INIT" LUA_VERSUFFIX;
    const char *init = getenv(name + 1);
    if (!init) {
        name = "=LUA_INIT";
        init = getenv(name + 1);
    }
    if (!init)
        return LUA_OK;
    if (init[0] == '@')
        return run_file(L, init + 1);
    int status = luaL_loadbuffer(L, init, strlen(init), name);
    return report(L, status == LUA_OK ? docall(L, 0, 0) : status);
}

/* Push the elements of `arg` as the script's arguments; returns their number. */
static int push_args(lua_State *L) {
    if (lua_getglobal(L, "arg") != LUA_TTABLE)
        luaL_error(L, "'arg' is not a table");
    int n = (int)luaL_len(L, -1);
    luaL_checkstack(L, n + 3, "too many arguments to script");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, -i, i);
    lua_remove(L, -n - 1);
    return n;
}

/* argv: the script, and what precedes it. "-" is stdin unless "--" precedes it. */
static int run_script(lua_State *L, char **argv) {
    const char *name = argv[0];
    if (!strcmp(name, "-") && strcmp(argv[-1], "--") != 0)
        name = NULL;
    int status = luaL_loadfile(L, name);
    if (status == LUA_ERRFILE && name && !strpbrk(name, "/.-")) /* perhaps a command was meant */
        lua_pushfstring(L, "%s (and no command is called so: tine --help)", lua_tostring(L, -1));
    if (status == LUA_OK)
        status = docall(L, push_args(L), LUA_MULTRET);
    return report(L, status);
}

/* As in lua.c, an error in a script that is read from stdin by default is no failure. */
static bool run_without_script(lua_State *L, struct command *c, const struct options *o) {
    if (o->execute || o->version)
        return true;
    if (!isatty(STDIN_FILENO)) {
        c->failed = run_file(L, NULL) != LUA_OK;
        return !c->failed || !was_interrupted();
    }
    print_version();
    run_repl(L);
    return true;
}

/* The interpreter. False: an error, which was reported. */
static bool interpret(lua_State *L, struct command *c) {
    struct options o = read_options(c->argc, c->argv);
    if (o.wrong) {
        print_usage(c->argv[o.script]);
        return false;
    }
    if (o.version)
        print_version();
    if (o.no_environment) { /* for the libraries, which read LUA_PATH and LUA_CPATH */
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    luaL_openlibs(L);
    tine__preload_modules(L);
    create_arg_table(L, c, o.script);
    lua_gc(L, LUA_GCGEN, 0, 0); /* as lua.c does */
    if (!o.no_environment && run_init(L) != LUA_OK)
        return false;
    if (!run_options(L, c->argv, o.script))
        return false;
    if (o.script < c->argc && run_script(L, c->argv + o.script) != LUA_OK)
        return false;
    if (o.interactive)
        run_repl(L);
    else if (o.script == c->argc)
        return run_without_script(L, c, &o);
    return true;
}

/* The module of a command, or NULL. Its function `main` gets the arguments and returns the exit
** code. */
static const char *command_module(const char *name) {
    static const struct {
        const char *name, *module;
    } commands[] = {
        {"map", "tine.cli.map"},           {"busted", "tine.cli.busted"},
        {"luacheck", "tine.cli.luacheck"}, {"report", "tine.cli.report"},
        {"serve", "tine.cli.serve"},       {"key", "tine.cli.key"},
        {"top", "tine.cli.top"},           {"__complete", "tine.cli.complete"},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i].name))
            return commands[i].module;
    return NULL;
}

static bool run_command(lua_State *L, struct command *c, const char *module) {
    luaL_openlibs(L);
    enable_commands();
    tine__preload_modules(L);
    lua_gc(L, LUA_GCGEN, 0, 0);
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    luaL_checkstack(L, c->argc, "too many arguments");
    for (int i = 2; i < c->argc; i++)
        lua_pushstring(L, c->argv[i]);
    int status = docall(L, c->argc - 2, 1);
    /* Quietly, as other filters. A library may have taken the interruption for an error of what it
    ** only tried (to load, say), and have raised one of its own. */
    if (status != LUA_OK && was_asked_to_stop()) {
        c->code = EXIT_INTERRUPTED;
        return false;
    }
    if (report(L, status) != LUA_OK)
        return false;
    c->code = (int)lua_tointeger(L, -1);
    return true;
}

/* Called by `main` in protected mode; returns whether all went well. */
static int run(lua_State *L) {
    struct command *c = lua_touserdata(L, 1);
    const char *first = c->argc > 1 ? c->argv[1] : "", *module = command_module(first);
    bool ok = true;
    luaL_checkversion(L);
    lua_settop(L, 0);
    if (c->argv[0] && c->argv[0][0])
        progname = c->argv[0];
    if (!strcmp(first, "--help")) {
        print_help();
        ok = written();
    } else if (!strcmp(first, "--version")) {
        printf("tine %s (%s)\n", TINE_VERSION, LUA_RELEASE);
        ok = written();
    } else if (module)
        ok = run_command(L, c, module);
    else
        ok = interpret(L, c);
    lua_pushboolean(L, ok);
    return 1;
}

/* Keep closed standard streams unusable: otherwise the next opened file would take such a number,
** and be written to by `print`. */
static void occupy_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
    struct command c = {argc, argv, EXIT_SUCCESS, false};
    occupy_streams();
    lua_State *L = luaL_newstate();
    if (!L) {
        print_message(argv[0], "cannot create state: not enough memory");
        return EXIT_FAILURE;
    }
    struct alloc alloc;
    tine__state_slab(L, &alloc);
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, &c);
    int status = lua_pcall(L, 1, 1, 0);
    bool ok = status == LUA_OK && lua_toboolean(L, -1);
    report(L, status);
    if (!ok && c.code == EXIT_SUCCESS)
        c.code = was_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILURE;
    if (!ok || c.failed)
        tine__kill_pools(L); /* lua_close would wait for their tasks */
    lua_close(L);
    return c.code;
}
