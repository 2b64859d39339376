/* Clock: conversion between seconds, which users give, and nanoseconds, which everything inside
** uses.
**
** Values are rounded up, so that nothing ends before its time and no positive time becomes zero.
** A time that the clock cannot represent is for ever.
*/
#ifndef TINE_BASE_CLOCK_H
#define TINE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>
#include "base/sys.h"

#define WAIT_FOREVER UINT64_MAX /* as a span and as a deadline */

/* Seconds as ns, rounded up. 0: zero, negative, or NaN (which callers have refused); WAIT_FOREVER:
** nine billion or more. */
static inline uint64_t clock_span(double seconds) {
    if (!(seconds > 0))
        return 0;
    if (seconds >= 9e9)
        return WAIT_FOREVER;
    double ns = seconds * 1e9;
    uint64_t whole = (uint64_t)ns;
    return (double)whole < ns ? whole + 1 : whole;
}

/* The time (tine__now) `span` ns after `now`. */
static inline uint64_t clock_after(uint64_t now, uint64_t span) {
    return span < WAIT_FOREVER - now ? now + span : WAIT_FOREVER;
}

/* The time `span` ns from now. */
static inline uint64_t clock_deadline(uint64_t span) {
    return span == WAIT_FOREVER ? span : clock_after(tine__now(), span);
}

static inline struct timespec clock_timespec(uint64_t ns) {
    return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

/* What is left until `deadline`; not for WAIT_FOREVER. */
static inline struct timespec clock_left(uint64_t deadline) {
    uint64_t now = tine__now();
    return clock_timespec(deadline > now ? deadline - now : 0);
}

#endif
