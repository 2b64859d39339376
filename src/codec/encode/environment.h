/* Encoding of environments: tables that functions have as _ENV.
**
** A call environment is a table that stands for the globals: the globals table itself, or a table
** that leads to it. Within a call they are numbered from 1.
*/
#ifndef TINE_CODEC_ENCODE_ENVIRONMENT_H
#define TINE_CODEC_ENCODE_ENVIRONMENT_H

#include <lua.h>

struct encoder;
struct step;

/* Push t[k], where `k` is on top and is popped; nil if the access raises an error. Metamethods
** run. */
void tine__get_protected(lua_State *L, int t);
/* The number of the call environment at `env`, which is the value of an upvalue _ENV; a new number
** if it has none yet. 0: the value does not stand for the globals; negative: an error. */
int tine__env_number(struct encoder *e, int env, const struct step *step);
/* Append that an upvalue _ENV, whose value is on top, is call environment `number`. */
int tine__encode_env(struct encoder *e, unsigned number);
/* The table at `t` is being encoded as a value. If it is a call environment, too, and the receiver
** has not been told that yet, return its number: then the caller tells it. Else 0. */
unsigned tine__env_of(struct encoder *e, int t);

#endif
