/* Finds tine-helper. The environment variable TINE_HELPER comes first, then places beside the
** library that this code is in, then the place where it was meant to be installed. */
#ifndef TINE_WORKER_ROOT_FIND_HELPER_H
#define TINE_WORKER_ROOT_FIND_HELPER_H

#define HELPER_PATH 4096

/* Note where this code was loaded from, while a relative path still has the same meaning. */
void tine__find_helper_note(void);
/* Put the path of the helper into `path`. 0, or TINE_ESYSTEM (ENOENT: not found). */
int tine__find_helper(char path[HELPER_PATH]);

#endif
