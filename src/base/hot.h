/* HOT, COLD, likely, unlikely: what every task passes through, and what few do. What a task passes through, Lua's share of it
** included, is to fit into a processor's cache of instructions (32 KiB): else each task waits for its code a dozen times.
*/
#ifndef TINE_BASE_HOT_H
#define TINE_BASE_HOT_H

/* Of a function of several callers that every task passes through, put before its definition. Its body is taken into
** them where the core is linked as one (TINE_LTO), even if it is longer than what is taken in by itself: a quarter of
** the time that a small task takes were calls between the files that it passes. Its header declares it as any other,
** so it is a function as well. */
#define HOT inline

/* Of a function that few tasks pass through, but that is called where all of them do; put before its declaration, or the
** definition of a static one. It is not taken into its caller, and what leads to it lies apart from what does not. */
#define COLD __attribute__((cold, noinline))

/* Of conditions, for the same. */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
