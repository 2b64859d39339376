/* The program behind start_method = "spawn": a root that is executed instead of forked. */
#ifndef TINE_WORKER_ROOT_HELPER_H
#define TINE_WORKER_ROOT_HELPER_H

/* The descriptors that it is given: the root's socket; one that becomes readable
** when the program has died. */
#define HELPER_SOCKET 3
#define HELPER_LIFE 4

/* Run the root on them. Returns the exit code; an errno when it cannot be run. */
int tine__helper_main(void);

#endif
