/* sim [-v] [-q] [-s seed] [-n count]: play the histories of `count` seeds from `seed` on (with -v:
** tell each). The first that fails is shrunk and told step by step (-q: only named); the exit code
** is 1 then. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "sim.h"

bool sim_verbose;
sigjmp_buf sim_failed;
char sim_failure[256];
volatile unsigned long sim_played;

_Noreturn void sim_fail(const char *file, int line, const char *format, ...) {
    va_list args;
    const char *name = strrchr(file, '/');
    int n = snprintf(sim_failure, sizeof sim_failure, "%s:%d: ", name ? name + 1 : file, line);
    va_start(args, format);
    vsnprintf(sim_failure + n, sizeof sim_failure - (size_t)n, format, args);
    va_end(args);
    siglongjmp(sim_failed, 1);
}

void sim_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* The C library calls this for a failed assertion: one in the scheduler is a failed check here. */
_Noreturn void __assert_fail(const char *what, const char *file, unsigned line,
                             const char *function);
_Noreturn void __assert_fail(const char *what, const char *file, unsigned line,
                             const char *function) {
    (void)function;
    sim_fail(file, (int)line, "assertion: %s", what);
}

/* --- crashes and endless loops are failures too --- */

static void on_signal(int signal) {
    static unsigned long last = -1ul;
    if (signal == SIGALRM && last != sim_played) {
        last = sim_played;
        return;
    }
    last = -1ul;
    sim_fail("signal", signal, "%s", signal == SIGALRM ? "it never comes back" : strsignal(signal));
}

static void catch_signals(void) {
    static char stack[1 << 16];
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
    const stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    const struct itimerval second = {{1, 0}, {1, 0}};
    sigaltstack(&ss, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &sa, NULL);
    setitimer(ITIMER_REAL, &second, NULL);
}

static int fail(struct history *h, unsigned long n, const char *why, bool quiet) {
    printf("seed %llu (history %lu): %s\n", (unsigned long long)h->seed, n, why);
    if (quiet)
        return 1;
    history_shrink(h);
    sim_verbose = true;
    printf("as short as it gets, %u steps:\n", h->n);
    why = history_run(h);
    printf("FAILED: %s\n", why ? why : "not again");
    return 1;
}

#ifdef __SANITIZE_ADDRESS__
#define HISTORIES 50000 /* each takes four times as long */
#else
#define HISTORIES 200000
#endif

int main(int argc, char **argv) {
    unsigned long long seed = 1;
    unsigned long count = HISTORIES;
    bool quiet = false;
    int option;
    while ((option = getopt(argc, argv, "vqs:n:")) != -1)
        switch (option) {
        case 'v':
            sim_verbose = true;
            break;
        case 'q':
            quiet = true;
            break;
        case 's':
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            count = strtoul(optarg, NULL, 10);
            break;
        default:
            fprintf(stderr, "usage: %s [-v] [-q] [-s seed] [-n count]\n", argv[0]);
            return 2;
        }
    catch_signals();
    for (unsigned long i = 0; i < count; i++) {
        struct history h;
        history_make(&h, seed + i);
        const char *why = history_run(&h);
        if (why)
            return fail(&h, i + 1, why, quiet);
    }
    printf("%lu histories from seed %llu: all is well\n", count, seed);
    return 0;
}
