/* Address: job servers, and a set of hosts: "gearman://jobs1:4730,[::1]:4731/render". */
#ifndef TINE_GEARMAN_ADDRESS_H
#define TINE_GEARMAN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define GM_SERVERS 8   /* most servers */
#define GM_WAYS 4      /* most addresses of a server that are tried */
#define GM_SET_MAX 64u /* bytes of the set's name, NUL included */
#define GM_PORT "4730"

/* One of the addresses to which a server's name resolves, such as 127.0.0.1 or ::1. */
struct gm_way {
    socklen_t length;
    struct sockaddr_storage socket;
};

struct gm_address {
    char name[272]; /* host:port, for messages */
    unsigned nways; /* at least 1 */
    struct gm_way ways[GM_WAYS];
};

struct gm_addresses {
    unsigned n;
    struct gm_address list[GM_SERVERS];
    char set[GM_SET_MAX];
};

/* Parse and resolve an address. May block in the system's resolver. False: `why`, of `size` bytes,
** tells what is wrong. */
bool tine__gm_resolve(const char *url, struct gm_addresses *out, char *why, size_t size);

/* Are all servers on this machine? If not, *other names the first that is not. */
bool tine__gm_are_loopback(const struct gm_addresses *a, const char **other);

#endif
