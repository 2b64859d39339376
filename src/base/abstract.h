/* Abstract: addresses of Unix sockets in Linux's abstract namespace, where a name is not a file. */
#ifndef TINE_BASE_ABSTRACT_H
#define TINE_BASE_ABSTRACT_H

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Fill in the address with this name; returns its size. */
static inline socklen_t abstract_address(struct sockaddr_un *at, const char *name) {
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t n = strlen(name), most = sizeof at->sun_path - 1;
    n = n < most ? n : most;
    memcpy(at->sun_path + 1, name, n); /* the name is after a NUL */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

#endif
