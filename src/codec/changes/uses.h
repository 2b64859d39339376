/* What the code of modules reaches by names. */
#ifndef TINE_CODEC_CHANGES_USES_H
#define TINE_CODEC_CHANGES_USES_H

#include <stdbool.h>

struct encoder;
struct name;
struct watch;

/* Push a list of what the code of the module of `n`, and of those it names, uses of Lua's own: library and field (or
** false), in turn. Number 0 is the list of these modules, which has their names as keys, too. */
void tine__push_uses_of(struct encoder *e, const struct name *n);
/* Push a list of what the program has changed in Lua's own libraries, of the uses in the list at `uses`: library, path,
** value in turn. How many; 0, and nothing pushed. */
int tine__changes_under(struct encoder *e, int uses);
/* Note what was seen of all of these but of the table `own`. False: no memory. */
bool tine__changes_watch(struct encoder *e, struct watch *w, int list, int uses, const void *own);

#endif
