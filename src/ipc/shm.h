/* Memory shared between processes: a memfd and one mapping of it.
**
** The submitter creates the files and seals them against shrinking, so that no other process can
** take away pages that the submitter has mapped. (A read beyond the end of a file raises SIGBUS.)
**
** A struct shm has no lock: it is used by one thread at a time.
*/
#ifndef TINE_IPC_SHM_H
#define TINE_IPC_SHM_H

#include <stdbool.h>
#include <stddef.h>

struct shm {
    int fd;     /* -1: closed, or given up after mapping */
    char *base; /* NULL: not mapped */
    size_t size;
};

#define SHM_CLOSED \
    (struct shm) { \
        -1, NULL, 0 \
    }

/* Create a file of `size` bytes and map it for reading and writing. 0 or TINE_ESYSTEM. */
int tine__shm_create(struct shm *s, const char *name, size_t size);
/* Map the first `size` bytes of a file that came from another process; the file must be at least
** that long. Takes over `fd` (closes it on failure too). 0 or TINE_ESYSTEM. */
int tine__shm_attach(struct shm *s, int fd, size_t size, bool writable);
/* Unmap and close; harmless when closed. */
void tine__shm_close(struct shm *s);

#endif
