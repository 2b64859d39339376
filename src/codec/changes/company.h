/* The company of a name: the changes that are sent with it. They are the changes in the named
** object, and in the modules that the code of its module reaches (uses.h). The number of a name is
** its index in names.list.
*/
#ifndef TINE_CODEC_CHANGES_COMPANY_H
#define TINE_CODEC_CHANGES_COMPANY_H

struct encoder;
struct name;

/* Items in a company's list for each change: number + 1 of a name, the table that it names, path,
** value. For an upvalue, in place of the table, a boolean: may the value be left out if it cannot
** be sent? For a standard library its name, false, path, value. */
#define COMPANY_ITEM 4

/* Collect the company of the name `n`, of the object at `idx`, and push its list. Returns the
** number of changes, or an error. The list is kept, together with a watch of what was looked at
** (n->watch). May raise memory errors. */
int tine__company_push(struct encoder *e, int idx, struct name *n);
/* Push the list that was collected last, if it is not empty. It is valid as long as
** tine__name_holds is true. Returns the number of changes; 0: nothing is pushed. */
int tine__company_push_kept(struct encoder *e, const struct name *n);

#endif
