/* Control: messages with descriptors over a SOCK_SEQPACKET socket (submitter <-> root <-> fork server).
** Small packets, each one message. Never raises SIGPIPE, retries EINTR.
*/
#ifndef TINE_IPC_CONTROL_H
#define TINE_IPC_CONTROL_H

#include <stddef.h>
#include <sys/types.h>

#define CONTROL_FDS 16 /* descriptors in one message, at most */

/* A pair of ends, close-on-exec and non-blocking. 0 or TINE_ESYSTEM. */
int tine__control_pair(int ends[2]);
/* Send one message with `nfds` descriptors. 0; TINE_EAGAIN (the socket is full); TINE_ESHUTDOWN (the
** peer is gone); TINE_ESYSTEM (EBADF: `fd` is not ours any more). */
int tine__control_send(int fd, const void *data, size_t len, const int *fds, int nfds);
/* Receive one message. Its length; 0: the peer is gone; TINE_EAGAIN; TINE_ESYSTEM. *nfds is the
** number received into fds[CONTROL_FDS] (close-on-exec); when more came than were expected by
** `*nfds` on entry, the rest is closed. */
ssize_t tine__control_receive(int fd, void *data, size_t size, int *fds, int *nfds);

#endif
