/* Shorten a history that fails: drop steps and lower numbers as long as it still fails. */
#include <string.h>
#include "sim.h"

/* Keep the change if the history still fails. */
static bool keep(struct history *h, const struct history *changed) {
    if (!history_run(changed))
        return false;
    *h = *changed;
    return true;
}

static bool drop(struct history *h, unsigned from, unsigned n) {
    struct history c = *h;
    memmove(c.steps + from, c.steps + from + n, (c.n - from - n) * sizeof *c.steps);
    c.n -= n;
    return keep(h, &c);
}

static bool drop_steps(struct history *h) {
    bool any = false;
    for (unsigned n = h->n; n > 0; n /= 2)
        for (unsigned from = 0; from + n <= h->n;)
            if (drop(h, from, n))
                any = true;
            else
                from++;
    return any;
}

/* Lower the number at this offset in the history to the least with which it fails. */
static bool lower(struct history *h, size_t at, uint8_t least) {
    const uint8_t now = ((uint8_t *)h)[at];
    for (uint8_t v = least; v < now; v++) {
        struct history c = *h;
        ((uint8_t *)&c)[at] = v;
        if (keep(h, &c))
            return true;
    }
    return false;
}

static bool lower_numbers(struct history *h) {
    bool any = false;
    for (unsigned i = 0; i < h->n; i++) {
        size_t at = (size_t)((char *)&h->steps[i] - (char *)h);
        any |= lower(h, at + offsetof(struct step, a), 0);
        any |= lower(h, at + offsetof(struct step, b), 0);
    }
    for (size_t i = 0; i < sizeof h->config; i++)
        any |= lower(h, offsetof(struct history, config) + i, i < 2 ? 1 : 0);
    return any;
}

void history_shrink(struct history *h) {
    bool verbose = sim_verbose;
    sim_verbose = false;
    while (drop_steps(h) || lower_numbers(h))
        ;
    sim_verbose = verbose;
}
