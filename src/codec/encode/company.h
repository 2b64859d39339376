/* What goes along with a name to bytes. */
#ifndef TINE_CODEC_ENCODE_COMPANY_H
#define TINE_CODEC_ENCODE_COMPANY_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct name;
struct step;

/* Append the name `n`, and what goes along with it: so many items of the list on top (changes/company.h). NAME_DONE, or an
** error. */
int tine__company_put(struct encoder *e, const struct name *n, int count, const struct step *step);
/* The same for the name `n` of what is at `idx`, for which that is to be looked for first. */
int tine__company_put_new(struct encoder *e, int idx, struct name *n, const struct step *step);
/* Is what has that number in a module that was looked at for the name in whose company it goes? Then all that was changed
** there is in that company. */
bool tine__company_covers(struct encoder *e, lua_Integer number);
/* Do the names in what was found last for `n` have their operations still? Their files may have changed meanwhile. */
bool tine__company_is_known(struct encoder *e, const struct name *n);

#endif
