/* HOT, COLD, likely, unlikely: which code every task passes through, and which few do. The code
** that a task passes through, Lua's included, should fit into the instruction cache (32 KiB); else
** each task waits for its own code a dozen times.
*/
#ifndef TINE_BASE_HOT_H
#define TINE_BASE_HOT_H

/* Put before the definition of a function with several callers that every task passes through. With
** link-time optimization (TINE_LTO) it is inlined into them even if it is longer than the compiler
** would inline: calls between files took a quarter of the time of a small task. Its header declares
** it as usual, so it exists as a function, too. */
#define HOT inline

/* Put before the declaration (or static definition) of a function that few tasks need but that is
** called from code all of them pass through. It is not inlined, and the branches that lead to it
** are moved out of the way. */
#define COLD __attribute__((cold, noinline))

/* For conditions, likewise. */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
