/* How many processors this process may use: affinity mask, and quota of its control group. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "tine.h"

static unsigned affinity(void) {
    size_t size = CPU_ALLOC_SIZE(8192);
    cpu_set_t *set = CPU_ALLOC(8192);
    unsigned n = 0;
    if (set && sched_getaffinity(0, size, set) == 0)
        n = (unsigned)CPU_COUNT_S(size, set);
    CPU_FREE(set);
    return n > 0 ? n : 1;
}

/* Whole processors in a quota per period; 0: no limit. */
static unsigned whole(double quota, double period) {
    if (quota <= 0 || period <= 0)
        return 0;
    double n = quota / period;
    return n < 1 ? 1 : (unsigned)n;
}

static const char *read_line(const char *folder, const char *file, char *out, size_t size) {
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return tine__fd_text(path, out, size);
}

static unsigned limit_v2(const char *folder) {
    char line[100];
    double quota, period;
    if (sscanf(read_line(folder, "cpu.max", line, sizeof line), "%lf %lf", &quota, &period) != 2)
        return 0;
    return whole(quota, period);
}

static unsigned limit_v1(const char *folder) {
    char quota[60], period[60];
    return whole(atof(read_line(folder, "cpu.cfs_quota_us", quota, sizeof quota)),
                 atof(read_line(folder, "cpu.cfs_period_us", period, sizeof period)));
}

static void lower(unsigned *n, unsigned limit) {
    if (limit > 0 && limit < *n)
        *n = limit;
}

/* The limits of the group and of all groups above it apply. */
static void lower_upwards(unsigned *n, const char *root, char *group,
                          unsigned (*limit)(const char *)) {
    char folder[1100];
    for (;;) {
        snprintf(folder, sizeof folder, "%s%s", root, group);
        lower(n, limit(folder));
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

/* `line` of /proc/self/cgroup: "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1). */
static void obey_line(unsigned *n, char *line) {
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return;
    *group++ = '\0';
    if (controllers[1] == '\0')
        lower_upwards(n, "/sys/fs/cgroup", group, limit_v2);
    else if (strstr(controllers, "cpu") && !strstr(controllers, "cpuset"))
        lower_upwards(n, "/sys/fs/cgroup/cpu", group, limit_v1);
}

#define LINES 16384 /* bytes of /proc/self/cgroup that are looked at */

unsigned tine_cpu_count(void) {
    unsigned n = affinity();
    char text[LINES], *rest;
    tine__fd_text("/proc/self/cgroup", text, sizeof text);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        obey_line(&n, line);
    return n;
}
