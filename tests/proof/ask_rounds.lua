-- Requests to end: tasks that end about when they are asked to, by a limit or by abort. No request reaches another
-- task, none is lost, and each future ends once. Nobody is killed: the grace is long.
-- arg: tasks (default 100000)
local tine = require "tine"

local tasks = tonumber(arg[1] or 100000)
local BATCH <const> = 100
local tally = { made = 0, asked = 0 }

-- Runs until `span` is over, in `depth` coroutines; returns its number. What it has opened it closes.
local function racer(n, span, depth)
    local state = tine.worker.state
    local open = state.open or {}
    state.open = open
    local door <close> = setmetatable({}, { __close = function(door) open[door] = nil end })
    open[door] = true
    if depth > 0 then
        return coroutine.wrap(racer)(n, span, depth - 1)
    end
    local over = tine.clock() + span
    while tine.clock() < over do end
    return n
end

-- What comes after it on that worker: is all closed, and nothing of the request left?
local function bystander(n)
    local co = coroutine.wrap(function() return n, tine.worker.stopping(), next(tine.worker.state.open or {}) end)
    for _ = 1, 50 do
        math.abs(n)
    end
    return co()
end

local function check_racer(n, wanted, ok, value, ...)
    if ok then
        assert(value == n and select("#", ...) == 0, "a racer gave another value")
        tally.made = tally.made + 1
    else
        assert(tine.kind(value) == wanted, tostring(value))
        tally.asked = tally.asked + 1
    end
end

local function check_bystander(n, ok, value, stopping, open)
    assert(ok, "a bystander was hit: " .. tostring(value))
    assert(value == n and stopping == false and open == nil, "something was left of a request")
end

local ends
local function count(future)
    ends[future] = (ends[future] or 0) + 1
end

local pool <close> = tine.pool { workers = 2, grace = 600 }
local limited = pool:with { timeout = 0.005 }

-- Either kind in turn: those with a limit all at once; those to be aborted one by one.
local function batch(base, n, with_limit)
    local racers, bystanders = {}, {}
    ends = {}
    for i = 1, n do
        local span, depth = (with_limit and 0.01 or 0.001) * (0.3 + math.random()), i % 3
        racers[i] = (with_limit and limited or pool):submit(racer, base + i, span, depth)
        bystanders[i] = pool:submit(bystander, base + i)
        racers[i]:add_done_callback(count)
        if not with_limit then
            tine.sleep(span * (0.5 + math.random()))
            racers[i]:abort()
        end
    end
    for i = 1, n do
        check_racer(base + i, with_limit and "timeout" or "cancelled", racers[i]:pcall(60))
        check_bystander(base + i, bystanders[i]:pcall(60))
    end
    pool:dispatch()
    for i = 1, n do
        assert(ends[racers[i]] == 1, "a future has ended " .. (ends[racers[i]] or 0) .. " times")
    end
end

for base = 0, tasks - 1, BATCH do
    batch(base, math.min(BATCH, tasks - base), base // BATCH % 2 == 0)
end

-- the same in chunks of a map
local seen = 0
local items = {}
for i = 1, tasks // 10 do
    items[i] = i
end
local function item(i)
    return racer(i, 0.01 * math.random(), i % 3)
end
for i, value, err in limited:map(item, items, { chunksize = 10, on_error = "return" }) do
    seen = seen + 1
    assert(i == seen and (value == i or tine.kind(err) == "timeout"), tostring(err))
end
assert(seen == #items)

local stats = pool:stats()
assert(stats.workers_started == 2 and stats.workers_lost == 0, "a worker was replaced")
assert(tally.made + tally.asked == tasks)
print(string.format("%d in time, %d asked", tally.made, tally.asked))
