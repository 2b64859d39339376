-- bench/preload.lua: how long the memory of a preload stays shared. Prints, for each of two workers after some hundred
-- tasks that made garbage, its page faults and what it has of its own (MB), beside a pool without a preload.
--
--     scripts/env build lua5.4 bench/preload.lua [RECORDS [TASKS]]     (300,000 records, about 67 MB; 400)
-- luacheck: globals dictionary
local tine = require "tine"

local RECORDS = math.tointeger(tonumber(arg and arg[1] or 300000))
local TASKS = math.tointeger(tonumber(arg and arg[2] or 400))

local function field(path, pattern)
  local sum = 0
  for line in io.lines(path) do sum = sum + (tonumber(line:match(pattern)) or 0) end
  return sum
end

local function faults(pid) return field(("/proc/%d/stat"):format(pid), "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+)") end
local function private(pid) return field(("/proc/%d/smaps_rollup"):format(pid), "^Private_Dirty:%s+(%d+)") / 1024 end
local function pss(pid) return field(("/proc/%d/smaps_rollup"):format(pid), "^Pss:%s+(%d+)") / 1024 end

local function load(records)
  dictionary = {}
  for i = 1, records do dictionary["key" .. i] = { id = i, name = "name " .. i } end
end

-- Looks at some of it, and makes about a megabyte of garbage of all sizes.
local function task(n, records)
  local list, sum = {}, 0
  for i = 1, 5000 do
    local record = dictionary and dictionary["key" .. (n * 7919 + i * 31) % records + 1]
    list[i] = { i, ("%d of %s"):format(i, record and record.name or "none") }
    sum = sum + (record and record.id or 0)
  end
  return sum, #list
end

local function row(what, preload)
  local pool <close> = tine.pool { workers = 2, preload = preload }
  local function one(i) return task(i, RECORDS) end
  for _ in pool:map(one, { 1, 2 }, { chunksize = 1 }) do end -- luacheck: ignore
  local before = {}
  for i, worker in ipairs(pool:workers()) do before[i] = faults(worker.pid) end
  local n = 0
  local begun = tine.clock()
  local function numbers()
    n = n + 1
    return n <= TASKS and n or nil
  end
  for _ in pool:map(one, numbers, { chunksize = 10 }) do end -- luacheck: ignore
  local seconds = tine.clock() - begun
  for i, worker in ipairs(pool:workers()) do
    local pid = worker.pid
    print(("%-34s worker %d: %7d faults (%d before) %8.1f MB private %8.1f MB PSS %6.2f ms a task"):format(what,
      worker.id, faults(pid) - before[i], before[i], private(pid), pss(pid), seconds / TASKS * 1000))
  end
end

row "no preload"
row("preload", function() load(RECORDS) end)
row("preload that makes garbage", function()
  load(RECORDS)
  load(RECORDS)
end)
row("preload that collects", function()
  load(RECORDS)
  load(RECORDS)
  collectgarbage()
end)
row("preload that sets the collector", function()
  load(RECORDS)
  collectgarbage("setpause", 400)
end)
