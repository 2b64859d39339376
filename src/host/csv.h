/* Finding the ends of CSV records (RFC 4180): newlines that are not quoted.
**
** Quotes open a field only at its beginning; anywhere else they are ordinary text, as in `5"
** pipe,3`. (map/columns.lua splits records into fields by the same rule.)
*/
#ifndef TINE_HOST_CSV_H
#define TINE_HOST_CSV_H

#include <stdbool.h>
#include <stddef.h>

#define CSV_SEPARATOR 16 /* most bytes */

enum csv_state {
    CSV_START,
    CSV_PLAIN,
    CSV_QUOTED,
    CSV_QUOTE
}; /* state inside a field; CSV_QUOTE: after a quote, perhaps of a pair */

struct csv {
    char separator[CSV_SEPARATOR]; /* between fields */
    size_t length;
    enum csv_state state;
    size_t plain; /* unquoted bytes of the field so far */
};

/* False: the separator is empty or too long. */
bool csv_init(struct csv *c, const char *separator, size_t length);

/* Advance *at behind the end of the record. False: it does not end before `end`; call again with
** more data. */
bool csv_next(struct csv *c, const char *data, size_t *at, size_t end);

/* Begin a new record. */
void csv_reset(struct csv *c);

#endif
