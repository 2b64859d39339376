-- Random kills from outside under load: a program next to us kills workers of this pool at random.
-- arg: seconds (default 300)
local tine = require "tine"
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local account = require "account"

local seconds = tonumber(arg[1] or 300)
local pool <close> = tine.pool { workers = 4, on_crash = "replace", name = "outside" }

-- the killer is a task of a pool of its own; it gets the pids by a file
local killers <close> = tine.pool { workers = 1, name = "killer" }
local path = os.tmpname()
local function killer(file, stop)
    math.randomseed(os.time())
    local kills = 0
    while os.time() < stop do
        local f = io.open(file)
        local pids = f and f:read("a") or ""
        if f then
            f:close()
        end
        local list = {}
        for pid in pids:gmatch("%d+") do
            list[#list + 1] = pid
        end
        if #list > 0 then
            os.execute("kill -KILL " .. list[math.random(#list)] .. " 2>/dev/null")
            kills = kills + 1
        end
        os.execute("sleep 0.0" .. math.random(1, 9))
    end
    return kills
end
local stop = os.time() + seconds
local killing = killers:submit(killer, path, stop)

local function task(i, payload)
    local s = 0
    for k = 1, i % 97 * 100 do
        s = s + k
    end
    return payload and #payload + i or i + s - s
end

local tally = { ok = 0, crashed = 0 }
local id, payload = 0, string.rep("p", 50000)
while os.time() < stop do
    local pids = {}
    for _, w in ipairs(pool:workers()) do
        pids[#pids + 1] = w.pid
    end
    local f = assert(io.open(path .. ".new", "w"))
    f:write(table.concat(pids, " "))
    f:close()
    os.rename(path .. ".new", path)
    local futures = {}
    for i = 1, 500 do
        futures[i] = pool:submit(task, id + i, i % 10 == 0 and payload or nil)
    end
    for i, future in ipairs(futures) do
        local n = id + i
        local kind = account.check("replace", n, i % 10 == 0 and #payload + n or n, future:pcall(60))
        tally[kind] = tally[kind] + 1
    end
    id = id + 500
end
os.remove(path)
local kills = killing:result()
local stats = pool:stats()
assert(stats.pending == 0 and stats.running == 0)
print(string.format("%d ok, %d crashed; %d kills sent, %d workers lost", tally.ok, tally.crashed, kills,
    stats.workers_lost))
