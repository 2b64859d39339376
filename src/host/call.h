/* Protected calls of the host program: tracebacks, error messages, Ctrl-C. */
#ifndef TINE_HOST_CALL_H
#define TINE_HOST_CALL_H

#include <stdbool.h>
#include <lua.h>

/* The name that messages begin with; NULL: none (interactive mode). */
extern const char *progname;

/* Print "progname: msg" and a newline to stderr. */
void print_message(const char *name, const char *msg);

/* Why some of what was printed to stdout was not written; NULL: all was. */
const char *output_error(void);

/* If status is an error, print the message on top of the stack and pop it. Returns status. */
int report(lua_State *L, int status);

/* lua_pcall with a traceback, and with Ctrl-C raising "interrupted!" in `L` while it runs. On
** failure the message is on the stack, as text for `report`. */
int docall(lua_State *L, int nargs, int nresults);

/* True when the last error that docall saw was the one that Ctrl-C raised. */
bool was_interrupted(void);

/* True when Ctrl-C was pressed within docall, whoever has caught its error. */
bool was_asked_to_stop(void);

#endif
