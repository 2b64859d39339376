/* Control: messages with descriptors over a SOCK_SEQPACKET socket, between submitter, root and fork
** server. Each packet is one small message. Never raises SIGPIPE; retries on EINTR.
**
** Any thread: a packet is sent and received as a whole.
*/
#ifndef TINE_IPC_CONTROL_H
#define TINE_IPC_CONTROL_H

#include <stddef.h>
#include <sys/types.h>

#define CONTROL_FDS 16 /* most descriptors in one message */

/* Make a pair of connected sockets, close-on-exec and non-blocking. 0 or TINE_ESYSTEM. */
int tine__control_pair(int ends[2]);
/* Send one message with `nfds` descriptors. 0; TINE_EAGAIN (the socket is full); TINE_ESHUTDOWN
** (the peer is gone); TINE_ESYSTEM (EBADF: `fd` is not ours any more). */
int tine__control_send(int fd, const void *data, size_t len, const int *fds, int nfds);
/* Receive one message. Returns its length; 0: the peer is gone; TINE_EAGAIN; TINE_ESYSTEM. On entry
** *nfds is the number of descriptors expected, on return the number put into fds[CONTROL_FDS]
** (close-on-exec); any beyond those are closed. */
ssize_t tine__control_receive(int fd, void *data, size_t size, int *fds, int *nfds);

#endif
