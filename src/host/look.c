/* Looking at the pools of other programs (pool/show.h), for `tine top`. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <lauxlib.h>
#include <msgpack.h>

#include "base/abstract.h"
#include "host/cli.h"
#include "pool/show.h"

#define PATIENCE 3000    /* ms: a manager thread answers at once, a worker within a second */
#define MOST (64u << 20) /* most bytes of an answer */
#define DEEPEST 16

/* --- requests --- */

static int connect_to(const char *name) {
    struct sockaddr_un at;
    socklen_t size = abstract_address(&at, name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd != -1 && connect(fd, (struct sockaddr *)&at, size) == 0)
        return fd;
    int saved = errno;
    if (fd != -1)
        close(fd);
    errno = saved;
    return -1;
}

/* The process that listens on the socket, and its user: anybody may use such a name. -1: not
** known. */
static pid_t owner_of(int fd, uid_t *uid) {
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == -1)
        return -1;
    *uid = who.uid;
    return who.pid;
}

/* Receive the reply with its file. -1: errno; ECONNRESET if the pool has hung up. */
static int receive(int fd, struct show_reply *r) {
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {r, sizeof *r};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    struct pollfd p = {fd, POLLIN, 0};
    int file = -1;
    if (poll(&p, 1, PATIENCE) != 1) {
        errno = ETIMEDOUT;
        return -1;
    }
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n == sizeof *r ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&file, CMSG_DATA(c), sizeof file);
    if (file == -1 && n >= 0)
        errno = ECONNRESET;
    return file;
}

static int ask(int fd, uint32_t what, uint64_t id, struct show_reply *r) {
    const struct show_request q = {.magic = SHOW_MAGIC, .what = what, .id = id};
    if (send(fd, &q, sizeof q, MSG_NOSIGNAL) != sizeof q)
        return -1;
    return receive(fd, r);
}

/* --- answers --- */

/* Push plain data; the bytes are not trusted. */
static void push(lua_State *L, const msgpack_object *o, int depth) {
    luaL_checkstack(L, 6, "the answer");
    if (depth > DEEPEST)
        luaL_error(L, "the answer makes no sense");
    switch (o->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        lua_pushboolean(L, o->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        lua_pushinteger(L, o->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        lua_pushnumber(L, o->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        lua_pushlstring(L, o->via.str.ptr, o->via.str.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        lua_createtable(L, (int)o->via.array.size, 0);
        for (uint32_t i = 0; i < o->via.array.size; i++) {
            push(L, &o->via.array.ptr[i], depth + 1);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case MSGPACK_OBJECT_MAP:
        lua_createtable(L, 0, (int)o->via.map.size);
        for (uint32_t i = 0; i < o->via.map.size; i++) {
            if (o->via.map.ptr[i].key.type != MSGPACK_OBJECT_STR)
                continue;
            push(L, &o->via.map.ptr[i].key, depth + 1);
            push(L, &o->via.map.ptr[i].val, depth + 1);
            lua_rawset(L, -3);
        }
        break;
    default:
        lua_pushnil(L);
    }
}

static int push_message(lua_State *L) {
    push(L, lua_touserdata(L, 1), 0);
    return 1;
}

/* Function (bytes) -> value, or nil and a message. */
static int decode(lua_State *L, const char *bytes, size_t length) {
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    bool whole = msgpack_unpack_next(&u, bytes, length, NULL) == MSGPACK_UNPACK_SUCCESS &&
                 u.data.type == MSGPACK_OBJECT_MAP;
    if (whole) {
        lua_pushcfunction(L, push_message);
        lua_pushlightuserdata(L, &u.data);
        whole = lua_pcall(L, 1, 1, 0) == LUA_OK;
    }
    msgpack_unpacked_destroy(&u);
    if (whole)
        return 1;
    lua_pushnil(L);
    lua_pushliteral(L, "the answer makes no sense: it may be of another version of Tine");
    return 2;
}

/* The file is read, not mapped, since its owner could truncate a mapped file. */
static int read_answer(lua_State *L, int file, const struct show_reply *r) {
    if (memcmp(r->magic, SHOW_MAGIC, sizeof r->magic) != 0 || r->length > MOST) {
        close(file);
        return decode(L, "", 0);
    }
    char *bytes = lua_newuserdatauv(L, r->length ? r->length : 1, 0);
    size_t have = 0;
    ssize_t n = 1;
    while (have < r->length && (n = pread(file, bytes + have, r->length - have, (off_t)have)) > 0)
        have += (size_t)n;
    close(file);
    return decode(L, bytes, have);
}

/* look(name [, task]) -> what the pool with this socket tells about itself, or about the place of a
** task; and the pid of its program. nil, message, errno; EPERM: it belongs to another user. */
static int cli_look(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    struct show_reply r = {0};
    uid_t uid = 0;
    int fd = connect_to(name);
    pid_t pid = fd == -1 ? -1 : owner_of(fd, &uid);
    int file = -1;
    if (pid != -1 && geteuid() != 0 && uid != geteuid())
        errno = EPERM;
    else if (pid != -1)
        file = lua_isnoneornil(L, 2)
                   ? ask(fd, SHOW_STATE, 0, &r)
                   : ask(fd, SHOW_PLACE_OF, (uint64_t)luaL_checkinteger(L, 2), &r);
    int saved = errno;
    if (fd != -1)
        close(fd);
    errno = saved;
    if (file == -1)
        return luaL_fileresult(L, 0, NULL);
    int results = read_answer(L, file, &r);
    if (results == 1)
        lua_pushinteger(L, pid);
    return results == 1 ? 2 : results;
}

/* owner(name) -> the pid of the program with this socket, without a request; nil */
static int cli_owner(lua_State *L) {
    uid_t uid;
    int fd = connect_to(luaL_checkstring(L, 1));
    if (fd == -1)
        return luaL_fileresult(L, 0, NULL);
    lua_pushinteger(L, (lua_Integer)owner_of(fd, &uid));
    close(fd);
    return 1;
}

/* user() -> the effective user id */
static int cli_user(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)geteuid());
    return 1;
}

void add_look(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"look", cli_look}, {"owner", cli_owner}, {"user", cli_user}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
