#include "trace/json.h"

/* "00" to "99" */
static const char digits[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

char *tine__json_number(char *p, uint64_t n) {
    char text[20], *at = text + sizeof text;
    for (; n >= 100; n /= 100)
        at = memcpy(at - 2, digits + n % 100 * 2, 2);
    if (n >= 10)
        at = memcpy(at - 2, digits + n * 2, 2);
    else
        *--at = (char)('0' + n);
    size_t length = (size_t)(text + sizeof text - at);
    memcpy(p, at, length);
    return p + length;
}

/* A point, and `places` digits, an odd number. */
static char *put_fraction(char *p, uint32_t n, unsigned places) {
    *p = '.';
    for (unsigned i = places; i > 1; i -= 2, n /= 100)
        memcpy(p + i - 1, digits + (size_t)(n % 100) * 2, 2);
    p[1] = (char)('0' + n);
    return p + 1 + places;
}

char *tine__json_us(char *p, uint64_t ns) {
    return put_fraction(tine__json_number(p, ns / 1000), (uint32_t)(ns % 1000), 3);
}

char *tine__json_seconds(char *p, uint64_t ns) {
    return put_fraction(tine__json_number(p, ns / 1000000000u), (uint32_t)(ns % 1000000000u), 9);
}

/* --- strings --- */

/* The length of the UTF-8 sequence that starts here; 0: it is not valid (RFC 3629: no overlong
** form, no surrogate). */
static size_t sequence(const unsigned char *s, size_t left) {
    static const struct {
        unsigned char first, last, low, high, length;
    } kinds[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                 {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                 {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = kinds[i].length;
        if (s[0] < kinds[i].first || s[0] > kinds[i].last)
            continue;
        if (left < n || s[1] < kinds[i].low || s[1] > kinds[i].high)
            return 0;
        for (size_t k = 2; k < n; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return n;
    }
    return 0;
}

static char *put_escape(char *p, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    *p++ = '\\';
    if (c == '"' || c == '\\') {
        *p++ = (char)c;
    } else if (c == '\n') {
        *p++ = 'n';
    } else {
        p = JSON_PUT(p, "u00");
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    return p;
}

/* Are all eight bytes plain: no control character, quote, backslash, or part of something longer
** than a byte? (After Sean Anderson's Bit Twiddling Hacks: a byte that is zero, or less than n.) */
static bool is_plain(uint64_t x) {
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
    uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
    return !(((x | (x - ones * 0x20) | (x + ones) | (quote - ones) | (slash - ones)) & high));
}

static char *put_plain(char *p, const unsigned char **s, const unsigned char *end) {
    uint64_t x;
    while (end - *s >= 8 && is_plain((memcpy(&x, *s, 8), x))) {
        memcpy(p, &x, 8);
        p += 8;
        *s += 8;
    }
    return p;
}

char *tine__json_string(char *p, const char *text, size_t length) {
    const unsigned char *s = (const unsigned char *)text, *end = s + length;
    while (s < end) {
        p = put_plain(p, &s, end);
        if (s == end)
            break;
        if (*s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\') {
            *p++ = (char)*s++;
        } else if (*s < 0x80) {
            p = put_escape(p, *s++);
        } else {
            size_t n = sequence(s, (size_t)(end - s));
            if (n > 0)
                p = (char *)memcpy(p, s, n) + n;
            else
                p = JSON_PUT(p, "\\ufffd");
            s += n > 0 ? n : 1;
        }
    }
    return p;
}
