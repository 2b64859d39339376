/* The program behind start_method = "spawn": a root that was executed instead of forked. */
#ifndef TINE_WORKER_HELPER_H
#define TINE_WORKER_HELPER_H

/* Runs the root on the socket at descriptor 3; returns the exit code. */
int tine__helper_main(int argc, char **argv);

#endif
