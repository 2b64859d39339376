#include "base/stream.h"

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>

#define STREAM_LINE ((size_t)64)

static void stream_line(__m128i *to, const __m128i *from) {
    __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);
    __m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);
    _mm_stream_si128(to, a);
    _mm_stream_si128(to + 1, b);
    _mm_stream_si128(to + 2, c);
    _mm_stream_si128(to + 3, d);
}

void tine__stream(void *to, const void *from, size_t n) {
    char *out = to;
    const char *in = from;
    size_t first = -(uintptr_t)out % STREAM_LINE;
    if (first > n)
        first = n;
    memcpy(out, in, first);
    out += first, in += first, n -= first;
    for (; n >= STREAM_LINE; out += STREAM_LINE, in += STREAM_LINE, n -= STREAM_LINE)
        stream_line((__m128i *)out, (const __m128i *)in);
    _mm_sfence(); /* streaming stores are not ordered */
    memcpy(out, in, n);
}
#else
void tine__stream(void *to, const void *from, size_t n) {
    memcpy(to, from, n);
}
#endif
