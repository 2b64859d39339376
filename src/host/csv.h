/* Where a record of CSV ends (RFC 4180): at a newline that does not stand in quotes.
**
** Quotes open a field only where it begins; anywhere else they are text like any other, as in `5" pipe,3`.
** (What the fields are is map/columns.lua's, by the same rule.)
*/
#ifndef TINE_HOST_CSV_H
#define TINE_HOST_CSV_H

#include <stdbool.h>
#include <stddef.h>

#define CSV_SEPARATOR 16 /* bytes, at most */

enum csv_state {
    CSV_START,
    CSV_PLAIN,
    CSV_QUOTED,
    CSV_QUOTE
}; /* of a field; CSV_QUOTE: a second one may follow */

struct csv {
    char separator[CSV_SEPARATOR]; /* of fields */
    size_t length;
    enum csv_state state;
    size_t plain; /* bytes that the field has outside of quotes, up to here */
};

/* False when the separator is empty or too long. */
bool csv_init(struct csv *c, const char *separator, size_t length);

/* Go on from *at to behind the end of the record; false when it is not before `end`. */
bool csv_next(struct csv *c, const char *data, size_t *at, size_t end);

/* Begin with a record again. */
void csv_reset(struct csv *c);

#endif
