/* Lists of loaded modules. */
#ifndef TINE_CODEC_CHANGES_MODULES_H
#define TINE_CODEC_CHANGES_MODULES_H

#include <stdbool.h>

struct encoder;

/* Push the list of the names of loaded modules for which `belongs` returns true. It is kept under
** `key` until a module is loaded. May raise memory errors. */
void tine__push_modules(struct encoder *e, const void *key,
                        bool (*belongs)(struct encoder *e, const char *name, const void *arg),
                        const void *arg);

#endif
