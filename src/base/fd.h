/* Fd: how a descriptor of ours is made, moved, checked and closed. Nothing else in the core makes one.
**
** Descriptors are the program's as much as ours, and so are the numbers: a program closes 3 to 255, takes what
** it opens next for its stderr, forks. Therefore each of ours
**
**   - is 3 or more, close-on-exec, and has a number that no other of ours has until that is closed by its owner,
**     whoever else has closed it;
**   - is known here by the file behind it (device and inode), and looked at before it is written to, read,
**     grown or closed: with another file behind it, it is the program's by now, and is left alone;
**   - is closed in a child that the program forks (worker/root/root.c).
**
** Only files with an inode of their own can be told apart: memfds, pipes, sockets. All eventfds have the same
** one; therefore there are none here, but events made of pipes.
**
** Any thread. All of them return a descriptor, or 0, or -1 with errno.
*/
#ifndef TINE_BASE_FD_H
#define TINE_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int tine__fd_memfd(const char *name, unsigned flags);
int tine__fd_pair(int ends[2], int type); /* of AF_UNIX sockets */
int tine__fd_pipe(int ends[2]);           /* to read, to write */
/* A SOCK_SEQPACKET socket that listens under this name of Linux's abstract space, and one for who has connected there; they
** never block. */
int tine__fd_listen(const char *name);
int tine__fd_accept(int listener);
int tine__fd_open(const char *path, int flags);
int tine__fd_create(const char *path, int flags); /* the file too, if there is none */
int tine__fd_copy(int fd);                        /* of a descriptor of the program's */
/* A small file (of /proc) as text, "" when it cannot be read. Its descriptor is closed before anybody could have it. */
const char *tine__fd_text(const char *path, char *text, size_t size);
int tine__fd_pidfd(pid_t pid);
int tine__fd_epoll(void);
int tine__fd_signals(const void *sigset);
/* Readable from a time on; no time as yet. */
int tine__fd_timer(void);
/* Set its time, on the clock of tine__now, in ns; 0: none. False: the descriptor is not ours any more. */
bool tine__fd_set_timer(int timer, uint64_t at);
/* What reads as empty and swallows what is written: /dev/null, or where there is none a socket whose
** other end is closed. */
int tine__fd_null(void);
/* Take over one that came from elsewhere: over a socket, from the process that we were. */
int tine__fd_adopt(int fd);

/* Is the file behind it still the one that we put there? errno is EBADF if not. */
bool tine__fd_ours(int fd);
/* ftruncate, but a file that would be larger than the limit is an error (EFBIG) and no signal. */
int tine__fd_resize(int fd, size_t size);
/* Close it if it is still ours; -1 is fine. Keeps errno, sets *fd to -1. */
void tine__close(int *fd);

/* An event: readable from the first ring on until it is cleared. It is a pipe; the number is that of its reading
** end, for poll, and the other end is known and closed with it. */
int tine__fd_event(void);
/* The other end, to be passed to another process, which rings by it. */
int tine__fd_ringer(int event);
/* Ring an event, or by what tine__fd_ringer gave; clear one. Async-signal-safe; never block, keep errno. False: the
** descriptor is not ours any more, so nobody hears. */
bool tine__fd_ring(int event);
bool tine__fd_clear(int event);

/* Close all descriptors from 3 on but these, which are adopted (-1 entries are skipped). Sorts `keep`.
** For a process that is becoming one of ours: it runs no code but ours, so that there is nothing to be looked at until
** tine__fd_company. 0 or -1. */
int tine__fd_keep(int *keep, size_t n);
/* From now on other code runs in this process. */
void tine__fd_company(void);

/* Around a fork of the program, so that no descriptor is made in between that nobody knows of; in the child
** all are closed. */
void tine__fd_before_fork(void);
void tine__fd_after_fork(bool child);

#endif
