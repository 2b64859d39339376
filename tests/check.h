/* Checks for the C tests. A failed one prints file, line and values, and ends the process with 1:
** what comes after it would only repeat the complaint. Values are compared as long long.
*/
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            check_failed(__FILE__, __LINE__, #condition); \
    } while (0)

#define CHECK_EQ(a, b) \
    check_compare((long long)(a), (long long)(b), #a, #b, "==", __FILE__, __LINE__)
#define CHECK_LE(a, b) \
    check_compare((long long)(a), (long long)(b), #a, #b, "<=", __FILE__, __LINE__)

/* _exit, not exit: also in a forked child, and with other threads running. */
static inline _Noreturn void check_failed(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: pid %d: failed: %s (errno %d, %s)\n", file, line, (int)getpid(), what,
            errno, strerror(errno));
    fflush(NULL);
    _exit(1);
}

static inline void check_compare(long long a, long long b, const char *as, const char *bs,
                                 const char *op, const char *file, int line) {
    if (op[0] == '=' ? a == b : a <= b)
        return;
    fprintf(stderr, "%s:%d: pid %d: failed: %s %s %s: %lld and %lld (errno %d, %s)\n", file, line,
            (int)getpid(), as, op, bs, a, b, errno, strerror(errno));
    fflush(NULL);
    _exit(1);
}

/* Random numbers that a failed run can be repeated with: splitmix64. */
static inline unsigned long long check_random(unsigned long long *seed) {
    unsigned long long z = (*seed += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

#endif
