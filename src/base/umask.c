#include "base/umask.h"

#include <string.h>
#include "base/sys.h"

mode_t tine__umask(void) {
    char text[512]; /* the line is the second one */
    mode_t mask = 022;
    int fd = tine__fd_open("/proc/self/status", O_RDONLY);
    if (fd == -1)
        return mask;
    ssize_t n = read(fd, text, sizeof text - 1);
    tine__close(&fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, "Umask:");
    return at ? (mode_t)strtoul(at + strlen("Umask:"), NULL, 8) : mask;
}
