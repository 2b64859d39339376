/* What goes along with a name. */
#ifndef TINE_CODEC_CHANGES_COMPANY_H
#define TINE_CODEC_CHANGES_COMPANY_H

struct encoder;
struct name;

/* Number of a name (or a library's name), its table (of a variable: may it stay, if it cannot travel?), path, value. */
#define COMPANY_ITEM 4

/* Look for what goes along with the name of the object at `idx`, and push the list of it. How many items; or an error. */
int tine__company_push(struct encoder *e, int idx, struct name *n);
/* Push the list that was found last, if it is not empty, as long as the name holds (tine__name_holds). How many items. */
int tine__company_push_kept(struct encoder *e, const struct name *n);

#endif
