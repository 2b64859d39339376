#include "base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "base/fd.h"
#include "base/sys.h"
#include "base/why.h"

uint64_t tine__proc_memory(pid_t pid) {
    char text[128];
    unsigned long size, resident;
    snprintf(text, sizeof text, "/proc/%d/statm", (int)pid);
    if (sscanf(tine__fd_text(text, text, sizeof text), "%lu %lu", &size, &resident) != 2)
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

void tine__proc_refused(int error, const char *call) {
    struct rlimit limit;
    if (error != EAGAIN)
        tine__why(error, "%s: %s", call, strerror(error));
    else if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        tine__why(error, "%s: %s (the limit of this user's processes, ulimit -u, is %llu)", call,
                  strerror(error), (unsigned long long)limit.rlim_cur);
    else
        tine__why(error, "%s: %s (the control group's limit of processes, or the system's)", call,
                  strerror(error));
}
