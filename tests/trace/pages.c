/* What a trace is written with: JSON, and pages of a file. */
#include "trace/pages.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"
#include "trace/json.h"

/* --- JSON --- */

static void check_number(char *(*put)(char *, uint64_t), uint64_t n, const char *text) {
    char out[64];
    *put(out, n) = '\0';
    CHECK(strcmp(out, text) == 0);
}

static void numbers(void) {
    check_number(tine__json_number, 0, "0");
    check_number(tine__json_number, 7, "7");
    check_number(tine__json_number, 10, "10");
    check_number(tine__json_number, 100, "100");
    check_number(tine__json_number, 12345, "12345");
    check_number(tine__json_number, UINT64_MAX, "18446744073709551615");
    check_number(tine__json_us, 0, "0.000");
    check_number(tine__json_us, 1002, "1.002");
    check_number(tine__json_us, 999, "0.999");
    check_number(tine__json_us, UINT64_MAX, "18446744073709551.615");
    check_number(tine__json_seconds, 1, "0.000000001");
    check_number(tine__json_seconds, 61234567890u, "61.234567890");
}

static void check_string(const char *given, size_t n, const char *text) {
    char out[512];
    for (size_t before = 0; before < 9; before++) { /* wherever it lies in a word */
        char bytes[256], wanted[512];
        memset(bytes, 'x', before);
        memset(wanted, 'x', before);
        memcpy(bytes + before, given, n);
        strcpy(wanted + before, text);
        *tine__json_string(out, bytes, before + n) = '\0';
        CHECK(strcmp(out, wanted) == 0);
    }
}

static void strings(void) {
    check_string("", 0, "");
    check_string("plain text of some length, (a.lua:3) #5", 39,
                 "plain text of some length, (a.lua:3) #5");
    check_string("\"\\\n\0\x1f\x7f", 6, "\\\"\\\\\\n\\u0000\\u001f\\u007f");
    check_string("\xc3\xa9\xf0\x9f\x98\x80", 6, "\xc3\xa9\xf0\x9f\x98\x80");
    check_string("\xff", 1, "\\ufffd");
    check_string("\xc3", 1, "\\ufffd");                                  /* cut off */
    check_string("\xc0\x80", 2, "\\ufffd\\ufffd");                       /* longer than need be */
    check_string("\xed\xa0\x80", 3, "\\ufffd\\ufffd\\ufffd");            /* a surrogate */
    check_string("\xf4\x90\x80\x80", 4, "\\ufffd\\ufffd\\ufffd\\ufffd"); /* beyond the last one */
}

/* --- pages --- */

static char name[] = "/tmp/tine-pages-XXXXXX";
static char text[1u << 20];

static size_t read_back(void) {
    int fd = open(name, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    CHECK(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

static int open_again(void) {
    int fd = tine__fd_open(name, O_WRONLY);
    CHECK(fd != -1);
    return fd;
}

/* Events of all lengths, flushed at random: none but those that are longer than a page lies across a border of two, and
** nothing is lost. */
static void no_event_is_across_a_border(void) {
    static char event[3 * PAGES_SIZE];
    static struct pages p;
    unsigned long long seed = 5;
    CHECK_EQ(tine__pages_open(&p, open_again(), true), 0);
    size_t lengths[300], n = 0;
    for (; n < 300; n++) {
        size_t length = 2 + check_random(&seed) % (n % 50 == 0 ? sizeof event - 2 : 400);
        if (n % 7 == 0) /* to the border */
            length = PAGES_SIZE - (p.at + p.n) % PAGES_SIZE;
        length = length < 4 ? 4 : length;
        memset(event, 'a' + (int)(n % 26), length);
        event[0] = '<', event[length - 1] = '>';
        tine__pages_put(&p, event, length);
        lengths[n] = length;
        if (check_random(&seed) % 3 == 0)
            tine__pages_flush(&p);
    }
    tine__pages_close(&p);
    CHECK_EQ(read_back(), tine__pages_length(&p));
    const char *at = text;
    CHECK(*at == '[');
    for (size_t i = 0; i < n; i++) {
        const char *first = strchr(at, '<'), *last = first ? strchr(first, '>') : NULL;
        CHECK(first && last);
        CHECK_EQ(last - first + 1, lengths[i]);
        CHECK(lengths[i] + 2 > PAGES_SIZE ||
              (size_t)(first - text) / PAGES_SIZE == (size_t)(last - text) / PAGES_SIZE);
        CHECK(i == 0 || strspn(at, " ,\n") == (size_t)(first - at));
        at = last + 1;
    }
    CHECK(strcmp(at, "\n]\n") == 0);
}

static void gone_on_with(void) {
    static struct pages p;
    CHECK_EQ(tine__pages_open(&p, open_again(), true), 0);
    tine__pages_put(&p, "{1}", 3);
    tine__pages_close(&p);
    CHECK_EQ(tine__pages_reopen(&p, open_again()), 0);
    tine__pages_put(&p, "{2}", 3);
    tine__pages_close(&p);
    read_back();
    CHECK(strcmp(text, "[\n{1},\n{2}\n]\n") == 0);
}

static void fails(void) {
    static struct pages p;
    CHECK_EQ(tine__pages_open(&p, tine__fd_open("/dev/full", O_WRONLY), false), 0);
    for (int i = 0; i < 2000; i++)
        tine__pages_put(&p, "{1}", 3);
    CHECK_EQ(atomic_load(&p.error), ENOSPC);
    tine__pages_close(&p);
}

int main(void) {
    numbers();
    strings();
    close(mkstemp(name));
    no_event_is_across_a_border();
    gone_on_with();
    unlink(name);
    fails();
    return 0;
}
