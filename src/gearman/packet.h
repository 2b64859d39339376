/* Packet: the job server's protocol (gearmand's PROTOCOL document) as bytes. Only what that
** document defines is used here, and the administrative command `cancel job`.
**
** A binary packet is "\0REQ" or "\0RES", type and size (both big endian), and `size` bytes of
** arguments, separated by NULs. Between packets there may be lines of text (answers to
** administrative commands), which begin with another byte than NUL.
**
** Input is not trusted. No memory is allocated, except for output, and no system calls are made.
*/
#ifndef TINE_GEARMAN_PACKET_H
#define TINE_GEARMAN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

enum gm_type {
    GM_TEXT = 0, /* not in the protocol: a line of text */
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
#define GM_ARGS 4u         /* most arguments of a packet */
#define GM_LINE 65536u     /* longest line of text */
#define GM_MOST (1u << 31) /* largest packet that is accepted */
#define GM_HANDLE 64u      /* bytes of a handle, NUL included, in gearmand */
/* Largest message (message.h) that fits into a packet, with its seal and all other arguments. */
#define GM_MESSAGE (GM_MOST - 1024u)

struct gm_text {
    const char *p;
    size_t n;
};

struct gm_packet {
    enum gm_type type;
    unsigned nargs;
    struct gm_text arg[GM_ARGS]; /* points into the bytes that were read */
};

#define GM_BAD SIZE_MAX

/* Parse the packet at the start of the bytes. Returns its length; 0: it is incomplete; GM_BAD: it
** is no packet. If the type is not one of the above, only `type` is set. */
size_t tine__gm_read(const char *bytes, size_t n, struct gm_packet *out);

/* The full length of the packet whose head is there; 0: the head is incomplete or invalid. */
size_t tine__gm_size(const char *bytes, size_t n);

/* Append a request with these arguments. 0; or TINE_ENOMEM, with `out` unchanged. */
int tine__gm_write(struct buf *out, enum gm_type type, unsigned nargs, const struct gm_text *args);

/* Does `t` equal `text`? The server ends some handles with an extra NUL. */
bool tine__gm_is(struct gm_text t, const char *text);

#endif
