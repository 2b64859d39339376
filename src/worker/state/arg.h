/* The program's global `arg` in workers: what can be copied without the codec, as it was
** when the pool was made. */
#ifndef TINE_WORKER_STATE_ARG_H
#define TINE_WORKER_STATE_ARG_H

struct lua_State;

/* Push a value that keeps the texts, and return a list of keys and values in turn, made of the
** table on top (only strings, numbers and booleans), with NULL at the end. The list lives as long
** as that value and the table. Raises memory errors. */
const char *const *tine__arg_push(struct lua_State *L);
/* Set the global `arg` to a table made from such a list. Raises memory errors. */
void tine__arg_set(struct lua_State *L, const char *const *list);

#endif
