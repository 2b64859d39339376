#include "gearman/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "gearman://"

/* Copy a part of the text. False: it is empty or too long. */
static bool copy(char *out, size_t size, const char *from, size_t n) {
    if (n == 0 || n >= size)
        return false;
    memcpy(out, from, n);
    out[n] = 0;
    return true;
}

/* Split "host", "host:port", "[v6]" or "[v6]:port". */
static bool split(const char *p, size_t n, char host[256], char port[8]) {
    const char *colon, *end = p + n;
    strcpy(port, GM_PORT);
    if (*p == '[') {
        const char *bracket = memchr(p, ']', n);
        if (!bracket || !copy(host, 256, p + 1, (size_t)(bracket - p - 1)))
            return false;
        colon = bracket + 1;
        if (colon < end && *colon != ':')
            return false;
    } else {
        colon = memchr(p, ':', n);
        if (!copy(host, 256, p, colon ? (size_t)(colon - p) : n))
            return false;
        if (colon && memchr(colon + 1, ':', (size_t)(end - colon - 1)))
            return false; /* IPv6 without brackets */
    }
    if (!colon || colon == end)
        return true;
    if (strspn(colon + 1, "0123456789") < (size_t)(end - colon - 1) ||
        !copy(port, 8, colon + 1, (size_t)(end - colon - 1)))
        return false;
    long number = strtol(port, NULL, 10);
    return number > 0 && number <= UINT16_MAX;
}

static bool resolve(const char *host, const char *port, struct gm_address *a, char *why,
                    size_t size) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list;
    int err = getaddrinfo(host, port, &hints, &list);
    if (err) {
        snprintf(why, size, "the job server %s cannot be found: %s", host, gai_strerror(err));
        return false;
    }
    a->nways = 0;
    for (const struct addrinfo *i = list; i && a->nways < GM_WAYS; i = i->ai_next) {
        struct gm_way *way = &a->ways[a->nways++];
        memcpy(&way->socket, i->ai_addr, i->ai_addrlen);
        way->length = i->ai_addrlen;
    }
    snprintf(a->name, sizeof a->name, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    freeaddrinfo(list);
    return true;
}

static bool is_set_name(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n < GM_SET_MAX && name[strcspn(name, " \t\r\n/,")] == 0;
}

bool tine__gm_resolve(const char *url, struct gm_addresses *out, char *why, size_t size) {
    size_t scheme = strlen(SCHEME);
    const char *p = url + scheme, *slash;
    char host[256], port[8];
    out->n = 0;
    if (strncmp(url, SCHEME, scheme) != 0 || !(slash = strchr(p, '/')) || !is_set_name(slash + 1)) {
        snprintf(why, size, "gearman://HOST[:PORT][,HOST...]/SET is wanted, got \"%s\"", url);
        return false;
    }
    strcpy(out->set, slash + 1);
    while (p <= slash) {
        size_t n = strcspn(p, ",/");
        if (out->n == GM_SERVERS) {
            snprintf(why, size, "more than %d job servers", GM_SERVERS);
            return false;
        }
        if (n == 0 || !split(p, n, host, port)) {
            snprintf(
                why, size,
                "\"%.*s\" is no job server: HOST, HOST:PORT or [IPV6]:PORT, and a port is from 1 to 65535",
                (int)n, p);
            return false;
        }
        if (!resolve(host, port, &out->list[out->n++], why, size))
            return false;
        p += n + 1;
    }
    return true;
}

static bool is_loopback(const struct gm_way *way) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&way->socket;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&way->socket;
    if (way->socket.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

bool tine__gm_are_loopback(const struct gm_addresses *a, const char **other) {
    for (unsigned i = 0; i < a->n; i++)
        for (unsigned k = 0; k < a->list[i].nways; k++)
            if (!is_loopback(&a->list[i].ways[k])) {
                *other = a->list[i].name;
                return false;
            }
    return true;
}
