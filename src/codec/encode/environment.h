/* Environments to bytes. */
#ifndef TINE_CODEC_ENCODE_ENVIRONMENT_H
#define TINE_CODEC_ENCODE_ENVIRONMENT_H

#include <lua.h>

struct encoder;
struct step;

/* Push t[k] by an ordinary, protected look-up; `k` is on top and is taken. An error gives nil. */
void tine__get_protected(lua_State *L, int t);
/* The number of the call environment that stands for the value at `env` of an upvalue _ENV; 0: that
** is no globals table. Negative: error. */
int tine__env_number(struct encoder *e, int env, const struct step *step);
/* Append that the table on top, an upvalue _ENV, is the call environment of that number. */
int tine__encode_env(struct encoder *e, unsigned number);
/* The number of the call environment that the table at `t` is, too, if the other side is to be told now; else 0. */
unsigned tine__env_of(struct encoder *e, int t);

#endif
