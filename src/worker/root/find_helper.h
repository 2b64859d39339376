/* Where tine-helper is: beside the library that this code is in, wherever that was installed; where it was
** meant to be installed; or what the environment variable TINE_HELPER says, which comes first. */
#ifndef TINE_WORKER_ROOT_FIND_HELPER_H
#define TINE_WORKER_ROOT_FIND_HELPER_H

#define HELPER_PATH 4096

/* Note where this code was loaded from while a relative path still means the same. */
void tine__find_helper_note(void);
/* 0, or TINE_ESYSTEM (ENOENT: it is nowhere). */
int tine__find_helper(char path[HELPER_PATH]);

#endif
