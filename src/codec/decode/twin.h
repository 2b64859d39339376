/* What this process has put where the sender has put the same. */
#ifndef TINE_CODEC_DECODE_TWIN_H
#define TINE_CODEC_DECODE_TWIN_H

#include <stdbool.h>

struct reader;

/* Push the key in the table at `t` that is another function of the same code as the one at `key`, or another object of such a
** class, and was there before the call; false, and nothing: there is none. */
bool tine__push_twin(const struct reader *r, int t, int key);

#endif
