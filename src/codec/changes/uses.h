/* What the code of modules reaches.
**
** The reach of a module is the module itself, the loaded modules that its code names (as string
** constants), those that their code names, and so on. A process that loads the module loads these,
** too. On the stack a reach is a list of the modules' names, which has the names as keys, too.
*/
#ifndef TINE_CODEC_CHANGES_USES_H
#define TINE_CODEC_CHANGES_USES_H

#include <stdbool.h>

struct encoder;
struct name;
struct watch;

/* Push a list of what the code in the reach of the module of `n` uses of Lua's standard libraries:
** library and field (false: any) in turn (libraries.h). Its item 0 is the reach. Kept until a
** module is loaded. May raise memory errors. */
void tine__push_uses_of(struct encoder *e, const struct name *n);
/* Push a list of the changes in standard libraries, as far as the list at `uses` has them: library,
** path, value in turn. Returns their number; 0: nothing is pushed. */
int tine__changes_under(struct encoder *e, int uses);
/* Watch the standard libraries that are in the list at `uses`, and the modules of its reach, but
** for the table `own`. False: no memory. */
bool tine__changes_watch(struct encoder *e, struct watch *w, int list, int uses, const void *own);

#endif
