/* What code reaches by names. */
#ifndef TINE_CODEC_CHANGES_USES_H
#define TINE_CODEC_CHANGES_USES_H

#include <lua.h>
#include <stdbool.h>

struct code;
struct codec;
struct encoder;
struct name;
struct watch;

/* Are there none, and are the globals of Lua's own that the code names what they were? Then that is noted in its watch.
** May raise memory errors. `self` is the state table. */
bool tine__uses_watch(lua_State *L, struct codec *c, int self, struct code *code);

/* Push a list of what the code of the module of `n`, and of those it names, uses of Lua's own: library and field (or
** false), in turn. Number 0 is the list of these modules, which has their names as keys, too. */
void tine__push_uses_of(struct encoder *e, const struct name *n);
/* Push a list of what the program has changed in Lua's own libraries, of the uses in the list at `uses`: library, path,
** value in turn. How many; 0, and nothing pushed. */
int tine__changes_under(struct encoder *e, int uses);
/* Note what was seen of all of these but of the table `own`. False: no memory. */
bool tine__changes_watch(struct encoder *e, struct watch *w, int list, int uses, const void *own);

#endif
