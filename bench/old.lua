-- What Tine does in an old program: 100 MB are live, a million futures lie behind it, workers have run 5,000 tasks and
-- more. Prints lines of `measure value`, as bench/tine.lua does for a young one.
local measure = require "bench.measure"
local nap = require "nap"
local processes = require "spec.support.processes"
local tine = require "tine"

local report, timed, median_time, pss = measure.report, measure.timed, measure.median_time, measure.pss
local run_all, run_map = measure.run_all, measure.run_map

local function noop() end
local function hold() nap.sleep(0.02) end
local function echo(value) return value end
local function increment(n) return n + 1 end

local function round_trip(pool) return measure.quantile(measure.round_trips(pool, noop, 2000), 0.5) end

-- Live tables and strings of about so many bytes.
local function ballast(size)
  local list = {}
  for i = 1, size // 200 do list[i] = { id = i, name = "name " .. i, { i } } end
  return list
end

-- How long this process and the workers have run.
local function run_time(pool) return measure.run_time(processes.self()) + measure.workers_run_time(pool) end

-- What a task of 20 us costs when one comes every 200 us.
local function lone(spin)
  local pool <close> = tine.pool { workers = 2, spin = spin }
  local count = 2000
  local function work()
    local stop = nap.now() + 20e-6
    repeat until nap.now() > stop
  end
  for _ = 1, 100 do pool:submit(work):result() end
  local before = run_time(pool)
  for _ = 1, count do
    pool:submit(work):result()
    nap.sleep(200e-6)
  end
  return (run_time(pool) - before) / count
end

-- A program that goes on making functions: what each costs, among the first and the last thousand.
local function functions(pool)
  local times = {}
  for thousand = 1, 14 do
    local made, futures = {}, {}
    for i = 1, 1000 do made[i] = load(("return function() return %d end"):format(thousand * 1000 + i))() end
    times[thousand] = timed(function()
      for i, fn in ipairs(made) do futures[i] = pool:submit(fn) end
      for _, future in ipairs(futures) do future:result() end
    end) / 1000
  end
  return times[2], times[14]
end

local live = ballast(100 * 1000 * 1000)
local pool <close> = tine.pool { workers = 2 }
for _ = 1, 10 do run_all(pool, noop, 100000) end

report("old_noops", 200000 / timed(run_all, pool, noop, 200000))
report("old_round_trip", round_trip(pool))

local items, best = {}, math.huge
for i = 1, 1000000 do items[i] = i end
for _, size in ipairs { 1000, 5000, 20000 } do best = math.min(best, timed(run_map, pool, increment, items, size)) end
report("old_map", #items / best)
items = table.move(items, 1, 200000, 1, {})
report("old_map_single", #items / timed(run_map, pool, increment, items, 1))
items = nil -- luacheck: ignore

local text, list = ("x"):rep(1 << 20), measure.records(1000)
local function echo_text() pool:submit(echo, text):result() end
report("old_echo_1m_first", median_time(50, echo_text)) -- until memory of this size has been used once
report("old_echo_1m", median_time(50, echo_text))
report("old_echo_records", median_time(50, function() pool:submit(echo, list):result() end))
local early, late = functions(pool)
report("old_function_early", early)
report("old_function_late", late)

-- After 5,000 tasks for each worker, the largest one's. What all have they share.
local function worker_pss(workers)
  local fresh <close> = tine.pool { workers = workers }
  run_all(fresh, noop, 5000 * workers)
  local most = 0
  for _, worker in ipairs(fresh:workers()) do most = math.max(most, pss(worker.pid)) end
  return most
end
report("old_pss", worker_pss(2))
report("old_pss_8", worker_pss(8))

for _, workers in ipairs { 8, 64 } do
  local many <close> = tine.pool { workers = workers }
  measure.warm(many, workers, hold)
  run_all(many, noop, 5000)
  report("old_round_trip_" .. workers, round_trip(many))
end

do
  local idle = {}
  for i = 1, 200 do
    idle[i] = tine.pool { workers = 1 }
    idle[i]:submit(noop):result()
  end
  report("old_round_trip_beside", round_trip(pool))
  for _, other in ipairs(idle) do other:shutdown() end
end

report("old_lone", lone(nil))
report("old_lone_asleep", lone(0))
assert(#live > 0)
