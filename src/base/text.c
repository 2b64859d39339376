#include "base/text.h"

#include <string.h>
#include "base/sys.h"

char *tine__text_copy_n(const char *bytes, size_t length) {
    char *copy = sys.malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *tine__text_copy(const char *text) {
    return text ? tine__text_copy_n(text, strlen(text)) : NULL;
}
