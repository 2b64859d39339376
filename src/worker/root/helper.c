#include "worker/root/helper.h"

#include <errno.h>
#include <stdio.h>

#include "base/proc.h"
#include "base/sys.h"
#include "base/why.h"
#include "worker/root/main.h"

int tine__helper_main(void) {
    struct stat st;
    if (sys.fstat(HELPER_SOCKET, &st) == -1 || !S_ISSOCK(st.st_mode) ||
        sys.fstat(HELPER_LIFE, &st) == -1) {
        static const char text[] = "tine-helper is started by the tine library, not by hand\n";
        return write(2, text, sizeof text - 1) == -1 ? errno : 2;
    }
    /* fork, so that the root is no child of the program: see `between` in make.c */
    pid_t pid = sys.fork();
    if (pid == 0)
        tine__root_main(HELPER_SOCKET, HELPER_LIFE, true);
    int error = errno;
    if (pid != -1) {
        tine__root_introduce(tine__fd_adopt(HELPER_SOCKET), pid);
        return 0;
    }
    tine__proc_refused(error, "fork");
    dprintf(STDERR_FILENO, "%s\n", tine__why_text(error));
    return error;
}
