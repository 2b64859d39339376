/* refuse ERRNO NAME,... COMMAND...: runs a command to which the kernel refuses these system calls (seccomp). */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS(X) \
    X(memfd_create) \
    X(close_range) \
    X(pidfd_open) \
    X(pidfd_send_signal) \
    X(socketpair) \
    X(pipe2) \
    X(ftruncate) \
    X(madvise) \
    X(signalfd4) \
    X(epoll_create1) \
    X(dup3) \
    X(prlimit64) \
    X(setpriority) \
    X(getpriority) \
    X(sched_getaffinity) \
    X(sched_setaffinity) \
    X(ioprio_get) \
    X(capget) \
    X(getgroups) \
    X(getrandom) \
    X(clone) \
    X(clone3) \
    X(kill) \
    X(fchdir) \
    X(sendmsg)

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
#define ENTRY(name) {#name, SYS_##name},
    CALLS(ENTRY)};

#define NCALLS (sizeof calls / sizeof *calls)

static unsigned number_of(const char *name) {
    for (size_t i = 0; i < NCALLS; i++)
        if (!strcmp(calls[i].name, name))
            return calls[i].number;
    fprintf(stderr, "refuse: unknown call %s\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    struct sock_filter code[2 * NCALLS + 2];
    unsigned short n = 0;
    if (argc < 4)
        return 2;
    unsigned error = (unsigned)atoi(argv[1]);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (char *name = strtok(argv[2], ","); name; name = strtok(NULL, ",")) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number_of(name), 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("refuse: seccomp");
        return 77; /* cannot be had here */
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 2;
}
