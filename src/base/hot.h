/* HOT: of a function of several callers that every task passes through, put before its definition. Its body is taken
** into them where the core is linked as one (TINE_LTO), even if it is longer than what is taken in by itself: a quarter
** of the time that a small task takes were calls between the files that it passes. Its header declares it as any other,
** so it is a function as well.
*/
#ifndef TINE_BASE_HOT_H
#define TINE_BASE_HOT_H

#define HOT inline

#endif
