/* Fd: how descriptors are made, moved, checked and closed. Nothing else in the core makes one.
**
** The program shares the descriptor table with us: it may close descriptors 3 to 255, take what it
** opens next for its stderr, fork. So each descriptor of ours
**
**   - is 3 or more, close-on-exec, and has a number that no other descriptor of ours gets until its
**     owner has closed it, whoever else has closed it before;
**   - is known here by the file behind it (device and inode), which is checked before it is written
**     to, read, grown or closed: if there is another file behind it, the number is the program's by
**     now, and is left alone;
**   - is closed in children that the program forks (worker/root/root.c).
**
** Only files with an inode of their own can be told apart: memfds, pipes, sockets. All eventfds
** share one inode, so events are made of pipes here.
**
** Any thread. The functions return a descriptor, or 0; or -1 with errno.
*/
#ifndef TINE_BASE_FD_H
#define TINE_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct msghdr;

int tine__fd_memfd(const char *name, unsigned flags);
int tine__fd_pair(int ends[2], int type); /* a pair of AF_UNIX sockets */
int tine__fd_pipe(int ends[2]);           /* ends[0] to read, ends[1] to write */
/* A SOCK_SEQPACKET socket that listens under this name of Linux's abstract namespace; and a socket
** for the next connection. Both are non-blocking. */
int tine__fd_listen(const char *name);
int tine__fd_accept(int listener);
int tine__fd_stream(int family); /* a non-blocking SOCK_STREAM socket */
int tine__fd_open(const char *path, int flags);
int tine__fd_create(const char *path, int flags); /* makes the file if there is none */
int tine__fd_copy(int fd);                        /* a copy of one of the program's */
/* Give a descriptor of ours another number, `lowest` or more. 0; -1: *fd is as it was. */
int tine__fd_move(int *fd, int lowest);
/* Read a small file (of /proc) as text; "" if it cannot be read. Its descriptor is closed before
** anybody else could get it. */
const char *tine__fd_text(const char *path, char *text, size_t size);
int tine__fd_pidfd(pid_t pid);
int tine__fd_epoll(void);
int tine__fd_signals(const void *sigset);
/* A timer, readable once its time has come; not set yet. */
int tine__fd_timer(void);
/* Set the timer to a time of tine__now, in ns; 0: none. False: the descriptor is not ours any
** more. */
bool tine__fd_set_timer(int timer, uint64_t at);
/* Reads as empty and swallows what is written: /dev/null, or without that a socket
** whose other end is closed. */
int tine__fd_null(void);
/* recvmsg, which does not wait. Descriptors that come are taken over, each in its place in the
** message; -1 stands for one that could not be. */
ssize_t tine__fd_receive(int socket, struct msghdr *m);
/* Take over a descriptor from elsewhere. */
int tine__fd_adopt(int fd);

/* Is the file behind it still ours? If not, errno is EBADF. */
bool tine__fd_ours(int fd);
/* ftruncate; but beyond the limit on file sizes it fails with EFBIG and raises no signal. */
int tine__fd_resize(int fd, size_t size);
/* Close it if it is still ours, and set *fd to -1; -1 is fine. Keeps errno. */
void tine__close(int *fd);

/* An event: readable from the first ring on until it is cleared. It is a pipe; the descriptor
** returned is the reading end, for poll. The writing end is remembered, and closed with it. */
int tine__fd_event(void);
/* The writing end, to be passed to another process. */
int tine__fd_ringer(int event);
/* Ring an event, by either end; clear one. Async-signal-safe, never block, keep errno. False: the
** descriptor is not ours any more, so nobody hears. */
bool tine__fd_ring(int event);
bool tine__fd_clear(int event);

/* Close all descriptors from 3 on except these, which are taken over (-1 entries are skipped).
** Sorts `keep`. For a process that is becoming one of Tine's: until tine__fd_company only our code
** runs in it, so descriptors need not be checked. 0 or -1. */
int tine__fd_keep(int *keep, size_t n);
/* From now on other code runs in this process, too. */
void tine__fd_company(void);

/* Around a fork of the program, so that no descriptor exists at that moment that is not noted yet;
** in the child all are closed. */
void tine__fd_before_fork(void);
void tine__fd_after_fork(bool child);

#endif
