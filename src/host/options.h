/* The options of the interpreter, those of lua.c. */
#ifndef TINE_HOST_OPTIONS_H
#define TINE_HOST_OPTIONS_H

#include <stdbool.h>
#include <lua.h>

struct options {
    bool wrong;          /* argv[script] is not a valid option */
    bool interactive;    /* -i */
    bool version;        /* -v, or -i */
    bool execute;        /* there is a -e */
    bool no_environment; /* -E */
    int script;          /* index of the script in argv; argc: there is none */
};

struct options read_options(int argc, char **argv);

/* Print the usage to stderr, with what is wrong about `option`. */
void print_usage(const char *option);

/* Run the -e and -l in argv[1..n-1], in order, and turn warnings on for -W. False: an error, which
** was reported. */
bool run_options(lua_State *L, char **argv, int n);

#endif
