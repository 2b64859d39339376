#include "base/proc.h"

#include <stdio.h>
#include <time.h>
#include "base/fd.h"
#include "base/sys.h"

uint64_t tine__proc_memory(pid_t pid) {
    char text[128];
    unsigned long size, resident;
    snprintf(text, sizeof text, "/proc/%d/statm", (int)pid);
    int fd = tine__fd_open(text, O_RDONLY);
    if (fd == -1)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    tine__close(&fd);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%lu %lu", &size, &resident) != 2)
        return 0;
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t tine__proc_spent(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t) == -1)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
