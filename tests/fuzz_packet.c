/* Packets of a job server, and envelopes in them, with anything in them: whatever the bytes are, they are a packet within
** the bytes, or the beginning of one, or none; and in pieces the same as in one.
**
** With -DTINE_LIBFUZZER a libFuzzer target. Else a test that damages good streams in many ways, the same for each seed:
**
**     test_machines_packet [-n streams] [-s seed]
*/
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gearman/message.h"
#include "gearman/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) \
    do { \
        if (!(condition)) \
            abort(); \
    } while (0)

/* A copy that ends where its memory ends, so that nobody looks behind it unseen. */
static char *exact(const char *bytes, size_t n) {
    char *copy = malloc(n ? n : 1);
    MUST(copy);
    memcpy(copy, bytes, n);
    return copy;
}

/* What is in it is within the bytes of the packet. */
static void check_packet(const char *bytes, size_t n, const struct gm_packet *p) {
    MUST(p->nargs <= GM_ARGS);
    for (unsigned i = 0; i < p->nargs; i++) {
        MUST(p->arg[i].p >= bytes && p->arg[i].n <= n);
        MUST(p->arg[i].p + p->arg[i].n <= bytes + n);
        tine__gm_is(p->arg[i], "QUEUE_ERROR");
    }
}

/* What hosts and submitters read out of an envelope. */
static void read_message(const char *bytes, size_t n) {
    static const struct seal_keys none;
    struct gm_about about;
    struct gm_answer a;
    struct gm_code code;
    unsigned key;
    struct buf plain;
    tine__buf_init(&plain);
    if (tine__unseal(&none, tine__gm_about(&about, KIND_ANSWERS, "f", "u", 0), bytes, n, &plain,
                     &key)) {
        struct gm_reader r = {plain.data, plain.len};
        while (tine__gm_copy(&r, &a, sizeof a) && tine__gm_take(&r, a.length))
            ;
        r = (struct gm_reader){plain.data, plain.len};
        if (tine__gm_copy(&r, &code, sizeof code)) {
            const char *name = tine__gm_take(&r, code.name);
            MUST(!name || !tine__gm_is_text(name, code.name) || strlen(name) + 1 == code.name);
        }
    }
    tine__buf_free(&plain);
}

/* How many bytes the first packet takes (0: not whole, GM_BAD), with all of them there. */
static size_t read_one(const char *bytes, size_t n) {
    struct gm_packet p;
    char *copy = exact(bytes, n);
    size_t taken = tine__gm_read(copy, n, &p);
    MUST(taken == GM_BAD || taken <= n);
    if (taken > 0 && taken != GM_BAD) {
        check_packet(copy, taken, &p);
        if (p.nargs > 0)
            read_message(p.arg[p.nargs - 1].p, p.arg[p.nargs - 1].n);
    }
    free(copy);
    return taken;
}

/* With less of it there it is not whole, or is no packet for the same reason. */
static void read_part(const char *bytes, size_t n, size_t taken, size_t part) {
    size_t early = read_one(bytes, part);
    MUST(early == 0 || early == taken || (early == GM_BAD && taken == GM_BAD));
    MUST(part >= n || taken == GM_BAD || part >= taken || early == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    size_t n = size;
    while (n > 0) {
        size_t taken = read_one(bytes, n);
        size_t whole = taken == 0 || taken == GM_BAD ? n : taken;
        for (size_t part = 0; part < whole && part < 20; part++)
            read_part(bytes, n, taken, part);
        read_part(bytes, n, taken, whole / 2);
        if (taken == 0 || taken == GM_BAD)
            break;
        bytes += taken;
        n -= taken;
    }
    return 0;
}

#ifndef TINE_LIBFUZZER

#define STREAM 4096

static uint64_t seed = 1;

static uint64_t any(uint64_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return below ? seed % below : 0;
}

#define BODY(text) text, sizeof(text) - 1

/* A packet, or a line of text, that a server could send. */
static size_t add_packet(char *at) {
    static const struct {
        unsigned char type;
        const char *body;
        size_t n;
    } some[] = {{GM_JOB_CREATED, BODY("H:host:1")},
                {GM_NOOP, BODY("")},
                {GM_NO_JOB, BODY("")},
                {GM_ERROR, BODY("QUEUE_ERROR\0full")},
                {GM_WORK_FAIL, BODY("H:host:12\0")},
                {GM_WORK_DATA, BODY("H:host:3\0P\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
                {GM_WORK_COMPLETE, BODY("H:host:3\0S0123456789")},
                {GM_JOB_ASSIGN_UNIQ, BODY("H:host:4\0f/5\0unique\0P")}};
    static const char line[] = "33 127.0.0.1 4/host : tine2/set/5.4.6-888le\n";
    size_t i = any(sizeof some / sizeof *some + 1);
    if (i == sizeof some / sizeof *some)
        return memcpy(at, line, sizeof line - 1), sizeof line - 1;
    memcpy(at, "\0RES\0\0\0", 7);
    at[7] = (char)some[i].type;
    memcpy(at + 8, "\0\0\0", 3);
    at[11] = (char)some[i].n;
    memcpy(at + GM_HEAD, some[i].body, some[i].n);
    return GM_HEAD + some[i].n;
}

static void damage(char *stream, size_t n) {
    for (uint64_t times = any(4); times > 0; times--) {
        size_t at = any(n);
        if (any(3) == 0)
            stream[at] = (char)(stream[at] ^ 1 << any(8));
        else if (any(2))
            stream[at] = (char)(any(2) ? 255 * any(2) : any(256));
        else
            stream[at] = stream[any(n)];
    }
}

int main(int argc, char **argv) {
    unsigned long streams = 20000;
    char stream[STREAM];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "-n") == 0)
            streams = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0)
            seed = strtoull(argv[i + 1], NULL, 10) * 2 + 1;
    }
    for (unsigned long i = 0; i < streams; i++) {
        size_t n = 0;
        for (uint64_t packets = 1 + any(8); packets > 0; packets--)
            n += add_packet(stream + n);
        if (i > 0)
            damage(stream, n);
        LLVMFuzzerTestOneInput((const uint8_t *)stream, any(4) ? n : any(n));
    }
    return 0;
}

#endif
