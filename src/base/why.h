/* Why: the last failure of this thread in words, where an errno says too little.
**
** The function that understands a failure calls tine__why where it returns TINE_ESYSTEM. The
** function that tells the user asks for the words, and gets those of the errno if there are none.
*/
#ifndef TINE_BASE_WHY_H
#define TINE_BASE_WHY_H

/* Keep these words for `error`; also sets errno to `error`. */
void tine__why(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forget the words; called before something that may fail. */
void tine__why_clear(void);
/* The words kept since then, for any error; "": none. Valid until this thread's next tine__why. */
const char *tine__why_said(void);
/* The words kept for `error` since then, or strerror's. Valid until this thread's next
** tine__why. */
const char *tine__why_text(int error);
/* The same for a call that has failed with this code, and this errno if that is TINE_ESYSTEM. */
const char *tine__why_failed(int code, int error);

#endif
