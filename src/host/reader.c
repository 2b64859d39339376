/* Reader: splits what comes from a descriptor into records, each with its separator at the end.
**
** A record is a line, or ends with another byte, or is a CSV record (`columns`, host/csv.h).
** Reading and splitting are separate, so that a block of records can be taken while more is
** awaited.
*/
#include "host/cli.h"
#include "host/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <lauxlib.h>

#define READER "tine.cli.host.reader"

struct reader {
    int fd;
    char separator;
    bool is_csv;
    bool mark_due;  /* a byte order mark may still come (CSV) */
    struct csv csv; /* its state at `seen` */
    char *data;
    size_t from, len, size; /* data[from .. len) was not taken yet */
    size_t seen;            /* no record ends before this offset */
};

static struct reader *check_reader(lua_State *L) {
    return luaL_checkudata(L, 1, READER);
}

static void check_columns(lua_State *L, int arg, struct csv *c) {
    size_t length;
    const char *separator = luaL_checklstring(L, arg, &length);
    luaL_argcheck(L, csv_init(c, separator, length), arg, "no separator of columns");
}

/* reader(fd, separator [, columns]): `columns` is the separator between fields of CSV */
static int reader_new(lua_State *L) {
    int fd = (int)luaL_checkinteger(L, 1);
    /* "\0" is an empty C string, and gives the byte 0. */
    const char *separator = luaL_checkstring(L, 2);
    lua_settop(L, 3);
    struct reader *r = lua_newuserdatauv(L, sizeof *r, 0);
    bool is_csv = !lua_isnoneornil(L, 3);
    *r = (struct reader){.fd = fd, .separator = separator[0], .is_csv = is_csv, .mark_due = is_csv};
    if (r->is_csv)
        check_columns(L, 3, &r->csv);
    luaL_setmetatable(L, READER);
    return 1;
}

static int reader_gc(lua_State *L) {
    struct reader *r = check_reader(L);
    free(r->data);
    r->data = NULL;
    r->from = r->len = r->size = 0;
    return 0;
}

/* Make room for `more` bytes, dropping what was taken. */
static bool make_room(struct reader *r, size_t more) {
    if (r->from > 0) {
        memmove(r->data, r->data + r->from, r->len - r->from);
        r->seen -= r->from;
        r->len -= r->from;
        r->from = 0;
    }
    if (r->size - r->len >= more)
        return true;
    size_t size = r->size * 2 > r->len + more ? r->size * 2 : r->len + more;
    char *data = realloc(r->data, size);
    if (!data)
        return false;
    r->data = data;
    r->size = size;
    return true;
}

/* Some spreadsheets write a byte order mark before UTF-8, which is not part of the first field. It
** may come in up to three reads; nothing is taken before it is known whether there is one. */
static void drop_mark(struct reader *r) {
    static const char MARK[] = {'\xef', '\xbb', '\xbf'};
    size_t n = r->len < sizeof MARK ? r->len : sizeof MARK;
    bool is_mark = n > 0 && memcmp(r->data, MARK, n) == 0;
    if (is_mark && n == sizeof MARK) {
        r->from = r->seen = n;
        csv_reset(&r->csv);
    }
    r->mark_due = n == 0 || (is_mark && n < sizeof MARK);
}

/* reader:fill(bytes) -> true, or false at the end: read once, at most this many bytes */
static int reader_fill(lua_State *L) {
    struct reader *r = check_reader(L);
    size_t wanted = (size_t)luaL_checkinteger(L, 2);
    if (r->size - r->len < wanted && !make_room(r, wanted))
        return luaL_error(L, "not enough memory");
    ssize_t n = read(r->fd, r->data + r->len, wanted);
    if (n == -1 && errno != EINTR && errno != EAGAIN)
        return luaL_fileresult(L, 0, NULL);
    r->len += n > 0 ? (size_t)n : 0;
    if (r->mark_due)
        drop_mark(r);
    lua_pushboolean(L, n != 0);
    return 1;
}

/* reader:buffered() -> bytes that were not taken yet */
static int reader_buffered(lua_State *L) {
    struct reader *r = check_reader(L);
    lua_pushinteger(L, (lua_Integer)(r->len - r->from));
    return 1;
}

/* Move `seen` behind the end of its record. False: the end is not there yet. */
static bool next_end(struct reader *r) {
    if (r->seen == r->len)
        return false; /* before the first read `data` is NULL */
    if (r->is_csv)
        return csv_next(&r->csv, r->data, &r->seen, r->len);
    const char *end = memchr(r->data + r->seen, r->separator, r->len - r->seen);
    r->seen = end ? (size_t)(end - r->data) + 1 : r->len;
    return end != NULL;
}

static lua_Integer count_newlines(const char *text, size_t len) {
    lua_Integer n = 0;
    for (const char *end = text + len; (text = memchr(text, '\n', (size_t)(end - text))); text++)
        n++;
    return n;
}

/* Push everything before `end`, with a separator added if the input has ended without one. */
static void push_taken(lua_State *L, struct reader *r, size_t end, bool whole) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addlstring(&b, r->data + r->from, end - r->from);
    if (!whole)
        luaL_addchar(&b, r->separator);
    luaL_pushresult(&b);
    r->from = end;
}

/* Forget how far records were looked for. */
static void rewind_reader(struct reader *r) {
    r->seen = r->from;
    csv_reset(&r->csv);
}

/* reader:take(records, bytes, ended, full) -> text, records, lines, open, added: take at most
** `records` records, none of which begins after `bytes` bytes. Returns nothing if no record is
** complete, or with `full` if there is room for more. `ended`: the rest is a record even without a
** separator, which is `added`; its quotes may still be `open`. */
static int reader_take(lua_State *L) {
    struct reader *r = check_reader(L);
    lua_Integer wanted = luaL_checkinteger(L, 2), records = 0;
    size_t bytes = (size_t)luaL_checkinteger(L, 3), start = r->from, end = start;
    while (records < wanted && end - start < bytes && next_end(r)) {
        end = r->seen;
        records++;
    }
    bool whole = true, open = false;
    if (lua_toboolean(L, 5) && !lua_toboolean(L, 4) && records < wanted && end - start < bytes) {
        rewind_reader(r);
        return 0;
    }
    if (lua_toboolean(L, 4) && (records == 0 || !r->is_csv) && records < wanted &&
        end - start < bytes && r->len > end) {
        whole = false;
        end = r->seen = r->len;
        open = r->csv.state == CSV_QUOTED;
        records++;
        csv_reset(&r->csv);
    }
    if (records == 0)
        return 0;
    push_taken(L, r, end, whole);
    lua_pushinteger(L, records);
    lua_pushinteger(L, r->is_csv ? count_newlines(r->data + start, end - start) + !whole : records);
    lua_pushboolean(L, open);
    lua_pushboolean(L, !whole);
    return 5;
}

/* csv_end(text, start, columns) -> where the CSV record that begins at `start` ends (its newline),
** or nil */
static int csv_end(lua_State *L) {
    struct csv csv;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    size_t at = (size_t)luaL_checkinteger(L, 2) - 1;
    check_columns(L, 3, &csv);
    if (at >= length || !csv_next(&csv, text, &at, length))
        return 0;
    lua_pushinteger(L, (lua_Integer)at);
    return 1;
}

void add_reader(lua_State *L) {
    static const luaL_Reg methods[] = {{"fill", reader_fill},
                                       {"take", reader_take},
                                       {"buffered", reader_buffered},
                                       {"__gc", reader_gc},
                                       {NULL, NULL}};
    luaL_newmetatable(L, READER);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, reader_new);
    lua_setfield(L, -2, "reader");
    lua_pushcfunction(L, csv_end);
    lua_setfield(L, -2, "csv_end");
}
