/* The program's `arg` in workers: what is in it that needs no codec, as of when the pool was made. */
#ifndef TINE_WORKER_STATE_ARG_H
#define TINE_WORKER_STATE_ARG_H

struct lua_State;

/* Push what keeps the texts of a list of the table on top: its strings, numbers and booleans, key and value in turn, then
** NULL. The list, which lives as long as that and the table do. Raises memory errors. */
const char *const *tine__arg_push(struct lua_State *L);
/* Set the global `arg` to a table made of such a list. Raises memory errors. */
void tine__arg_set(struct lua_State *L, const char *const *list);

#endif
