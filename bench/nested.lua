-- Tasks that submit tasks, and values that are shared: prints lines of `measure value`, in seconds.
--
--   lua5.4 bench/nested.lua
local measure = require "bench.measure"
local tine = require "tine"

local report, timed = measure.report, measure.timed

local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end

local function tree(n)
  if n <= 10 then return fib(n) end
  local a, b = tine.worker.pool:submit(tree, n - 1), tine.worker.pool:submit(tree, n - 2)
  return a:result() + b:result()
end

local function deep(n)
  if n == 0 then return 0 end
  return 1 + tine.worker.pool:submit(deep, n - 1):result()
end

for _, workers in ipairs { 1, 2 } do
  local pool <close> = tine.pool(workers)
  pool:submit(tree, 12):result()
  report("fib_24_" .. workers, timed(function() pool:submit(tree, 24):result() end))
  report("depth_200_" .. workers, timed(function() pool:submit(deep, 200):result() end))
end

-- A table of 20 MB once it is encoded: what it takes to share it, and what a task of it costs beyond one without.
local pool <close> = tine.pool(1)
local list = {}
for i = 1, 1000000 do list[i] = { id = i, name = "name " .. i } end
local shared
local function with(t, i) return t[i].id end
local function without(_, i) return i end
report("share_20mb", timed(function() shared = pool:share(list) end))
list = nil -- luacheck: ignore
collectgarbage() -- or it is this process's collector that is measured
report("first_use", timed(function() pool:submit(with, shared, 1):result() end))
local function tasks(fn, value)
  local futures = {}
  for i = 1, 1000 do futures[i] = pool:submit(fn, value, i) end
  for i = 1, 1000 do futures[i]:result() end
end
local plain, used = math.huge, math.huge
for _ = 1, 30 do -- in turn: what else the machine does is in both
  plain = math.min(plain, timed(tasks, without, 1) / 1000)
  used = math.min(used, timed(tasks, with, shared) / 1000)
end
report("task_without", plain)
report("task_with_shared", used)
shared:close()
