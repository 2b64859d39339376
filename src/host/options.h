/* The options of the interpreter-like form, those of lua.c. */
#ifndef TINE_HOST_OPTIONS_H
#define TINE_HOST_OPTIONS_H

#include <stdbool.h>
#include <lua.h>

struct options {
    bool wrong;          /* argv[script] is the option that cannot be */
    bool interactive;    /* -i */
    bool version;        /* -v, or -i */
    bool execute;        /* there is an -e */
    bool no_environment; /* -E */
    int script;          /* index in argv of the script, argc when there is none */
};

struct options read_options(int argc, char **argv);

/* The usage on stderr, with what is wrong about `option`. */
void print_usage(const char *option);

/* Run the -e and -l (and turn on -W) among argv[1..n-1], in their order. False after an error, which
** has been reported. */
bool run_options(lua_State *L, char **argv, int n);

#endif
