/* Variables of a module, and what they had at first.
**
** A variable is an upvalue that functions of a module's file share. What it has at first is what
** the main function of the file puts into it.
*/
#ifndef TINE_CODEC_CHANGES_VARIABLE_START_H
#define TINE_CODEC_CHANGES_VARIABLE_START_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct encoder;
struct file;

/* Upvalue `upvalue`, called `name`, of a function with the hash `function`, which is from the file
** `f` of the module `root`. */
struct variable {
    const struct file *f;
    const char *root, *name;
    uint64_t function;
    int upvalue;
    int fn; /* stack index of the function */
};

/* May the variable have `what` at first, according to the file's code? See
** tine__file_starts_with. */
bool tine__variable_starts_with(const struct variable *v, uint64_t what);
/* May functions assign to the variable what they are called with? */
bool tine__variable_is_given(const struct variable *v);
/* To be called when the variable is looked at; its value is on top. If functions may assign
** arguments to it and the file does not tell what it had at first, the first value seen is kept. */
void tine__variable_meet(struct encoder *e, const struct variable *v);
/* Is the value on top another one than the variable had at first? Where the file does not tell what
** that was, it is the value that was seen first. */
bool tine__variable_is_other(struct encoder *e, const struct variable *v);

#endif
