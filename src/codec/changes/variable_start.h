/* A variable of a module, and what it had at first. */
#ifndef TINE_CODEC_CHANGES_VARIABLE_START_H
#define TINE_CODEC_CHANGES_VARIABLE_START_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct encoder;
struct file;

/* A variable: upvalue `upvalue`, called `name`, of the function of hash `function`, which is from the file `f` of the module
** `root`. */
struct variable {
    const struct file *f;
    const char *root, *name;
    uint64_t function;
    int upvalue;
    int fn; /* stack index of that function */
};

/* May it have that at first? See tine__file_starts_with. */
bool tine__variable_starts_with(const struct variable *v, uint64_t what);
/* May functions assign to it what they are called with? */
bool tine__variable_is_given(const struct variable *v);
/* It is met, with the value on top, which may be anything: where the file does not say all, that is kept. */
void tine__variable_meet(struct encoder *e, const struct variable *v);
/* Is the value on top something else than it had at first? Where the file does not say what that was, it is what was there
** when it was met. */
bool tine__variable_is_other(struct encoder *e, const struct variable *v);

#endif
