/* How many processors this process may use. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tine.h"

/* By the affinity mask; grown until the kernel's fits. */
static unsigned by_affinity(void) {
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set)
            break;
        size_t size = CPU_ALLOC_SIZE(cpus);
        int err = sched_getaffinity(0, size, set) ? errno : 0;
        unsigned n = err ? 0 : (unsigned)CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (err != EINVAL)
            return n;
    }
    return 0;
}

static bool read_line(const char *path, char *out, int size) {
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(out, size, f);
    if (f)
        fclose(f);
    return ok;
}

/* A quota is processor time in each period; rounded up, as half a processor still needs one. */
static unsigned from_quota(double quota, double period) {
    if (!(quota > 0) || !(period > 0))
        return 0;
    unsigned n = (unsigned)(quota / period);
    return n < quota / period ? n + 1 : n;
}

/* cgroup 2: the tightest of our group and those around it. `path` is "/a/b" below the mount. */
static unsigned by_cgroup2(char *path) {
    char file[4200], line[128];
    unsigned least = 0;
    for (;;) {
        double quota, period;
        snprintf(file, sizeof file, "/sys/fs/cgroup%s/cpu.max", path);
        if (read_line(file, line, sizeof line) && sscanf(line, "%lf %lf", &quota, &period) == 2) {
            unsigned n = from_quota(quota, period);
            if (n > 0 && (least == 0 || n < least))
                least = n;
        }
        char *slash = strrchr(path, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

static unsigned by_cgroup1(void) {
    char quota[64], period[64];
    if (!read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) ||
        !read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period))
        return 0;
    return from_quota(atof(quota), atof(period));
}

static unsigned by_cgroup(void) {
    char line[4096];
    FILE *f = fopen("/proc/self/cgroup", "re");
    unsigned n = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            n = by_cgroup2(strcmp(line + 3, "/") == 0 ? line + 4 : line + 3);
        }
    if (f)
        fclose(f);
    return n ? n : by_cgroup1();
}

unsigned tine_cpu_count(void) {
    unsigned n = by_affinity(), quota = by_cgroup();
    if (n == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (unsigned)online : 1;
    }
    return quota > 0 && quota < n ? quota : n;
}
