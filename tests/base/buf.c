/* Buffers: what is appended, and nothing. */
#include <string.h>
#include "base/buf.h"
#include "check.h"

/* A text of no bytes may be nowhere: memcpy was given the null pointer then. (A sanitizer sees it, and a compiler may
** conclude from the call that the pointer is none.) */
static void nothing_may_be_appended_from_nowhere(void) {
    struct buf b;
    tine__buf_init(&b);
    CHECK_EQ(buf_append(&b, NULL, 0), 0);
    CHECK_EQ(buf_append(&b, "ab", 2), 0);
    CHECK_EQ(buf_append(&b, NULL, 0), 0);
    CHECK_EQ(buf_append(&b, "c", 1), 0);
    CHECK(b.len == 3 && memcmp(b.data, "abc", 3) == 0);
    tine__buf_free(&b);
}

int main(void) {
    nothing_may_be_appended_from_nowhere();
    return 0;
}
