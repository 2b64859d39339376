-- Memory: 10 million no-op tasks through one pool leave the submitter's and the workers' memory where
-- it was after a million (before, it depends on how many have waited at once); a million futures pending
-- at once cost less than 890 bytes each (an item of src/pool has 568, a future 152).
local tine = require "tine"

-- Resident bytes of a process.
local function resident(pid)
    for line in io.lines("/proc/" .. pid .. "/smaps_rollup") do
        local kb = line:match("^Pss:%s+(%d+)")
        if kb then
            return tonumber(kb) * 1024
        end
    end
end

local function noop() end

local function run(pool, n)
    local futures = {}
    for from = 1, n, 10000 do
        for i = 1, math.min(10000, n - from + 1) do
            futures[i] = pool:submit(noop)
        end
        for i = 1, #futures do
            futures[i]:result()
        end
    end
    collectgarbage()
    collectgarbage()
    local bytes = { resident("self") }
    for _, w in ipairs(pool:workers()) do
        bytes[#bytes + 1] = resident(w.pid)
    end
    return bytes
end

local pool <close> = tine.pool { workers = 2 }
local before = run(pool, 1000000)
local after = run(pool, 9000000)
for i, bytes in ipairs(before) do
    local grown = after[i] - bytes
    print(string.format("%s: %.1f MB after 1,000,000 tasks, %.1f MB after 10,000,000",
        i == 1 and "submitter" or "worker " .. i - 1, bytes / 1e6, after[i] / 1e6))
    assert(grown < 3e6, "it has grown") -- a byte for each task would be 9 MB
end

-- pending: the only worker is held up by the first task
local gate = os.tmpname()
os.remove(gate)
local single <close> = tine.pool { workers = 1 }
local held = single:submit(function(path)
    while not io.open(path) do
        os.execute("sleep 0.05")
    end
end, gate)
collectgarbage()
local base, futures = resident("self"), {}
for i = 1, 1000000 do
    futures[i] = single:submit(noop)
end
collectgarbage()
local each = (resident("self") - base) / 1000000
print(string.format("a pending future: %.0f bytes", each))
assert(each < 890, "too much")
assert(io.open(gate, "w")):close()
held:result()
for i = 1, #futures do
    futures[i]:result()
end
os.remove(gate)
print "1 passed, 0 failed"
