/* The store, from both sides in one process. */
#include "store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/shm.h"
#include "store/blob.h"

#define START 4096u
#if defined(__SANITIZE_THREAD__) /* all takes ten times as long */
#define ROUNDS 4000
#define LONG 30000
#else
#define ROUNDS 20000
#define LONG 300000
#endif

static struct shm file;
static struct heap *writer, *reader;
static struct store *store;

static void open_all(void) {
    CHECK_EQ(tine__shm_create(&file, "heap", START), 0);
    struct heap_directory *dir = (struct heap_directory *)file.base;
    CHECK_EQ(tine__heap_create(&writer, dir, file.fd, START), 0);
    CHECK_EQ(tine__heap_attach(&reader, dir, file.fd, false), 0);
    CHECK_EQ(tine__store_open(&store, writer, false), 0);
}

static void close_all(void) {
    tine__store_close(store);
    tine__heap_destroy(reader);
    tine__heap_destroy(writer);
    tine__shm_close(&file);
}

static struct codec_code code_of(const char *bytes) {
    return (struct codec_code){bytes, strlen(bytes), tine__hash(bytes, strlen(bytes))};
}

static const struct codec_stored *put(const char *bytes, const char *name, int line) {
    const struct codec_code code = code_of(bytes);
    return tine__store_put(store, &code, &(struct codec_origin){name, "a.lua", line});
}

static void is_there(const struct codec_stored *s, const char *bytes, const char *name) {
    struct codec_code code;
    struct codec_origin origin;
    CHECK(tine__store_find(reader, s->id, &code, &origin));
    CHECK_EQ(code.len, strlen(bytes));
    CHECK(memcmp(code.bytes, bytes, code.len) == 0);
    CHECK_EQ(code.hash, tine__hash(bytes, code.len));
    CHECK(!strcmp(origin.name, name) && !strcmp(origin.source, "a.lua"));
}

static void same_content_is_there_once(void) {
    open_all();
    const struct codec_stored *a = put("code", "f", 1), *b = put("code", "f", 1);
    CHECK(a && a == b && a->id);
    CHECK(put("code", "f", 2) != a);
    CHECK(put("code", "g", 1) != a);
    CHECK(put("cody", "f", 1) != a);
    CHECK_EQ(tine__store_count(store), 4);
    is_there(a, "code", "f");
    tine__store_drop(store, a);
    is_there(b, "code", "f");
    CHECK_EQ(tine__store_count(store), 4);
    tine__store_drop(store, b);
    CHECK_EQ(tine__store_count(store), 3);
    close_all();
}

static void functions_without_code(void) {
    struct codec_code code;
    struct codec_origin origin;
    open_all();
    const struct codec_stored *s = tine__store_put(store, &(struct codec_code){0},
                                                   &(struct codec_origin){"string.rep", "[C]", 0});
    CHECK(s && s->id && !s->code.bytes);
    CHECK(tine__store_find(reader, s->id, &code, &origin));
    CHECK(!code.bytes && !strcmp(origin.source, "[C]"));
    close_all();
}

static void calls_hold_what_they_name(void) {
    struct store_refs refs = {0};
    const struct codec_stored *s[50];
    char text[32];
    open_all();
    CHECK_EQ(store_callee(&refs), 0);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "code %d", i);
        CHECK((s[i] = put(text, "f", i)) != NULL);
        CHECK_EQ(tine__store_hold(&refs, s[i]), 0);
        tine__store_drop(store, s[i]); /* its codec has forgotten it */
    }
    CHECK_EQ(store_callee(&refs), s[0]->id);
    CHECK_EQ(tine__store_count(store), 50);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "code %d", i);
        is_there(s[i], text, "f");
        CHECK(put(text, "f", i) == s[i]);
        tine__store_drop(store, s[i]);
    }
    tine__store_release(store, &refs);
    CHECK_EQ(tine__store_count(store), 0);
    CHECK_EQ(refs.n, 0);
    tine__store_release(store, &refs);
    close_all();
}

/* A worker that comes too late with an id, or with one out of a damaged message, finds nothing, also when
** another function lies there by now. */
static void an_id_is_of_one_function_for_ever(void) {
    open_all();
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        const struct codec_stored *s = put(i % 2 ? "odd" : "even", "f", 1);
        uint64_t id = s->id;
        CHECK(id != last);
        CHECK(!last || !tine__store_find(reader, last, NULL, NULL));
        is_there(s, i % 2 ? "odd" : "even", "f");
        CHECK(!tine__store_find(reader, id + ((uint64_t)1 << BLOB_PLACE_BITS), NULL, NULL));
        CHECK(!tine__store_find(reader, id + 1, NULL, NULL));
        tine__store_drop(store, s);
        last = id;
    }
    CHECK(!tine__store_find(reader, 0, NULL, NULL));
    CHECK(!tine__store_find(reader, UINT64_MAX, NULL, NULL));
    struct stat st;
    CHECK_EQ(fstat(file.fd, &st), 0);
    CHECK_LE(st.st_blocks, 64); /* the same place over and over */
    close_all();
}

static void many(void) {
    enum { N = 20000 };
    static const struct codec_stored *s[N];
    char text[32];
    open_all();
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "this is code number %d", i);
        CHECK((s[i] = put(text, "f", i)) != NULL);
    }
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "this is code number %d", i);
        is_there(s[i], text, "f");
        CHECK(put(text, "f", i) == s[i]);
        tine__store_drop(store, s[i]);
        tine__store_drop(store, s[i]);
    }
    CHECK_EQ(tine__store_count(store), 0);
    close_all();
}

/* A value that names these two; NULL: one less. */
static const struct codec_stored *value_of(const struct codec_stored *a,
                                           const struct codec_stored *b) {
    char bytes[STORE_VALUE_HEAD + 1] = "";
    struct store_refs refs = {0};
    uint64_t block = 0;
    if (a)
        CHECK_EQ(tine__store_hold(&refs, a), 0);
    if (b)
        CHECK_EQ(tine__store_hold(&refs, b), 0);
    const struct codec_stored *made = tine__store_value(store, &block, bytes, sizeof bytes, &refs);
    CHECK(made != NULL);
    return made;
}

/* *value is dropped for this one. */
static void replace(const struct codec_stored **value, const struct codec_stored *by) {
    tine__store_drop(store, *value);
    *value = by;
}

/* Of `value`: how many blobs it leads to, itself included. */
static size_t reach_of(const struct codec_stored *value, uint64_t id) {
    struct store_refs refs = {0};
    struct store_reach r;
    CHECK_EQ(tine__store_hold(&refs, value), 0);
    CHECK_EQ(tine__store_reach(&refs, &r), 0);
    size_t n = r.n;
    CHECK_EQ(tine__store_reached(&r, id)->id, id);
    CHECK(!tine__store_reached(&r, 1));
    CHECK_EQ(tine__store_named(value, id)->id, id);
    CHECK(!tine__store_named(value, 1));
    tine__store_reach_free(&r);
    tine__store_release(store, &refs);
    return n;
}

/* It was found by recursion, and along each way: the one ended the program, the other did not end. */
static void values_that_name_others(void) {
    open_all();
    const struct codec_stored *a = value_of(NULL, NULL), *b;
    uint64_t id = a->id;
    for (int i = 1; i < LONG; i++)
        replace(&a, value_of(a, NULL));
    CHECK_EQ(reach_of(a, id), LONG);
    replace(&a, value_of(NULL, NULL));
    b = value_of(NULL, NULL);
    id = b->id;
    for (int i = 1; i < 60; i++) {
        const struct codec_stored *next = value_of(a, b);
        replace(&b, value_of(a, b));
        replace(&a, next);
    }
    CHECK_EQ(reach_of(a, id), 119);
    tine__store_drop(store, a);
    tine__store_drop(store, b);
    CHECK_EQ(tine__store_count(store), 0);
    close_all();
}

static void blocks_for_calls(void) {
    uint64_t block = 0;
    size_t capacity;
    char *p;
    open_all();
    CHECK_EQ(tine__store_grow(store, &block, 0, 1000, &p, &capacity), 0);
    CHECK_LE(1000, capacity);
    memset(p, 'x', 1000);
    CHECK_EQ(tine__store_grow(store, &block, 1000, 1 << 20, &p, &capacity), 0);
    CHECK_EQ(p[999], 'x');
    CHECK(tine__store_free(store, block));
    CHECK(tine__store_tidy(store, tine__now()) != 0);
    CHECK_EQ(tine__store_tidy(store, tine__now() + 2 * HEAP_REST), 0);
    /* the program may have a file of that number from now on */
    tine__store_retire(store);
    block = 0;
    CHECK_EQ(tine__store_grow(store, &block, 0, 1000, &p, &capacity), 0);
    tine__store_free(store, block);
    block = 0;
    CHECK_EQ(tine__store_grow(store, &block, 0, 64 << 20, &p, &capacity), TINE_ESHUTDOWN);
    CHECK_EQ(block, 0);
    close_all();
}

/* Threads put, hold and drop the same few functions: each finds what it holds, and none is left. */
static void *run(void *arg) {
    unsigned long long seed = (uintptr_t)arg;
    char text[16];
    for (int i = 0; i < ROUNDS; i++) {
        struct store_refs refs = {0};
        snprintf(text, sizeof text, "code %d", (int)(check_random(&seed) % 7));
        const struct codec_stored *s = put(text, "f", 1);
        CHECK(s);
        CHECK_EQ(tine__store_hold(&refs, s), 0);
        tine__store_drop(store, s);
        CHECK(memcmp(s->code.bytes, text, strlen(text)) == 0);
        tine__store_release(store, &refs);
    }
    return NULL;
}

static void threads(void) {
    pthread_t t[4];
    open_all();
    for (uintptr_t i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, run, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CHECK_EQ(tine__store_count(store), 0);
    close_all();
}

#ifdef TINE_FAULTS
/* Everything that can fail does, one after the other: nothing is lost or half done. */
static bool body(void) {
    struct store_refs refs = {0};
    bool good = true;
    for (int i = 0; i < 100 && good; i++) {
        char text[32];
        snprintf(text, sizeof text, "code %d", i);
        const struct codec_stored *s = put(text, "f", i);
        good = s && s->id && tine__store_hold(&refs, s) == 0;
        if (s)
            tine__store_drop(store, s);
    }
    tine__store_release(store, &refs);
    CHECK_EQ(tine__store_count(store), 0);
    return good;
}

static void failures(void) {
    char spec[64];
    unsigned struck = 1;
    for (int n = 1; struck; n++) {
        open_all();
        snprintf(spec, sizeof spec, "all:%d:ENOMEM:1", n);
        tine__fault_set(spec);
        bool good = body();
        struck = (unsigned)tine__fault_struck();
        tine__fault_set(NULL);
        CHECK(good || struck);
        CHECK(body());
        close_all();
    }
}
#else
static void failures(void) {
}
#endif

int main(void) {
    same_content_is_there_once();
    functions_without_code();
    calls_hold_what_they_name();
    an_id_is_of_one_function_for_ever();
    many();
    values_that_name_others();
    blocks_for_calls();
    threads();
    failures();
    return 0;
}
