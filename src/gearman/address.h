/* Address: which job servers, and which set of hosts: "gearman://jobs1:4730,[::1]:4731/render". */
#ifndef TINE_GEARMAN_ADDRESS_H
#define TINE_GEARMAN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define GM_SERVERS 8   /* at most */
#define GM_WAYS 4      /* to one of them that are tried, at most */
#define GM_SET_MAX 64u /* bytes of the set's name with its zero */
#define GM_PORT "4730"

/* A way to a server: one of the addresses that its name has, such as 127.0.0.1 and ::1. */
struct gm_way {
    socklen_t length;
    struct sockaddr_storage socket;
};

struct gm_address {
    char name[272]; /* as in messages: host:port */
    unsigned nways; /* 1 at least */
    struct gm_way ways[GM_WAYS];
};

struct gm_addresses {
    unsigned n;
    struct gm_address list[GM_SERVERS];
    char set[GM_SET_MAX];
};

/* Read and resolve it; may ask the system's resolver, which takes its time. False: *why says what is wrong, text of `size`
** bytes. */
bool tine__gm_resolve(const char *url, struct gm_addresses *out, char *why, size_t size);

/* Are all of them on this machine? *other is the first that is not. */
bool tine__gm_are_loopback(const struct gm_addresses *a, const char **other);

#endif
