#include "worker/root/find_helper.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "base/why.h"

/* of the library or program that contains this code; "": not known yet */
static char directory[PATH_MAX];

#ifdef TINE_HELPER_DIR
/* Where the library was to be installed. `cmake --install` writes into libtine.a where it really
** was (cmake/place_helper.lua, which knows the mark and the room), so the compiler must not conclude
** anything from what stands here. */
static const volatile struct {
    char mark[28], folder[1024];
} installed = {"tine-helper is installed in", TINE_HELPER_DIR};
#endif

/* The path of that file. */
static bool own_object(char path[PATH_MAX]) {
    Dl_info info;
    struct link_map *map = NULL;
    if (!dladdr1(&directory, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
        return false;
    const char *name = map->l_name && *map->l_name ? map->l_name : "/proc/self/exe";
    return realpath(name, path) != NULL;
}

void tine__find_helper_note(void) {
    char path[PATH_MAX];
    if (*directory || !own_object(path))
        return;
    char *slash = strrchr(path, '/');
    if (slash)
        memcpy(directory, path, (size_t)(slash - path));
}

static bool is_there(char path[HELPER_PATH], const char *dir, const char *below) {
    int n = *below == '/' ? snprintf(path, HELPER_PATH, "%s", below)
                          : snprintf(path, HELPER_PATH, "%s/%s", dir, below);
    return n < HELPER_PATH && access(path, X_OK) == 0;
}

int tine__find_helper(char path[HELPER_PATH]) {
    static const char *const below[] = {
        "tine-helper",                     /* beside core.so */
        "../lib/lua/5.4/tine/tine-helper", /* from P/bin and P/lib */
        "lua/5.4/tine/tine-helper",        /* from P/lib */
    };
    /* needed by statically linked programs */
    const char *named = secure_getenv("TINE_HELPER");
    if (named && is_there(path, ".", named))
        return 0;
    tine__find_helper_note();
    for (size_t i = 0; *directory && i < sizeof below / sizeof *below; i++)
        if (is_there(path, directory, below[i]))
            return 0;
#ifdef TINE_HELPER_DIR
    char folder[sizeof installed.folder];
    for (size_t i = 0; i < sizeof folder; i++)
        folder[i] = installed.folder[i];
    if (is_there(path, folder, "tine-helper"))
        return 0;
#endif
    tine__why(ENOENT, "tine-helper, which workers must descend from here (start_method \"spawn\", "
                      "or the program has "
                      "threads), cannot be found; TINE_HELPER can say where it is");
    return TINE_ESYSTEM;
}
