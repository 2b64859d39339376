-- lua5.4 tests/sim/mutants.lua [name ...]: does the simulator find what it is there for?
--
-- Faults are put into a copy of src/sched, one at a time: those that were once found in the policy of the pool
-- (by users, readers or the simulator), and ordinary slips. Each must be found within LIMIT histories; it is
-- told after how many. One that is not found is a check that the simulator lacks. ($CC: the compiler.)
--
-- lua5.4 tests/sim/mutants.lua --places: only whether each has its place in the source as it is now.
local LIMIT <const> = 300000
local CC <const> = os.getenv "CC" or "cc"
local FLAGS <const> = "-std=gnu11 -O1 -g -D_GNU_SOURCE -UNDEBUG -w"

local faults = {}

-- In `file` the text `from`, which is there once, becomes `to`. `seed`: of a rare history that finds it.
local function fault(name, file, from, to, seed)
    faults[#faults + 1] = { name = name, file = file, from = from, to = to, seed = seed }
end

-- --- what was once so ---

fault("answers that lay before rubbish are never settled", "report.c",
    "uint32_t begun = t->begun < t->upto ? t->begun : t->upto;",
    "uint32_t begun = t->begun < t->upto ? t->begun : t->upto;\n" ..
    "        if (begun > t->next + 1)\n            t->next = begun - 1;")
fault("what was answered before rubbish runs again", "report.c",
    "        if (begun > t->next)\n            tine__sched_end(s, t, t->next, begun, how);",
    "        if (begun == t->next + 1)\n            tine__sched_end(s, t, t->next, begun, how);")
fault("abort spins while it is too late", "stop.c",
    "    t->doom = ENDING_NONE;\n    look_again(",
    "    tine__sched_wish(s, t, ORDER_ASK);\n    look_again(")
fault("abort is done before its worker has ended", "stop.c",
    "        tine__sched_doom(s, a->worker, DOOM_TASK);",
    "        tine__sched_doom(s, a->worker, DOOM_TASK);\n" ..
    "        tine__sched_end(s, t, t->next, t->next + 1, t->doom);")
fault("the manager is busy while no worker can be started: refused by the site", "order.c",
    "        tine__sched_hold_starts(s, now + RETRY);", "        ;")
fault("the manager is busy while no worker can be started: no process", "report.c",
    "        tine__sched_no_process(s, r->error, now);", "        ;")
fault("the manager is busy while no worker can be started: until now", "order.c",
    "tine__sched_hold_starts(s, now + RETRY)", "tine__sched_hold_starts(s, now)")
fault("wake-ups for tasks that have ended", "state.c",
    "    tine__policy_unsent(t);\n    sched_clear_timer(s, t);", "    tine__policy_unsent(t);")
fault("wake-ups for what has not begun, in each limit", "stop.c",
    "        return due == TIMER_NEVER ? due : due + LOOK_REST - due % LOOK_REST;", "        return clock_after(now, limit);")
fault("wake-ups for starts that nothing holds up", "state.c",
    "    s->hold = false;\n    tine__timer_clear(&s->timers, &s->retry);", "    s->hold = false;")
fault("wake-ups in the past", "stop.c", "if (since == 0 || due <= now)", "if (since == 0)")
fault("an answer is taken that is not due", "report.c", "*k != t->next || ", "")
fault("an answer is taken from nobody", "report.c",
    "|| *k >= t->upto || !sched_is_worker(s, r->worker)", "|| *k >= t->upto")
fault("who says that it left what it cannot have come to", "report.c",
    "        if (sched_is_worker(s, r->worker))\n            tine__sched_doom(s, r->worker, DOOM_RUBBISH);\n" ..
        "        return;",
    "        return;")
fault("a wish to take back makes the limit forgotten", "order.c",
    "    else if (t->call.flags & CALL_TIMED && !t->doom)", "    else if (false)")
fault("ended by force, and crashed all the same", "report.c",
    "    if (t->doom)\n        return t->doom;", "    if (t->doom && s->life >= LIFE_STOPPING)\n" ..
        "        return t->doom;")
fault("killed for another task, and runs again", "report.c",
    "w->doom == DOOM_SLOW_EXIT) && !culprit;", "w->doom == DOOM_SLOW_EXIT);")
fault("a pool that has ended well is broken by its site's end", "report.c",
    "(s->life == LIFE_DRAINING && s->present == 0)", "false")
fault("a window that grows does not help at once", "sched.c", "        s->full = false; /* more", "        ; /* more")

fault("one attempt more than the budget", "state.c", "t->failed[kind] < t->set->retry.budget[kind]",
    "t->failed[kind] <= t->set->retry.budget[kind]")
fault("what was cancelled is tried again", "state.c", "retry.budget[kind] && !t->unrun &&", "retry.budget[kind] &&")
fault("what was aborted too late is tried again", "sched.c", "        t->unrun = ENDING_CANCELLED;", "        ;")
fault("what is late, or cancelled, is tried again", "state.c", "!t->unrun &&\n", "true &&\n")
fault("it is tried again in a pool that stops", "state.c",
    "t->doom != ENDING_CANCELLED && s->life < LIFE_STOPPING;", "t->doom != ENDING_CANCELLED;")
fault("no pause between attempts", "sched.c", "    if (ns < 1 || s->o.at_once) {", "    if (true) {")
fault("a pause beyond the longest", "sched.c", "        ns = (double)r->most;", "        ;")
fault("a pause that is never over", "sched.c", "t->wake && t->wake <= s->policy.now", "false")
fault("what is held starts workers", "sched.h", "    return s->open - s->nheld;", "    return s->open;")
fault("what is held is not cancelled by shutdown", "sched.c",
    "        if (!t->nested)\n            tine__sched_cancel(s, t);", "        (void)t;")
fault("what is held does not end with its pool", "state.c", "    while (!list_empty(&s->held)) {", "    while (false) {")

-- --- slips ---

fault("what is wished of it stays when it leaves the site", "state.c",
    "    if (t->wish)\n        tine__sched_unwish(t);\n    tine__policy_dequeue", "    tine__policy_dequeue")
fault("it stays in its line when it stops waiting", "state.c",
    "        tine__policy_remove(&s->policy, t);\n        s->waiting--;", "        s->waiting--;")
fault("no list_remove when a worker has gone", "state.c",
    "    list_remove(&w->node);\n    *w =", "    *w =")
fault("waiting is not counted down when it is withdrawn", "sched.c",
    "    tine__sched_leave(s, t);\n    tine__policy_leave(&s->policy, t);\n    sched_clear_timer(s, t);",
    "    tine__sched_leave(s, t);\n    s->waiting++;\n    tine__policy_leave(&s->policy, t);\n    sched_clear_timer(s, t);")
fault("open is not counted down", "state.c",
    "    sched_no_longer_awaited(s, t);\n    sched_close(s, t);", "    sched_no_longer_awaited(s, t);")
fault("nsent is not counted down", "state.c", "    s->nsent--;\n", "")
fault("a ref is not given back", "state.c", "    s->free_refs[s->nfree++] = t->call.ref;\n", "")
fault("a ref is given back twice", "state.c",
    "    s->nsent--;\n", "    s->nsent--;\n    if (s->nfree < s->nrefs)\n" ..
        "        s->free_refs[s->nfree++] = t->call.ref;\n")
fault("a ref is left in use", "state.c", "    s->sent[t->call.ref] = NULL;\n", "")
fault("the site stays full", "state.c", "    s->full = false;\n", "")
fault("room is not heard of", "report.c", "        s->full = false;\n", "")
fault("a refused call does not make it full", "order.c",
    "        s->full = true;\n    } else if (a->err) {", "    } else if (a->err) {")
fault("a refused call goes to the end of the line", "policy.c",
    "    t->came_back = true;\n    tine__pairing_put(&l->again, &t->again);",
    "    t->came_back = false;\n    list_push(&l->tasks, &t->node);")
fault("the line is a stack", "policy.c",
    "    list_push(&t->line->tasks, &t->node);", "    list_push_front(&t->line->tasks, &t->node);")
fault("the only line is a stack", "policy.c",
    "        list_push(&p->plain, &t->node);", "        list_push_front(&p->plain, &t->node);")
fault("those of the only line are forgotten when others come", "policy.c",
    "    list_push_all(&l->tasks, &p->plain);\n", "    list_init(&p->plain);\n")
fault("a group that was refused loses its turn", "policy.c", "    if (unspent) {", "    if (false) {")
fault("a group keeps its turn", "policy.c",
    "        list_push(&b->turns, &l->turn);\n    settle(p, l);",
    "        list_push_front(&b->turns, &l->turn);\n    settle(p, l);")
fault("groups do not take turns", "policy.c",
    "line_is(l, set->priority, set->group, set->group_len)", "line_is(l, set->priority, NULL, 0)")
fault("low priorities are first", "line.c", "x->rank > y->rank", "x->rank < y->rank")
fault("among equal ranks the younger is first", "line.c", ": x->first < y->first;", ": x->first > y->first;")
fault("priorities wrap around", "policy.c",
    "gained < (double)most ? priority + (int64_t)gained : priority + most;",
    "(int64_t)((uint64_t)priority + (uint64_t)gained);")
fault("nobody gains by waiting", "policy.c", "    return ns < p->step ? 0 : ns / p->step;", "    return ns & 0;")
fault("nothing is overtaken at the site", "order.c", "        if (by == BY_NOTHING)\n", "        if (true)\n")
fault("what comes back does not overtake", "internal.h", "    s->anew |= again && s->waiting > 0;", "    (void)again;")
fault("what gains by waiting does not overtake", "sched.c",
    "tine__policy_tick(&s->policy, now) || sched_order_due(s) <= now", "sched_order_due(s) <= now")
fault("it is not known before what one was put", "order.c",
    "    list_push(at, &t->sent);", "    list_push(&s->handed, &t->sent);")
fault("what a label was given is forgotten", "order.c", "    t->label = label;", "    ;")
fault("two have the same label", "order.c", "    return below < *label && *label < above;", "    return true;")
fault("labels have an end", "order.c",
    "    if (s->label > UINT64_MAX - GAP && list_empty(&s->handed))\n        s->label = FIRST_LABEL;\n", "")
fault("a task that has left the queue is still the last of its priority", "policy.c", "    if (b->last == t)", "    if (false)")
fault("a priority is at its place though others have groups", "policy.c", "    if (b->last && p->ngroups == 0)",
    "    if (b->last)", 349190)
fault("what was withdrawn is forgotten", "order.c",
    "        narrow(s);\n    tine__sched_unsend(s, t);\n    tine__sched_wait_again(s, t, true);",
    "        narrow(s);\n    tine__sched_unsend(s, t);")
fault("what was gained is not looked at again", "order.c", "    if (policy_is_timed(&s->policy) && order_anew(s, o))", "    if (false)")
fault("what lies at the site out of order stays there", "order.c", "    if (s->overtake && s->in_order <= s->policy.now)",
    "    if (false)")
fault("one is put before others, whose order may have changed", "order.c",
    "           s->in_order > s->policy.now && s->nfree > 0 &&", "           s->nfree > 0 &&")
fault("the order there is never known to change", "order.c", "    else if (s->policy.nlines > 1)", "    else if (false)")
fault("tasks that cross at the site wait until something else happens", "sched.h",
    "    return matters ? s->in_order : TIMER_NEVER;", "    return TIMER_NEVER;")
fault("tasks that cross at the site are not looked at when they do", "sched.c", " || sched_order_due(s) <= now", "")
fault("tasks that cross at the site stay there if nothing waits", "policy.c", "    if (all) /*", "    if (all && !policy_empty(p)) /*")
fault("whole steps between two submits are rounded down", "policy.c", "(double)((x - y - 1) / p->step + 1)",
  "(double)((x - y) / p->step)")
fault("who waits lends no rank to the queue", "policy.c", "        b->oldest = b->first ? b->since : UINT64_MAX;",
    "        b->oldest = UINT64_MAX;", 1136447)
fault("who lies further behind lends no rank", "policy.c", "        if (t->since < b->oldest)\n            b->oldest", "        b->oldest")
fault("who waits lends no rank to the end of the queue", "policy.c",
    "    b->oldest = b->first && b->since < t->since ? b->since : t->since;", "    b->oldest = t->since;")
fault("a task that is put before others crosses none of them", "order.c", "    note_order(s, t, queued(behind));\n    if",
    "    if")
fault("a task that is put before groups crosses only the next one", "order.c", "    if (tine__policy_has_groups(queued(behind)))",
    "    if (false)", 3072393)
fault("the time is not asked for", "policy.h", "return p->nbuckets > 1 && p->gain > 0;", "return false;")
fault("the urgency of a priority is that of its youngest line", "line.c",
    "return line_of(a)->first < line_of(b)->first;", "return line_of(a)->first > line_of(b)->first;")
fault("a line is forgotten while its tasks are at the site", "policy.c",
    "    if (--l->refs == 0 && l != p->recent)\n        tine__line_drop(p, l);",
    "    if (--l->refs <= 1 && l != p->recent)\n        tine__line_drop(p, l);")
fault("a deadline does not count while it waits", "sched.c",
    "    if (t->deadline != TIMER_NEVER)\n        sched_set_timer(s, t, t->deadline);\n", "")
fault("a timer that is set is not known to be", "internal.h", "    t->timed = true;\n", "")
fault("a task's timer is not cleared", "internal.h", "    if (t->timed)\n        tine__timer_clear", "    if (false)\n        tine__timer_clear")
fault("a budget is one attempt less", "state.c", "t->failed[kind] < t->set->retry.budget[kind]",
    "t->failed[kind] + 1 < t->set->retry.budget[kind]")
fault("attempts of the item before count", "sched.c", "        memset(t->failed, 0, sizeof t->failed);\n", "        (void)0;\n")
fault("a deadline does not count while it runs", "order.c", "    if (t->late && !t->doom) /*", "    if (false) /*")
fault("a deadline does not count for what comes back", "state.c",
    "    tine__sched_watch(s, t, TIMER_NEVER);\n    tine__policy_push_back", "    tine__policy_push_back")
fault("a limit makes the deadline forgotten", "state.c", "when < t->deadline ? when : t->deadline", "when")
fault("what is late is cancelled", "internal.h", "t->unrun ? t->unrun : ENDING_CANCELLED", "ENDING_CANCELLED")
fault("the window is not looked at", "order.c", "s->nsent - s->blocked >= sched_window(s) ||", "")
fault("one more than the window", "order.c", "s->nsent - s->blocked >= sched_window(s)", "s->nsent - s->blocked > sched_window(s)")
fault("a window of nothing", "sched.c", " + sched_least_window(s);", ";")
fault("a doomed worker is live", "state.c",
    "    if (w->state == WORKER_STARTING || w->state == WORKER_READY)\n        s->live--;",
    "    if (state != WORKER_DOOMED && (w->state == WORKER_STARTING || w->state == WORKER_READY))\n" ..
        "        s->live--;")
fault("a worker that leaves twice", "workers.c",
    "    if (takes_calls(w)) {\n        tine__sched_retire", "    {\n        tine__sched_retire")
fault("a doomed worker is doomed again", "state.c",
    " || w->state == WORKER_DOOMED)\n        return;", ")\n        return;")
fault("a worker that lies is not killed", "state.c",
    "    if (why != DOOM_TASK) /* then the site has killed it already */\n", "    if (why == DOOM_SLOW_EXIT)\n")
fault("the id of a worker stays taken", "state.c",
    "    s->free_workers[worker / 64] |= (uint64_t)1 << worker % 64;\n", "")
fault("present is not counted down", "state.c", "    s->present--;\n", "")
fault("the timer of a start runs on", "report.c",
    "    tine__timer_clear(&s->timers, &w->timer);\n    w->state = WORKER_READY;", "    w->state = WORKER_READY;")
fault("no timer for a start", "order.c", "        if (s->o.start_timeout)\n", "        if (false)\n")
fault("no timer for leaving", "workers.c", "!w->left && s->o.exit_timeout)", "false)")
fault("who was told to leave is not looked at again", "workers.c", "    else\n        tine__timer_set(&s->timers, &w->timer, clock_after(now, s->o.exit",
    "    else if (now == 0)\n        tine__timer_set(&s->timers, &w->timer, clock_after(now, s->o.exit")
fault("who was told to leave is looked at too soon", "workers.c", "clock_after(now, s->o.exit_timeout)", "clock_after(now, s->o.exit_timeout / 2)")
fault("no timer for the end", "order.c", "        if (s->o.exit_timeout)\n", "        if (false)\n")
fault("no timer for SIGTERM", "sched.c",
    "    tine__timer_set(&s->timers, &s->end, patience);\n", "    (void)patience;\n")
fault("no timer for a limit", "order.c",
    "        tine__sched_look_first(s, t, now);\n", "        (void)now;\n")
fault("stopped before its processor time", "stop.c", "a->spent >= t->set->cpu", "a->spent > 0")
fault("processor time has no limit", "stop.c", "known && t->set->cpu &&", "false &&")
fault("stopped before its time", "stop.c", "now >= clock_after(a->since, t->set->timeout)", "now >= a->since")
fault("stopped for the time of another task", "stop.c", "a->id == t->call.id + t->next && ", "")
fault("it is not looked at again", "stop.c",
    "        look_again(s, t, a->where == AT_WORKER ? a->since : 0, a->spent, now);\n", "        ;\n")
fault("one more worker than is needed", "order.c", "sched_runnable(s) > s->live && !s->hold", "sched_runnable(s) >= s->live && !s->hold")
fault("a start while starts are held up", "order.c", "sched_runnable(s) > s->live && !s->hold", "sched_runnable(s) > s->live")
fault("too few starts", "order.c", "sched_runnable(s) > s->live && !s->hold", "sched_runnable(s) > s->present && !s->hold")
fault("DRAINING while something is open", "order.c",
    "s->life == LIFE_CLOSING && s->open == 0", "s->life == LIFE_CLOSING && s->waiting == 0")
fault("END while workers are there", "order.c",
    "!over || (s->present > 0 && !s->hard)", "!over || (s->live > 0 && !s->hard)")
fault("END never", "order.c", "s->life == LIFE_DRAINING || s->life == LIFE_STOPPING;", "s->life == LIFE_STOPPING;")
fault("patience has no end", "sched.c",
    "            s->hard = true; /* STOPPING", "            s->hard = false; /* STOPPING")
fault("kill after terminate is not heard", "sched.c",
    "    if (s->life == LIFE_STOPPING && hard)\n        s->hard = true;\n", "")
fault("those that wait are forgotten when it stops", "state.c",
    "    while ((waiting = tine__policy_first(&s->policy)) != NULL)\n", "    while (false)\n")
fault("what a task lent to its priority stays there", "state.c", "        sched_lost_age(s);", "        ;", 381014)
fault("a deadline waits for its timer", "order.c", "    while (t && t->deadline <= s->policy.now) {", "    while (false) {")
fault("those that are sent do not end when it stops", "state.c",
    "        if (!t->doom)\n            t->doom = ENDING_BROKEN;\n", "")
fault("those that are sent are not taken back when it stops", "state.c",
    "            t->doom = ENDING_BROKEN;\n" ..
        "        tine__sched_wish(s, t, ORDER_RECALL);", "            t->doom = ENDING_BROKEN;")
fault("the stop is not told", "order.c",
    "    if (s->why && !s->told) {", "    if (s->why == WHY_CRASH && !s->told) {")
fault("what ended by force is broken", "state.c",
    "        if (!t->doom)\n            t->doom = ENDING_BROKEN;", "        t->doom = ENDING_BROKEN;")
fault("what was lost or left waits while it stops", "state.c",
    "    if (t->unrun || s->life >= LIFE_STOPPING) {", "    if (t->unrun) {")
fault("the rest of what was lost is nobody's", "order.c",
    "        tine__sched_end_rest(s, t);\n    return true;", "        ;\n    return true;")
fault("the rest of a lost chunk never runs", "report.c",
    "begun, how);\n        tine__sched_wait_again(s, t, true);", "begun, how);")
fault("the rest of a chunk that was left never runs", "report.c",
    "    tine__sched_unsend(s, t);\n    tine__sched_wait_again(s, t, true);\n    tine__sched_overtake",
    "    tine__sched_unsend(s, t);\n    tine__sched_overtake")
fault("what is lost stays where it was", "report.c",
    "    lose(s, t, begun <= t->call.count ? (uint32_t)begun : 0);", "    (void)begun;")
fault("one too few has begun", "report.c", "(uint32_t)begun : 0);", "(uint32_t)begun - (begun > 0) : 0);")
fault("one too many has begun", "report.c", "(uint32_t)begun : 0);", "(uint32_t)begun + 1 : 0);")
fault("the wrong task is blamed", "report.c", ".k = culprit ? culprit->begun - 1 : 0};", ".k = 0};")
fault("nobody is blamed", "report.c", ".task = culprit,", "")
fault("a death that breaks nothing is not told", "report.c", "        s->died = true;\n", "")
fault("a death breaks nothing", "report.c",
    "    bool replaced = s->o.replace && s->failed_starts", "    bool replaced = s->failed_starts")
fault("a death breaks all", "report.c",
    "    bool replaced = s->o.replace && s->failed_starts < FAILED_STARTS;", "    bool replaced = false;")
fault("starts may fail for ever", "report.c", "s->failed_starts + 1 : 0;", "0 : 0;")
fault("each death is a crash", "report.c",
    "if (s->life < LIFE_STOPPING && !by_force && !in_order) {", "if (s->life < LIFE_STOPPING) {")
fault("no death is a crash", "report.c", "if (s->life < LIFE_STOPPING && !by_force && !in_order) {", "if (false) {")
fault("doom outlives its worker", "state.c",
    "    t->doom = ENDING_NONE;\n    t->asked = false;\n    if (", "    t->asked = false;\n    if (")
fault("doom outlives an abort that came too late", "stop.c",
    "    t->doom = ENDING_NONE;\n    look_again(", "    look_again(")
fault("a result counts in spite of the stop", "stop.c",
    "t->asked || t->doom == ENDING_BROKEN ?", "t->asked ?")
fault("a result counts in spite of the request", "stop.c",
    "t->asked || t->doom == ENDING_BROKEN ?", "t->doom == ENDING_BROKEN ?")
fault("killed without a question", "stop.c", "ask ? ORDER_ASK : ORDER_STOP", "ORDER_STOP")
fault("killed without a question where nobody can be killed", "stop.c", " || s->o.far || s->o.asks;", " || s->o.far;")
fault("asked for nothing", "stop.c", "ask ? ORDER_ASK : ORDER_STOP", "ORDER_ASK")
fault("asked, and never killed", "sched.c", "    if (t->asked) {\n        tine__sched_grace_over(s, t);", "    if (t->asked) {\n        ;")
fault("killed before its grace is over", "stop.c", "clock_after(now, t->set->grace)", "now + 1")
fault("a request outlives its task", "stop.c", "    t->asked = false;\n", "")
fault("a request outlives its worker", "state.c", "    t->asked = false;\n    if (", "    if (")
fault("nobody looks after the task behind one that was asked", "report.c", "    else if (asked && (t->set->timeout || t->set->cpu))", "    else if (false)")
fault("a request is lost with the call that was left", "report.c",
    "    if (t->asked) {\n        enum ending how", "    if (false) {\n        enum ending how")
fault("who was asked and dies has crashed", "report.c", "(asked || w->doom == DOOM_TASK", "(w->doom == DOOM_TASK")
fault("what was begun behind one that was asked runs again", "report.c",
    "    if (t->asked && begun > t->next + 1 &&", "    if (false &&")
fault("what was cancelled while it was taken up runs on", "report.c",
    "    else if (t->unrun && !t->doom)", "    else if (false)")
fault("what was cancelled runs after the death of its worker", "state.c",
    "    if (t->unrun || s->life >= LIFE_STOPPING) {", "    if (s->life >= LIFE_STOPPING) {")
fault("cancel does nothing at the site", "sched.c",
    "    else if (t->state == TASK_SENT && !t->doom)\n        tine__sched_wish(s, t, ORDER_RECALL);", "")
fault("cancel takes only half", "order.c",
    "        tine__sched_end(s, t, from, t->upto,", "        tine__sched_end(s, t, t->upto - 1, t->upto,")
fault("cancel takes what has begun", "order.c",
    "uint32_t from = k > t->next ? (uint32_t)k : t->next;", "uint32_t from = t->next;")
fault("shutdown cancels only what waits", "sched.c",
    "        if (s->sent[ref] && !s->sent[ref]->nested)\n            give_up(s, s->sent[ref], how);", "        ;")
fault("max_pending and one more", "sched.c", "open >= s->o.max_pending", "open > s->o.max_pending")
fault("a submit after shutdown", "sched.c",
    "    if (s->life == LIFE_OPEN)\n        return", "    if (s->life <= LIFE_CLOSING)\n        return")
fault("a wish stays", "order.c", "    t->wish = 0;\n    return true;", "    return true;")
fault("a wish is wished twice", "state.c", "    if (!t->wish)\n        list_push", "        list_push")
fault("a worker is there after the site has gone", "report.c",
    "            tine__sched_depart(s, w, tine__sched_parting(s, w), NULL);\n    for", "            ;\n    for")
fault("a call is there after the site has gone", "report.c", "            lose(s, s->sent[ref], 0);", "            ;")
fault("a heap that is none", "timer.c", "timer_of(a)->when < timer_of(b)->when", "timer_of(a)->when > timer_of(b)->when")
fault("a heap loses siblings", "pairing.c",
    "            n->back->next = n->next;", "            n->back->next = NULL;")
fault("a timer is due too late", "timer.c", "timers_next(h) > now", "timers_next(h) >= now")

-- --- running ---

local function run(command)
    local p = assert(io.popen(command .. " 2>&1"))
    local out = p:read "a"
    local ok = p:close()
    return ok, out
end

local function read(path)
    local f = assert(io.open(path))
    local text = f:read "a"
    f:close()
    return text
end

local function write(path, text)
    local f = assert(io.open(path, "w"))
    f:write(text)
    f:close()
end

local dir = read "/proc/sys/kernel/random/uuid"
dir = (os.getenv "TMPDIR" or "/tmp") .. "/tine-mutants-" .. dir:sub(1, 8)

-- The text with the one place changed; raises when there is not just one.
local function changed(text, f)
    local from, to = text:find(f.from, 1, true)
    if not from or text:find(f.from, to + 1, true) then
        error(string.format("fault %q: %s has its text %s", f.name, f.file, from and "twice" or "nowhere"), 0)
    end
    return text:sub(1, from - 1) .. f.to .. text:sub(to + 1)
end

-- Compile the copy and play, from `seed` if there is one. The number of histories until it is found, and what was said; nil: never.
local function play(seed)
    local files = "main history site drive order check end shrink"
    files = files:gsub("%S+", "tests/sim/%0.c") .. " src/base/sys.c " .. dir .. "/sched/*.c"
    local ok, out = run(string.format("%s %s -I%s -Isrc -Iinclude -Itests -o %s/sim %s", CC, FLAGS, dir, dir, files))
    if not ok then
        error(out, 0)
    end
    ok, out = run(string.format("%s/sim -q -n %d -s %d", dir, LIMIT, seed or 1))
    if ok then
        return nil
    end
    local n, why = out:match "%(history (%d+)%): (.*)"
    return math.tointeger(n) or 0, (why or out):gsub("\n.*", "")
end

local function test(f)
    local path = string.format("%s/sched/%s", dir, f.file)
    local text = read(path)
    write(path, changed(text, f))
    local n, why = play(f.seed)
    write(path, text)
    print(string.format("%9s  %-60s %s", n or "SURVIVES", f.name, why or ""))
    io.stdout:flush()
    return n ~= nil
end

local only_places = arg[1] == "--places"

local function wanted(f)
    if #arg == 0 then
        return true
    end
    for _, name in ipairs(arg) do
        if f.name:find(name, 1, true) then
            return true
        end
    end
    return false
end

-- All that are wrong at once: a change of the source moves several.
local function check_places()
    local wrong = {}
    for _, f in ipairs(faults) do
        local ok, err = pcall(changed, read("src/sched/" .. f.file), f)
        wrong[#wrong + 1] = not ok and err or nil
    end
    if #wrong > 0 then
        error(table.concat(wrong, "\n"), 0)
    end
end

check_places()
if only_places then
    print(string.format("%d faults, each with its place", #faults))
    os.exit(true)
end

local survivors, tested = 0, 0
assert(run("mkdir -p " .. dir .. " && cp -r src/sched " .. dir))
local ok, err = pcall(function()
    for _, f in ipairs(faults) do
        if wanted(f) then
            tested = tested + 1
            survivors = survivors + (test(f) and 0 or 1)
        end
    end
end)
run("rm -r " .. dir)
if not ok then
    error(err, 0)
end
print(string.format("%d faults, %d not found", tested, survivors))
os.exit(survivors == 0 and tested > 0)
