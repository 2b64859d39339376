/* Settings: scalars that the program has put into a module's tables. */
#ifndef TINE_CODEC_CHANGES_SETTINGS_H
#define TINE_CODEC_CHANGES_SETTINGS_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct file;
struct scan;
struct watch;

/* May there be settings in the table at `t`: the module's own, or the one under the key at `prefix` in that (0: none)? */
bool tine__scan_has_settings(struct scan *s, int t, int prefix);
/* Is the value on top, under the key at `key` in that table, a scalar that only the program can have put there? */
bool tine__scan_is_setting(struct scan *s, int t, int prefix, int key);
/* Append it, under the key at `key` of the table under the step at `prefix`, if any. */
void tine__scan_add_setting(struct scan *s, int prefix, int key);
/* Note the scalars in the table at `t` of the module with that file, and in the tables in it, that are settings or may become
** settings. False: no memory. */
bool tine__watch_settings(struct encoder *e, struct watch *w, int list, int t,
                          const struct file *f);

#endif
