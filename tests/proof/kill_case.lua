-- One case of the kill matrix: workers of this pool kill themselves at the point that TINE_KILL names.
-- arg: mode, workers, file for signatures
local tine = require "tine"
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local account = require "account"

local mode, workers, path = arg[1], tonumber(arg[2]), arg[3]
local sign = account.signer(path)
local large = string.rep("x", 300000) -- crosses to the heaps in both directions
local TASKS, ITEMS = 30, 40

local function task(i, payload)
    sign("t" .. i)
    return payload and payload .. i or i * 2
end

local function expected(i)
    return i % 5 == 0 and large .. i or i * 2
end

local tally = {}
local function count(kind)
    tally[kind] = (tally[kind] or 0) + 1
end

local pool = tine.pool { workers = workers, on_crash = mode }

-- submitted one by one
local futures, ids = {}, {}
for i = 1, TASKS do
    local ok, f = pcall(pool.submit, pool, task, i, i % 5 == 0 and large or nil)
    if ok then
        futures[#futures + 1], ids[#ids + 1] = f, i
    else
        assert(tine.kind(f) == "broken", f)
        count "refused"
    end
end
for n, f in ipairs(futures) do
    local i = ids[n]
    -- ids of tasks count from 1 in the order of their submits
    count(account.check(mode, n, expected(i), f:pcall(30)))
    assert(f:done())
end

-- a map in chunks
local items = {}
for i = 1, ITEMS do
    items[i] = i
end
local function item(i)
    sign("m" .. i)
    return i * 3
end
local ok, err = pcall(function()
    local seen = 0
    for i, value, failure in pool:map(item, items, { chunksize = 7, on_error = "return", timeout = 60 }) do
        seen = seen + 1
        assert(i == seen, "map is out of order")
        if value == nil then
            local kind = tine.kind(failure)
            assert(kind == "crashed" or kind == "broken", failure)
            count("map " .. kind)
        else
            assert(value == i * 3, "map gave a wrong value")
            count "map ok"
        end
    end
    assert(seen == ITEMS, "map lost items: " .. seen)
end)
if not ok then
    assert(tine.kind(err) == "broken", err)
    count "map refused"
end

-- tasks that are asked to end: who dies of that has ended as he was asked to
local stuck = {}
for i = 1, 8 do
    local good, f = pcall(function()
        return pool:with({ timeout = 0.005, grace = 30 }):submit(function() while true do end end)
    end)
    stuck[i] = good and f or nil
    if not good then
        assert(tine.kind(f) == "broken", f)
        count "refused"
    end
end
for _, f in pairs(stuck) do
    local kind = tine.kind(f:exception(30))
    assert(kind == "timeout" or kind == "crashed" or kind == "broken", kind)
    count("asked " .. kind)
end

-- tasks whose output is captured, or gets a prefix: of one that has ended all of it is there, of one that died what
-- it had written
local talking = {}
for i = 1, 16 do
    local good, f = pcall(function()
        local silent = i % 4 == 0
        return pool:with({ output = silent and "prefix" or "capture" }):submit(function()
            if not silent then print("output " .. i) end
            return i
        end)
    end)
    talking[i] = good and f or nil
    if not good then
        assert(tine.kind(f) == "broken", f)
        count "refused"
    end
end
for i, f in pairs(talking) do
    local good, value = f:pcall(30)
    local output, all = f:output(), "output " .. i .. "\n"
    if good then
        assert(value == i and output == (i % 4 ~= 0 and all or nil), "another output")
    else
        local kind = tine.kind(value)
        assert(kind == "crashed" or kind == "broken", value)
        local part = output == "" or output == "output " .. i or output == all
        assert(i % 4 == 0 or part, "another output")
    end
    count(good and "output ok" or "output " .. tine.kind(value))
end
pcall(pool.shutdown, pool)

for name, n in pairs(account.signed(path)) do
    assert(n == 1, name .. " ran " .. n .. " times")
end
local words = {}
for kind, n in pairs(tally) do
    words[#words + 1] = kind .. " " .. n
end
table.sort(words)
print(table.concat(words, ", "))
