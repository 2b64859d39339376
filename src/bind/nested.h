/* What the files of tine.worker.pool share. */
#ifndef TINE_BIND_NESTED_H
#define TINE_BIND_NESTED_H

#include "msg/nested.h"
#include "worker/nest.h"

/* In a pool without processes: run the call with these settings (NULL: none), whose segments are at `call`, all of its attempts.
** What would be posted of it, to be freed; NULL: no memory. Raises memory errors. */
struct posted *tine__nested_run(lua_State *L, struct loop *l, const struct settings *set,
                                const struct nested_call *said, const char *call);

#endif
