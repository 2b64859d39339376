/* guard SECONDS COMMAND [ARG...]: runs a test, and sees that nothing is left of it.
**
** - When the time is up it prints the stacks of all threads of all processes of the test (with gdb
**   when there is one, else what /proc tells), kills them, and exits with 124.
** - When the test has ended, every process that descends from it must end too, within a few seconds.
**   Those that do not are shown, killed, and make the test fail. None can hide: the guard is the
**   subreaper of the test, so whatever loses its parent becomes its own child.
** - No file of the test's may be left in /dev/shm.
**
** Otherwise its exit code is the test's (128 + number for a signal).
*/
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Seconds for descendants to notice that the test has ended, on a busy machine; GUARD_GRACE in the
** environment changes it. */
#define GRACE 10
#define MAX_PROCESSES 512
#define EXIT_TIMEOUT 124

/* --- processes -------------------------------------------------------------------------------- */

struct process {
    pid_t pid, parent;
};

static bool read_file(pid_t pid, const char *name, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, size - 1, f);
    fclose(f);
    for (size_t i = 0; i < n; i++) /* cmdline has zeros between the arguments */
        if (!text[i])
            text[i] = ' ';
    text[n] = '\0';
    return true;
}

static pid_t parent_of(pid_t pid) {
    char text[512];
    int parent;
    if (!read_file(pid, "stat", text, sizeof text))
        return -1;
    const char *after_name = strrchr(text, ')'); /* the name itself may hold anything */
    if (!after_name || sscanf(after_name + 1, " %*c %d", &parent) != 1)
        return -1;
    return parent;
}

static int all_processes(struct process *p) {
    DIR *dir = opendir("/proc");
    int n = 0;
    for (struct dirent *e; dir && n < MAX_PROCESSES && (e = readdir(dir));)
        if (isdigit((unsigned char)e->d_name[0])) {
            p[n].pid = atoi(e->d_name);
            p[n].parent = parent_of(p[n].pid);
            n += p[n].parent != -1;
        }
    if (dir)
        closedir(dir);
    return n;
}

/* All living descendants of this process, parents before children. */
static int descendants(pid_t *out) {
    struct process all[MAX_PROCESSES];
    int n = all_processes(all), found = 0;
    pid_t at = getpid();
    for (int next = 0;; at = out[next++]) {
        for (int i = 0; i < n; i++)
            if (all[i].parent == at)
                out[found++] = all[i].pid;
        if (next == found)
            return found;
    }
}

static void show_process(pid_t pid) {
    char text[4096];
    if (read_file(pid, "cmdline", text, sizeof text))
        fprintf(stderr, "guard: process %d: %s\n", (int)pid, text);
    if (!read_file(pid, "status", text, sizeof text))
        return;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (!strncmp(line, "Name", 4) || !strncmp(line, "State", 5) || !strncmp(line, "PPid", 4) ||
            !strncmp(line, "Threads", 7) || !strncmp(line, "SigBlk", 6))
            fprintf(stderr, "guard:   %s\n", line);
    if (read_file(pid, "wchan", text, sizeof text))
        fprintf(stderr, "guard:   waits in the kernel at %s\n", text);
    if (read_file(pid, "syscall", text, sizeof text))
        fprintf(stderr, "guard:   system call %s", text);
}

static void show_stacks(pid_t pid) {
    char command[256];
    snprintf(command, sizeof command,
             "command -v gdb >/dev/null && timeout -s KILL 30 gdb -nx -q -batch -p %d "
             "-ex 'set pagination off' -ex 'thread apply all backtrace 40' </dev/null 2>&1 "
             "| grep -v -e '^\\[New LWP' -e '^warning' -e 'No such file' >&2",
             (int)pid);
    show_process(pid);
    if (system(command) == -1)
        perror("guard: gdb");
}

static void kill_descendants(void) {
    pid_t pids[MAX_PROCESSES];
    int n;
    while ((n = descendants(pids)) > 0) {
        for (int i = 0; i < n; i++)
            kill(pids[i], SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
}

/* --- shared memory ---------------------------------------------------------------------------- */

/* The names in /dev/shm (GUARD_SHM: another folder, to try this) that are ours by their look. */
static int count_shared_memory(bool show) {
    const char *other = getenv("GUARD_SHM"), *folder = other ? other : "/dev/shm";
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strstr(e->d_name, "tine")) {
            n++;
            if (show)
                fprintf(stderr, "guard: %s/%s\n", folder, e->d_name);
        }
    if (dir)
        closedir(dir);
    return n;
}

/* --- the run ---------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static sigset_t awaited(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

static pid_t start(char **argv, const sigset_t *blocked) {
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_UNBLOCK, blocked, NULL);
    execvp(argv[0], argv);
    fprintf(stderr, "guard: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

enum outcome { ENDED, TIME_UP, STOPPED };

/* Reap children until `pid` (or, when it is -1, every child) has ended. */
static enum outcome reap_until(pid_t pid, double deadline, const sigset_t *set, int *status) {
    for (;;) {
        int s;
        pid_t gone;
        while ((gone = waitpid(-1, &s, WNOHANG)) > 0)
            if (gone == pid) {
                *status = s;
                return ENDED;
            }
        if (gone == -1)
            return ENDED; /* no child left */
        double left = deadline - now();
        if (left <= 0)
            return TIME_UP;
        struct timespec ts = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        int signal = sigtimedwait(set, NULL, &ts);
        if (signal == SIGTERM || signal == SIGINT)
            return STOPPED;
    }
}

static int report_time_out(double seconds) {
    pid_t pids[MAX_PROCESSES];
    int n = descendants(pids);
    fprintf(stderr, "guard: not finished after %g seconds; %d processes:\n", seconds, n);
    for (int i = 0; i < n; i++)
        show_stacks(pids[i]);
    kill_descendants();
    return EXIT_TIMEOUT;
}

static int report_left_over(int code) {
    pid_t pids[MAX_PROCESSES];
    int n = descendants(pids);
    fprintf(stderr, "guard: the test has ended (exit code %d) and left %d processes:\n", code, n);
    for (int i = 0; i < n; i++)
        show_stacks(pids[i]);
    kill_descendants();
    return 1;
}

static double grace(void) {
    const char *seconds = getenv("GUARD_GRACE");
    return seconds ? atof(seconds) : GRACE;
}

static int guard(double seconds, char **argv) {
    sigset_t set = awaited();
    int status = 0, shared_before = count_shared_memory(false);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_t pid = start(argv, &set);
    switch (reap_until(pid, now() + seconds, &set, &status)) {
    case TIME_UP:
        return report_time_out(seconds);
    case STOPPED:
        kill_descendants();
        return 130;
    case ENDED:
        break;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (WIFSIGNALED(status))
        fprintf(stderr, "guard: the test was ended by signal %d\n", WTERMSIG(status));
    int ignored;
    if (reap_until(-1, now() + grace(), &set, &ignored) != ENDED)
        code = report_left_over(code);
    if (count_shared_memory(false) > shared_before) {
        fprintf(stderr, "guard: the test has left shared memory behind:\n");
        count_shared_memory(true);
        code = code ? code : 1;
    }
    return code;
}

int main(int argc, char **argv) {
    double seconds = argc > 2 ? atof(argv[1]) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: guard SECONDS COMMAND [ARG...]\n");
        return 2;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1L) == -1)
        perror("guard: prctl");
    return guard(seconds, argv + 2);
}
