#include "api/structs.h"

#include <string.h>

#define LARGEST 4096 /* a larger size is not plausible */

bool tine__struct_read(void *ours, size_t size, const void *given, size_t least) {
    size_t theirs;
    memcpy(&theirs, given, sizeof theirs);
    if (theirs < least || theirs > LARGEST)
        return false;
    for (size_t i = size; i < theirs; i++)
        if (((const char *)given)[i]) /* a field that this version does not know is set */
            return false;
    memcpy(ours, given, theirs < size ? theirs : size);
    return true;
}

bool tine__struct_write(void *given, size_t least, void *ours, size_t size) {
    size_t theirs;
    memcpy(&theirs, given, sizeof theirs);
    if (theirs < least)
        return false;
    memcpy(ours, &theirs, sizeof theirs);
    memcpy(given, ours, theirs < size ? theirs : size);
    return true;
}
