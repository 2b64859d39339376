-- pool:report(): what a pool has done, as text, with advice how to make it faster.
local core = require "tine.core"
local units = require "tine.units"
local count, duration, bytes = units.count, units.duration, units.bytes

local function percent(part, whole)
    return units.percent(whole > 0 and part / whole or 0)
end

-- ---- sections ----

-- The figures for all sections and the advice; times in seconds.
local function figures(pool)
    local t = core.told(pool)
    local s = pool:stats()
    local ran = s.run.count * s.run.mean
    for _, w in ipairs(s.workers) do
        ran = ran + (w.state == "running" and w.task and core.public.clock() - w.since or 0)
    end
    local ended = s.finished + s.failed + s.cancelled
    return {
        stats = s,
        told = t,
        ran = math.min(ran, t.lived),
        starting = math.min(t.starting, t.lived),
        idle = math.max(t.lived - ran - t.starting, 0),
        waited = s.wait.count * s.wait.mean,
        ended = ended,
        workers = t.workers,
        processors = core.public.cpu_count(),
        kinds = s.by_kind,
    }
end

local function add(lines, format, ...)
    lines[#lines + 1] = format:format(...)
end

local function say_sum(lines, f)
    local s, t = f.stats, f.told
    add(lines, 'pool "%s": %s tasks in %s with at most %d workers', t.name, count(s.submitted),
        duration(t.elapsed), f.workers)
    add(lines, "  %s finished, %s failed, %s cancelled, %s running, %s pending; %s workers started, %s lost",
        count(s.finished), count(s.failed), count(s.cancelled), count(s.running), count(s.pending),
        count(s.workers_started), count(s.workers_lost))
end

local function say_time(lines, f)
    local t = f.told
    add(lines, "")
    add(lines, "What the time went to")
    local function row(what, seconds, whole, of)
        add(lines, "  %-26s %10s  %s %s", what, duration(seconds), percent(seconds, whole), of)
    end
    row("running tasks", f.ran, t.lived, "of the workers' time")
    row("waiting for tasks", f.idle, t.lived, "of it")
    row("starting", f.starting, t.lived, "of it")
    row("encoding calls", t.encoding, t.elapsed, "of this program's (estimated from samples)")
    add(lines, "  %-26s %10s  all tasks together, %s each", "waiting for a worker", duration(f.waited),
        duration(f.stats.wait.mean))
    add(lines, "  %-26s %10s  %s of what tasks ran", "the processor, in workers", duration(f.stats.cpu),
        percent(f.stats.cpu, f.ran))
end

local function say_percentiles(lines, f)
    local s = f.stats
    add(lines, "")
    add(lines, "  %-12s %9s %9s %9s %9s %9s %9s", "", "mean", "p50", "p90", "p99", "p99.9", "max")
    for _, row in ipairs { { "wait", s.wait }, { "run", s.run }, { "round trip", s.round_trip } } do
        local h = row[2]
        add(lines, "  %-12s %9s %9s %9s %9s %9s %9s", row[1], duration(h.mean), duration(h.p50), duration(h.p90),
            duration(h.p99), duration(h.p999), duration(h.max))
    end
    add(lines, "  %s into workers, %s out of them", bytes(s.bytes_in), bytes(s.bytes_out))
end

local function say_tasks(lines, f)
    local t = f.told
    if #t.slowest > 0 then
        add(lines, "")
        add(lines, "The slowest")
    end
    for _, task in ipairs(t.slowest) do
        add(lines, "  %9s  %s", duration(task.seconds), task.label)
    end
    if #t.failed > 0 then
        add(lines, "")
        add(lines, "The last that failed")
    end
    for _, task in ipairs(t.failed) do
        add(lines, "  %s: %s: %s", task.label, task.kind, task.error)
    end
end

-- The workers on other machines, each with its host.
local function say_places(lines, f)
    local list = f.told.places
    if #list == 0 then return end
    table.sort(list, function(a, b)
        if a.host ~= b.host then return a.host < b.host end
        return a.worker < b.worker
    end)
    add(lines, "")
    add(lines, "The workers of other machines")
    for _, w in ipairs(list) do
        add(lines, "  %s, worker %d: %s tasks, which ran %s", w.host, w.worker, count(w.tasks), duration(w.seconds))
    end
end

-- ---- advice ----

local ENOUGH <const> = 20 -- tasks that must have run before usual values are judged
local TINY <const> = 20e-6 -- seconds: about the cost of sending a task
local HEAVY <const> = 256 << 10 -- bytes

-- Each rule returns an advice for these figures, or nil.
local RULES <const> = {
    function(f) -- larger chunks
        local s = f.stats
        if s.run.count >= 1000 and s.run.p50 < TINY and f.told.calls > s.submitted / 8 then
            return ("half of the tasks ran for %s or less, which is about what it costs to send one: send many "
                .. "at once, by pool:map, or put more work into each"):format(duration(s.run.p50))
        end
    end,
    function(f) -- idle workers
        if f.idle > 0.5 * f.told.lived and f.told.lived > 0.5 then
            local needed = math.max(math.ceil(f.ran / f.told.elapsed * 1.25), 1)
            local fewer = needed < f.workers and ("; %d worker%s would have done"):format(needed,
                needed == 1 and "" or "s") or ""
            return ("workers had nothing to do for %s of their time: this program does not submit fast enough to "
                .. "keep them busy%s"):format(percent(f.idle, f.told.lived), fewer)
        end
    end,
    function(f) -- more workers
        local s = f.stats
        if s.run.count < ENOUGH or f.ran < 0.8 * f.told.lived or s.wait.p50 < 2 * s.run.p50 then
            return nil
        elseif s.cpu < 0.5 * f.ran then
            return ("workers are always busy, but use the processor for %s of that only: tasks wait for something "
                .. "else, and more workers than processors (%d) would wait at the same time"):format(
                percent(s.cpu, f.ran), f.processors)
        elseif f.workers < f.processors then
            return ("tasks waited longer than they ran, and there are %d processors: workers = %d"):format(
                f.processors, f.processors)
        end
    end,
    function(f) -- fewer workers
        if f.workers > f.processors and f.ran > 0.5 and f.stats.cpu < 0.9 * f.ran
            and f.stats.cpu > 0.8 * f.processors * f.told.elapsed then
            return ("%d workers share %d processors, and all compute: as many workers as processors do the same "
                .. "with less memory"):format(f.workers, f.processors)
        end
    end,
    function(f) -- pool:share
        local each = f.stats.bytes_in / math.max(f.stats.submitted, 1)
        if each > HEAVY then
            return ("each call carries %s: what is the same for many goes once, by pool:share"):format(bytes(each))
        end
    end,
    function(f)
        local each = f.stats.bytes_out / math.max(f.ended, 1)
        if each > HEAVY then
            return ("each result is %s: let tasks return less, or write to files"):format(bytes(each))
        end
    end,
    function(f)
        if f.told.encoding > 0.25 * f.told.elapsed and f.told.encoding > 0.1 then
            return ("encoding calls took %s of this program's time: smaller arguments, or pool:share for what is the "
                .. "same for many"):format(percent(f.told.encoding, f.told.elapsed))
        end
    end,
    function(f)
        if f.starting > 0.2 * f.told.lived and f.stats.workers_started > 1 and f.starting > 0.1 then
            return ("starting workers took %s of their time (%d were started): preload what each loads, and let them "
                .. "live longer"):format(percent(f.starting, f.told.lived), f.stats.workers_started)
        end
    end,
    function(f)
        local run = f.stats.run
        if run.count >= ENOUGH and run.max > 20 * run.p90 and run.max > 0.1 * f.told.elapsed then
            return ("a few tasks ran much longer than the rest (%s, 9 of 10 took %s or less): submit those first, or "
                .. "divide them"):format(duration(run.max), duration(run.p90))
        end
    end,
    function(f)
        if f.stats.workers_lost > 0 then
            return ("%d worker%s died: see the tasks above that ended as crashed, and docs/crashes.md"):format(
                f.stats.workers_lost, f.stats.workers_lost == 1 and "" or "s")
        end
    end,
}

local function say_advice(lines, f)
    add(lines, "")
    add(lines, "Advice")
    local from = #lines
    for _, text in ipairs(f.told.heavy) do
        add(lines, "  - %s", text)
    end
    for _, rule in ipairs(RULES) do
        local text = rule(f)
        if text then
            add(lines, "  - %s", text)
        end
    end
    if #lines == from then
        add(lines, f.stats.run.count < ENOUGH and "  too few tasks have run to say anything" or "  nothing stands out")
    end
end

function core.pool_methods.report(pool)
    local ok, f = pcall(figures, pool)
    if not ok then
        error(f, 2)
    end
    local lines = {}
    say_sum(lines, f)
    say_time(lines, f)
    say_percentiles(lines, f)
    say_places(lines, f)
    say_tasks(lines, f)
    say_advice(lines, f)
    return table.concat(lines, "\n") .. "\n"
end
