/* Packet: the job server's protocol (gearmand's PROTOCOL document), as bytes. Only what that document defines is
** spoken here, and `cancel job` of the administrative half.
**
** A binary packet is "\0REQ" or "\0RES", type and size (both big endian), and so many bytes: arguments that end with a
** zero byte, but for the last. Lines of text (answers to administrative commands) may stand between packets: they
** begin with another byte than zero.
**
** What comes is checked like any foreign input. No memory, no system calls.
*/
#ifndef TINE_GEARMAN_PACKET_H
#define TINE_GEARMAN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

enum gm_type {
    GM_TEXT = 0, /* not of the protocol: a line of text */
    GM_CAN_DO = 1,
    GM_PRE_SLEEP = 4,
    GM_NOOP = 6,
    GM_SUBMIT_JOB = 7,
    GM_JOB_CREATED = 8,
    GM_NO_JOB = 10,
    GM_WORK_COMPLETE = 13,
    GM_WORK_FAIL = 14,
    GM_ERROR = 19,
    GM_SUBMIT_JOB_HIGH = 21,
    GM_SET_CLIENT_ID = 22,
    GM_WORK_DATA = 28,
    GM_GRAB_JOB_UNIQ = 30,
    GM_JOB_ASSIGN_UNIQ = 31,
    GM_SUBMIT_JOB_LOW = 33
};

#define GM_HEAD 12u
#define GM_ARGS 4u         /* that a packet has, at most */
#define GM_LINE 65536u     /* bytes of a line of text, at most */
#define GM_MOST (1u << 31) /* bytes of a packet that we take */
#define GM_HANDLE 64u      /* bytes of a handle with its zero, as the server has it */

struct gm_text {
    const char *p;
    size_t n;
};

struct gm_packet {
    enum gm_type type;
    unsigned nargs;
    struct gm_text arg[GM_ARGS]; /* within the bytes that were read */
};

#define GM_BAD SIZE_MAX

/* The packet that the bytes begin with: how many it takes; 0: it is not whole; GM_BAD: this is no packet. Of a type
** that is not in here only `type` is set. */
size_t tine__gm_read(const char *bytes, size_t n, struct gm_packet *out);

/* How many bytes a packet has in all whose head is there; 0: it is not, or it is none. */
size_t tine__gm_size(const char *bytes, size_t n);

/* Append a request with these arguments. 0 or TINE_ENOMEM with `out` as it was. */
int tine__gm_write(struct buf *out, enum gm_type type, unsigned nargs, const struct gm_text *args);

/* Is it this text? The server ends some handles with a zero too many. */
bool tine__gm_is(struct gm_text t, const char *text);

#endif
