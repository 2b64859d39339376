-- Kill rounds: tasks of which one in ten kills its own worker, in "replace" mode.
-- arg: tasks (default 100000)
local tine = require "tine"
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local account = require "account"

local tasks = tonumber(arg[1] or 100000)
local tally = { ok = 0, crashed = 0 }

local function task(i)
    if i % 10 == 0 then
        os.execute("kill -KILL " .. tine.worker.pid)
    end
    return i + 1
end

local pool <close> = tine.pool { workers = 4, on_crash = "replace" }
local base = 0
while base < tasks do
    local n = math.min(1000, tasks - base)
    local futures = {}
    for i = 1, n do
        futures[i] = pool:submit(task, base + i)
    end
    for i, f in ipairs(futures) do
        local id = base + i
        local kind = account.check("replace", id, id + 1, f:pcall(120))
        assert(kind == (id % 10 == 0 and "crashed" or "ok"), id .. " ended as " .. kind)
        tally[kind] = tally[kind] + 1
    end
    base = base + n
end
local stats = pool:stats()
assert(stats.submitted == tasks and stats.finished == tally.ok and stats.failed == tally.crashed)
assert(stats.workers_lost == tally.crashed, "lost " .. stats.workers_lost)
print(string.format("%d ok, %d crashed, %d workers started", tally.ok, tally.crashed, stats.workers_started))
