/* Fork servers and workers, seen from the submitter's side. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "worker/root.h"
#include "worker/submitter.h"

static const struct setup plain;

/* One pool, one worker, at its task loop. */
static void open_one(struct submitter *s, const struct setup *setup) {
    submitter_open(s, setup);
    submitter_up(s);
    submitter_start(s, 1);
    CHECK(submitter_record(s, 1).kind == RECORD_READY);
}

static void test_whole_way(void) {
    struct submitter s;
    open_one(&s, &plain);
    uint64_t id = submitter_put1(&s, "function(x) return x .. '!', 7, nil end", "hello");
    struct record r = submitter_record(&s, 1);
    CHECK(r.kind == RECORD_VALUES && r.id == id && r.ref == id && r.spent > 0);
    CHECK(lua_gettop(s.L) == 3);
    CHECK(!strcmp(lua_tostring(s.L, 1), "hello!") && lua_tointeger(s.L, 2) == 7);
    submitter_close(&s);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"whole_way", test_whole_way},
    };
    alarm(60);
    CHECK(tine__root_take() == 0);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (argc < 2 || !strcmp(argv[1], tests[i].name)) {
            fprintf(stderr, "%s\n", tests[i].name);
            tests[i].run();
        }
    return 0;
}
