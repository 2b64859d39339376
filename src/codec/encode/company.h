/* Encoding of a name together with its company: the changes that the program has made in what the
** name stands for, and in modules that its module's code reaches. changes/company.h collects them.
*/
#ifndef TINE_CODEC_ENCODE_COMPANY_H
#define TINE_CODEC_ENCODE_COMPANY_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct name;
struct step;

/* Append the name `n` and its company: the list on top, of `count` items (changes/company.h), which
** is popped. Changes that the message has already, or that belong to the company in which this name
** is sent itself, are left out. Returns NAME_DONE or an error. */
int tine__company_put(struct encoder *e, const struct name *n, int count, const struct step *step);
/* Collect the company of the name `n`, of the object at `idx`, and append both. Returns NAME_DONE
** or an error. */
int tine__company_put_new(struct encoder *e, int idx, struct name *n, const struct step *step);
/* `number` is the number + 1 of a name. Is its module in the reach of the name whose company is
** being written? Then all changes in that module are in that company. */
bool tine__company_covers(struct encoder *e, lua_Integer number);
/* Have all names in the company that was collected last for `n` still operations that can be
** appended (name.wire)? A name loses it when its module's file has changed. */
bool tine__company_is_known(struct encoder *e, const struct name *n);

#endif
