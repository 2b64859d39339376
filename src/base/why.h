/* Why: the last failure of this thread in words, where an errno says too little.
**
** Who understands a failure says so at the place where it returns TINE_ESYSTEM; who tells the user asks for
** the words, and gets those of the errno when there are none.
*/
#ifndef TINE_BASE_WHY_H
#define TINE_BASE_WHY_H

/* Sets errno to `error`, too. */
void tine__why(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forget what was said: at the start of what may fail. */
void tine__why_clear(void);
/* What was said since then, of whatever; "": nothing. Good as long as the next one. */
const char *tine__why_said(void);
/* What was said of `error` since then, or strerror's text. Good until this thread's next tine__why. */
const char *tine__why_text(int error);

#endif
