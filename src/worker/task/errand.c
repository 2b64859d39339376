#include "worker/task/errand.h"

#include "worker/process/output.h"
#include "worker/process/process.h"

bool tine__errand_run(struct run *r, const struct errand_call *c, struct buf *out) {
    const struct run_call call = {.function = c->function,
                                  .function_len = c->function_len,
                                  .arguments = c->arguments,
                                  .arguments_len = c->arguments_len,
                                  .names = c->names,
                                  .nnames = c->nnames,
                                  .quiet = true};
    enum record_kind kind = tine__run(r, &call, out);
    if (kind == RECORD_REFUSED)
        tine__run_text(r, out);
    if (kind == RECORD_VALUES)
        out->len = 0;
    return kind == RECORD_VALUES;
}

void tine__errands_run(struct loop *l) {
    struct channel *ch = l->channel;
    struct errand_call c;
    uint64_t number;
    while ((number = ch->errand(ch, &c)) != 0) {
        tine__errand_run(&l->run, &c, ch->reply(ch));
        if (loop_is_forked(l))
            tine__process_exit(0);
        tine__output_flush();
        ch->say(ch, RECORD_RAN, number, 0);
    }
}
