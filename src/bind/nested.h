/* What the files of tine.worker.pool share. */
#ifndef TINE_BIND_NESTED_H
#define TINE_BIND_NESTED_H

#include "msg/nested.h"
#include "worker/nest.h"

/* A task that is to run at once. */
struct nested_here {
    const struct nested_call *said;
    const struct settings *settings; /* of which said->set count; NULL: none */
    const char *call;                /* its segments */
    const char *label;
    size_t label_len;
    const struct codec_origin *origin;
};
/* In a pool without processes: run it, all of its attempts. What would be posted of it, to be freed; NULL: no memory.
** Raises memory errors. */
struct posted *tine__nested_run(lua_State *L, struct loop *l, const struct nested_here *h);

#endif
