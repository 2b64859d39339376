/* The program behind start_method = "spawn": a root that was executed instead of forked. */
#ifndef TINE_WORKER_ROOT_HELPER_H
#define TINE_WORKER_ROOT_HELPER_H

/* Where it finds what it is given: its socket, and what is readable when the program has died. */
#define HELPER_SOCKET 3
#define HELPER_LIFE 4

/* Runs the root on them; returns the exit code, an errno when it cannot. */
int tine__helper_main(void);

#endif
