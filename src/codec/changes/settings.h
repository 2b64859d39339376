/* Settings: strings, numbers and booleans (scalars) that the program has put into a module's
** tables, as in m.limit = 5. settings.c says how they are told from the module's own.
*/
#ifndef TINE_CODEC_CHANGES_SETTINGS_H
#define TINE_CODEC_CHANGES_SETTINGS_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct file;
struct scan;
struct watch;

/* May the table at `t` have settings: the module's own table (`prefix` 0), or the one in its field
** with the key at `prefix`? */
bool tine__scan_has_settings(struct scan *s, int t, int prefix);
/* Is the value on top, under the key at `key` of that table, a scalar that only the program can
** have put there? */
bool tine__scan_is_setting(struct scan *s, int t, int prefix, int key);
/* Append the value on top as a setting. `prefix` and `key` as above. */
void tine__scan_add_setting(struct scan *s, int prefix, int key);
/* Watch the scalars that are settings or may become settings, in the table at `t`, of the module
** with that file, and in the tables in it. False: no memory. */
bool tine__watch_settings(struct encoder *e, struct watch *w, int list, int t,
                          const struct file *f);

#endif
