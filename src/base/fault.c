#include "base/fault.h"

#ifdef TINE_FAULTS

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"

#define MAX_ARMED 16
#define NAME_SIZE 48

/* One entry of a spec, written by the thread that arms and read by every thread that makes a call:
** `on` is stored last and read first. If an entry is armed again while it is read, it may strike
** once too often, which the header allows. */
struct armed {
    atomic_bool on;
    char role[16]; /* empty: every role */
    char name[NAME_SIZE];
    unsigned long count, times; /* times 0: for ever */
    int error;                  /* kill points: the signal */
    atomic_ulong passed;        /* kill points: how often it was reached */
};

static struct armed faults[MAX_ARMED], kills[MAX_ARMED];
/* Is any armed? As long as none is, calls are not counted: then they cost next to nothing, and do
** not order threads more than a build without faults would. */
static atomic_bool any_fault, any_kill;
static const char *_Atomic role = "host";
static atomic_ulong struck;

/* The number of calls of each name, in the order of base/sys.h, and of all. */
enum {
#define INDEX(name, result, params, args) INDEX_##name,
    TINE__SYS_CALLS(INDEX)
#undef INDEX
        INDEX_all,
    INDEX_COUNT
};
static const char *const names[] = {
#define NAME(name, result, params, args) #name,
    TINE__SYS_CALLS(NAME)
#undef NAME
        "all"};
static atomic_ulong calls[INDEX_COUNT];

static int index_of(const char *name) {
    for (int i = 0; i < INDEX_COUNT; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* --- reading a spec --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int value;
} errors[] = {
    {"EAGAIN", EAGAIN}, {"EBADF", EBADF},   {"ECONNRESET", ECONNRESET}, {"EINTR", EINTR},
    {"EINVAL", EINVAL}, {"EIO", EIO},       {"EMFILE", EMFILE},         {"ENFILE", ENFILE},
    {"ENOENT", ENOENT}, {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC},         {"ENOSYS", ENOSYS},
    {"EPERM", EPERM},   {"EPIPE", EPIPE},
};

static int error_number(const char *text) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!strcmp(errors[i].name, text))
            return errors[i].value;
    return atoi(text);
}

/* A likely error for that call. */
static int likely_error(const char *name) {
    static const char *const memory = " malloc calloc realloc mmap ftruncate ";
    static const char *const process = " fork fork_unseen posix_spawn thread_create ";
    static const char *const message = " sendmsg recvmsg ";
    char word[NAME_SIZE + 2];
    snprintf(word, sizeof word, " %s ", name);
    if (strstr(memory, word))
        return ENOMEM;
    if (strstr(process, word))
        return EAGAIN;
    return strstr(message, word) ? ECONNRESET : EMFILE;
}

/* Read one entry "[role/]name[:count[:errno[:times]]]" into *a. False: it makes no sense. */
static bool read_entry(char *text, struct armed *a, bool is_kill) {
    char *slash = strchr(text, '/'), *rest = slash ? slash + 1 : text;
    char *field[4] = {NULL, NULL, NULL, NULL};
    if (slash)
        *slash = '\0';
    for (int i = 0; i < 4; i++)
        field[i] = strsep(&rest, ":");
    if (rest || !*field[0] || strlen(field[0]) >= sizeof a->name)
        return false;
    if (!is_kill && index_of(field[0]) == -1)
        return false;
    snprintf(a->role, sizeof a->role, "%s", slash ? text : "");
    strcpy(a->name, field[0]);
    a->count = field[1] && *field[1] ? strtoul(field[1], NULL, 10) : 1;
    a->error = field[2] && *field[2] ? error_number(field[2])
               : is_kill             ? SIGKILL
                                     : likely_error(field[0]);
    a->times = field[3] && *field[3] ? strtoul(field[3], NULL, 10) : 1;
    atomic_store(&a->passed, 0);
    return a->count > 0 && a->error > 0;
}

static void disarm(struct armed *table) {
    for (int i = 0; i < MAX_ARMED; i++)
        atomic_store(&table[i].on, false);
}

static bool arm(struct armed *table, atomic_bool *any, const char *spec, bool is_kill) {
    char copy[1024], *rest = copy, *entry;
    int n = 0;
    atomic_store(any, false);
    disarm(table);
    if (snprintf(copy, sizeof copy, "%s", spec ? spec : "") >= (int)sizeof copy)
        return false;
    while ((entry = strsep(&rest, ",")) != NULL) {
        if (!*entry)
            continue;
        if (n == MAX_ARMED || !read_entry(entry, &table[n], is_kill)) {
            disarm(table);
            return false;
        }
        atomic_store(&table[n++].on, true);
    }
    atomic_store(any, n > 0);
    return true;
}

static void reset_counts(void) {
    for (int i = 0; i < INDEX_COUNT; i++)
        atomic_store(&calls[i], 0);
    atomic_store(&struck, 0);
}

/* --- what tests call -------------------------------------------------------------------------- */

bool tine__fault_set(const char *spec) {
    bool ok = arm(faults, &any_fault, spec, false);
    reset_counts();
    return ok;
}

bool tine__kill_set(const char *spec) {
    return arm(kills, &any_kill, spec, true);
}

unsigned long tine__fault_count(const char *name) {
    int i = index_of(name);
    return i == -1 ? 0 : atomic_load(&calls[i]);
}

unsigned long tine__fault_struck(void) {
    return atomic_load(&struck);
}

/* A spec that cannot be read would make a test pass that tests nothing: say so and stop. */
static void arm_from_environment(void) {
    if (tine__fault_set(getenv("TINE_FAULT")) && tine__kill_set(getenv("TINE_KILL")))
        return;
    fprintf(stderr, "TINE_FAULT or TINE_KILL cannot be read (src/base/fault.h)\n");
    abort();
}

void tine__fault_role(const char *new_role) {
    atomic_store(&role, new_role);
    arm_from_environment();
}

__attribute__((constructor)) static void start(void) {
    arm_from_environment();
}

/* --- what the wrapped calls ask --------------------------------------------------------------- */

static bool concerns(const struct armed *a, const char *name) {
    if (!atomic_load(&a->on) || (strcmp(a->name, name) != 0 && strcmp(a->name, "all") != 0))
        return false;
    return !a->role[0] || !strcmp(a->role, atomic_load(&role));
}

bool tine__fault_strikes(const char *name) {
    if (!atomic_load_explicit(&any_fault, memory_order_relaxed))
        return false;
    unsigned long own = atomic_fetch_add(&calls[index_of(name)], 1) + 1;
    unsigned long all = atomic_fetch_add(&calls[INDEX_all], 1) + 1;
    for (struct armed *a = faults; a < faults + MAX_ARMED; a++) {
        if (!concerns(a, name))
            continue;
        unsigned long nth = strcmp(a->name, "all") ? own : all;
        if (nth < a->count || (a->times && nth - a->count >= a->times))
            continue;
        atomic_fetch_add(&struck, 1);
        errno = a->error;
        return true;
    }
    return false;
}

intptr_t tine__fault_result(const char *name, bool pointer) {
    if (!strcmp(name, "mmap"))
        return (intptr_t)MAP_FAILED;
    if (!strcmp(name, "thread_create") || !strcmp(name, "posix_spawn"))
        return errno; /* these return the errno */
    return pointer ? 0 : -1;
}

void tine__kill_point(const char *name) {
    if (!atomic_load_explicit(&any_kill, memory_order_relaxed))
        return;
    for (struct armed *a = kills; a < kills + MAX_ARMED; a++)
        if (concerns(a, name) && atomic_fetch_add(&a->passed, 1) + 1 == a->count)
            kill(getpid(), a->error);
}

#endif
