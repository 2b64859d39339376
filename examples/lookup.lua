-- lookup: a large table that many tasks read, and what each way to give it to them costs.
--
--     tine examples/lookup.lua [RECORDS]
--
-- As an upvalue it is encoded and decoded for each task. Loaded in a preload it is there before the workers are forked.
-- A shared value is encoded once and decoded once in each worker. Frozen it is in memory once, and nothing is decoded.
local tine = require "tine"

if arg[1] == "--help" then
  print "usage: lookup.lua [RECORDS]"
  os.exit(true)
end

local function whole(text)
  local n = math.tointeger(tonumber(text))
  if n and n > 0 then return n end
  io.stderr:write("RECORDS is a whole number, not '", text, "'\n")
  os.exit(2)
end

local RECORDS = whole(arg[1] or 20000)
local TASKS = 40

-- In the preload it is made in place, so this must not depend on anything else.
local function make(records)
  local t = {}
  for i = 1, records do t["key" .. i] = { id = i, name = "name " .. i, score = i * 0.5 } end
  return t
end

-- Sum of the scores of some records that a task looks up.
local function look(t, from, records)
  local sum = 0
  for i = from, records, 997 do sum = sum + t["key" .. i].score end
  return sum
end

-- kB that only this process has.
local function private()
  local sum = 0
  for line in io.lines "/proc/self/smaps" do sum = sum + (tonumber(line:match "^Private_%a+:%s+(%d+)") or 0) end
  return sum
end

local function measure(name, options, prepare)
  collectgarbage()
  local begun = tine.clock()
  local pool <close> = tine.pool(options)
  local task = prepare(pool)
  local prepared = tine.clock()
  local sum, futures = 0, {}
  for i = 1, TASKS do futures[i] = pool:submit(task, i, RECORDS) end
  for i = 1, TASKS do sum = sum + futures[i]:result() end
  local ended = tine.clock()
  local memory = pool:submit(private):result()
  print(("%-10s %9.1f ms %9.2f ms %9.1f MB"):format(name, (prepared - begun) * 1e3, (ended - prepared) * 1e3 / TASKS,
    memory / 1024))
  return sum
end

print(("%d records, %d tasks\n%-10s %12s %12s %12s"):format(RECORDS, TASKS, "", "once", "each task", "a worker"))
local t = make(RECORDS)
local sums = {
  measure("upvalue", { workers = 2 }, function()
    return function(from, records) return look(t, from, records) end
  end),
  measure("preload", { workers = 2, preload = function() _G.TABLE = make(RECORDS) end }, function()
    return function(from, records) return look(_G.TABLE, from, records) end
  end),
  measure("share", { workers = 2 }, function(pool)
    local shared = pool:share(t)
    return function(from, records) return look(shared, from, records) end
  end),
  measure("freeze", { workers = 2 }, function()
    local view = tine.freeze(t)
    return function(from, records) return look(view, from, records) end
  end),
}
for i = 2, #sums do assert(sums[i] == sums[1], "all ways give the same") end
