/* Faults on demand, in builds with TINE_FAULTS (all with assertions are): system calls fail,
** processes die.
**
** A test says what shall go wrong, in the environment or by a call:
**
**     TINE_FAULT="mmap:2"                    the second mmap of every process fails, with ENOMEM
**     TINE_FAULT="worker/malloc:3:ENOMEM:1"  the third malloc of every worker fails
**     TINE_FAULT="server/fork:1:EAGAIN:0"    no fork server can fork
**     TINE_FAULT="host/all:7"                the seventh call of any name in the host fails
**     TINE_KILL="worker/halfway"             every worker kills itself (SIGKILL) at that point
**     TINE_KILL="worker/taken:5"             ... when it passes there for the fifth time
**     TINE_KILL="worker/taken:5:19"          ... with signal 19 (SIGSTOP)
**
** A spec is a list, separated by commas, of
**
**     [role/]name[:count[:errno[:times]]]  for calls; count from 1 (default 1); errno: a name or a
**                                          number (default: a likely one for that call); times: how
**                                          many calls in a row fail (default 1, 0: all)
**     [role/]point[:count[:signal]]        for kill points
**
** A name is one of base/sys.h, or "all" for all of them together. A role is what the process is:
** "host" (the submitter, from the start), "root", "server" (a fork server), "worker". A process
** announces its role with tine__fault_role when it has become that, and counts its calls from then
** on: "worker/malloc:3" is the third malloc after the process became a worker. Without a role the
** fault strikes in every process.
**
** Root and workers are forked early and would not see what a test arms later. So tine__fault_role
** reads the environment again: the fork server has the submitter's environment of the time when the
** pool was made, and a C test arms the workers of its next pool by setenv. What is armed by
** tine__fault_set and tine__kill_set holds in this process, and in children that it forks until
** they change their role.
**
** Any thread may call these functions. Arming while other threads make calls is safe, but it is
** then open which of their calls count. Without TINE_FAULTS none of this exists.
*/
#ifndef TINE_BASE_FAULT_H
#define TINE_BASE_FAULT_H

#ifdef TINE_FAULTS

#include <stdbool.h>
#include <stdint.h>

/* Arm these faults, or kill points, in place of those armed so far; NULL or "" disarms all. Counts
** start from 0. False: the spec cannot be read, and nothing is armed. */
bool tine__fault_set(const char *spec);
bool tine__kill_set(const char *spec);

/* How many calls of that name (or "all") this process has made since a fault was armed. */
unsigned long tine__fault_count(const char *name);

/* How many faults have struck in this process since then. A test that runs its body with a fault at
** call 1, 2, 3 ... has finished when none struck. */
unsigned long tine__fault_struck(void);

/* This process is now a "root", "server" or "worker": counts start from 0, and the environment is
** read again. The string must stay. */
void tine__fault_role(const char *role);

/* For base/sys.c: count a call of that name. True: it must fail, and errno is set. */
bool tine__fault_strikes(const char *name);
/* For base/sys.c: what the failing call returns, as a number. */
intptr_t tine__fault_result(const char *name, bool pointer);

#else

#define tine__fault_role(role) ((void)0)

#endif

#endif
