-- What Tine does (two workers unless said otherwise): prints lines of `measure value`.
--
--   lua5.4 bench/tine.lua [group...]     groups: quick (default), big (a heap of 1 GB), flat, idle, busy,
--                                        priorities, modules
--
-- Times are in seconds, memory in bytes, rates per second. Peers in bench/peers print the same measures.
local lfs = require "lfs"
local measure = require "bench.measure"
local modules = require "bench.modules"
local nap = require "nap"
local processes = require "spec.support.processes"
local tine = require "tine"

local now, report, timed, quantile, median_time = measure.now, measure.report, measure.timed, measure.quantile,
  measure.median_time
local records, run_all, run_map, round_trips = measure.records, measure.run_all, measure.run_map, measure.round_trips
local pss, run_time = measure.pss, measure.workers_run_time

local NOOPS = 200000
local ROUND_TRIPS = 5000
local MAP_ITEMS = 1000000
local MAP_CHUNKS = { 200, 1000, 5000, 20000 }
local HOLD = 0.02 -- a first task holds its worker so long, so that each worker gets one
local TASKS_10MS = 40

local function noop() end
local function echo(value) return value end
local function increment(n) return n + 1 end

local function hold()
  local start = now()
  nap.sleep(HOLD)
  return now() - start, tine.worker.pid
end

-- From nothing to the first result of each worker, without the time that the tasks held them.
local function start_and_stop(workers)
  local start = now()
  local pool = tine.pool { workers = workers }
  local futures, held = {}, math.huge
  for i = 1, workers do futures[i] = pool:submit(hold) end
  for i = 1, workers do futures[i]:result() end
  local elapsed = now() - start
  for i = 1, workers do held = math.min(held, (futures[i]:result())) end
  return elapsed - held, timed(pool.shutdown, pool)
end

-- From nothing to a first result, with nothing to load and nobody asleep.
local function start_one()
  local start = now()
  local pool <close> = tine.pool { workers = 1 }
  pool:submit(noop):result()
  return now() - start
end

-- The larger of two workers that have run a task each and loaded no library for it.
local function idle_pss()
  local pool <close> = tine.pool { workers = 2 }
  local function busy()
    local stop = os.clock() + 0.02
    repeat until os.clock() > stop
  end
  local first, second, most = pool:submit(busy), pool:submit(busy), 0
  first:result()
  second:result()
  for _, worker in ipairs(pool:workers()) do most = math.max(most, pss(worker.pid)) end
  return most
end

-- Work for the processor: `spin(count)`; a count of `units` takes as long as `units` tasks of one.
local function spin(count)
  local sum = 0
  for i = 1, count do sum = sum + (i & 7) end
  return sum
end

-- How far `spin` counts in so many seconds.
local function calibrate(seconds)
  local best = math.huge
  for _ = 1, 20 do best = math.min(best, timed(spin, 100000)) end
  return math.floor(100000 * seconds / best)
end

local function gather(pool, fn, argument, count)
  local futures = {}
  for i = 1, count do futures[i] = pool:submit(fn, argument) end
  for i = 1, count do futures[i]:result() end
end

local function warm(pool, workers) measure.warm(pool, workers, hold) end

-- Two workers against one, tasks of 10 ms, and the share of both processors that two have. The pools
-- take turns: the machine's speed wanders; and often two processors are no two whole ones, which the
-- share does not know of.
local function scaling()
  local one <close> = tine.pool { workers = 1 }
  local two <close> = tine.pool { workers = 2 }
  local count, ratios, shares = calibrate(0.01), {}, {}
  warm(one, 1)
  warm(two, 2)
  for i = 1, 5 do
    local alone = timed(gather, one, spin, count, TASKS_10MS)
    local before = run_time(two)
    local both = timed(gather, two, spin, count, TASKS_10MS)
    ratios[i], shares[i] = alone / both, (run_time(two) - before) / both / 2
  end
  return quantile(ratios, 0.5), quantile(shares, 0.5)
end

-- The share of both cores that goes into the tasks' own work: two long tasks against many short ones,
-- in turns.
local function efficiency(pool, seconds, tasks)
  local count = calibrate(seconds)
  local function long(n, times)
    for _ = 1, times do spin(n) end
  end
  local function two_long()
    local a, b = pool:submit(long, count, tasks // 2), pool:submit(long, count, tasks // 2)
    a:result()
    b:result()
  end
  local ratios, before = {}, timed(two_long)
  for i = 1, 9 do
    local short = timed(gather, pool, spin, count, tasks)
    local after = timed(two_long)
    ratios[i] = (before + after) / 2 / short
    before = after
  end
  return quantile(ratios, 0.5)
end

-- From the kill of the only worker to a result from its replacement. A shell sends the signal; its waking
-- up is counted in.
local function replacement(repeats)
  local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
  local shell <close> = io.popen("sh", "w")
  shell:setvbuf "no"
  local times = {}
  local function whoami() return tine.worker.pid end
  for i = 1, repeats do
    local pid = pool:submit(whoami):result()
    nap.sleep(0.02)
    local start = now()
    shell:write(("kill -KILL %d\n"):format(pid))
    while true do
      local ok, other = pool:submit(whoami):pcall()
      if ok and other ~= pid then break end
    end
    times[i] = now() - start
  end
  return quantile(times, 0.5)
end

-- How often the threads of these processes have been switched so far, but for the one that measures.
local function switches(pids)
  local sum, own = 0, tostring(processes.self())
  for _, pid in ipairs(pids) do
    for thread in lfs.dir(("/proc/%d/task"):format(pid)) do
      local path = ("/proc/%d/task/%s/status"):format(pid, thread)
      local counts = thread:match "%d" and thread ~= own
      local status = counts and processes.read(path) or ""
      for n in status:gmatch "ctxt_switches:%s*(%d+)" do sum = sum + n end
    end
  end
  return sum
end

local groups = {}

function groups.quick()
  local firsts = {}
  for i = 1, 15 do firsts[i] = start_one() end
  report("start_1", quantile(firsts, 0.5))

  for _, workers in ipairs { 2, 8 } do
    local starts, stops = {}, {}
    for i = 1, 5 do starts[i], stops[i] = start_and_stop(workers) end
    report("start_" .. workers, quantile(starts, 0.5))
    report("stop_" .. workers, quantile(stops, 0.5))
  end

  report("pss", idle_pss())

  local pool <close> = tine.pool { workers = 2 }
  warm(pool, 2)

  run_all(pool, noop, 10000)
  report("noops", NOOPS / timed(run_all, pool, noop, NOOPS))
  collectgarbage()

  local trips = round_trips(pool, noop, ROUND_TRIPS)
  report("round_trip", quantile(trips, 0.5))
  report("round_trip_p99", quantile(trips, 0.99))

  local text = ("x"):rep(1 << 20)
  report("echo_1m", median_time(50, function() pool:submit(echo, text):result() end))
  text = ("x"):rep(64 << 20)
  local function echo_64m()
    pool:submit(echo, text):result()
    collectgarbage()
  end
  for _ = 1, 5 do echo_64m() end -- until both workers, and the machine, have the memory
  report("echo_64m", median_time(7, echo_64m))
  text = nil -- luacheck: ignore
  collectgarbage()
  local list = records(1000)
  report("echo_records", median_time(50, function() pool:submit(echo, list):result() end))

  local items, best = {}, math.huge
  for i = 1, MAP_ITEMS do items[i] = i end
  for _, size in ipairs(MAP_CHUNKS) do best = math.min(best, timed(run_map, pool, increment, items, size)) end
  report("map", MAP_ITEMS / best)
  report("map_unchunked", MAP_ITEMS / timed(run_map, pool, increment, items))
  items = nil -- luacheck: ignore
  collectgarbage()

  report("efficiency_100us", efficiency(pool, 100e-6, 3000))
  report("efficiency_10us", efficiency(pool, 10e-6, 30000))
  local factor, share = scaling()
  report("scaling", factor)
  report("scaling_share", share)
  report("replace", replacement(9))
end

function groups.big()
  local ballast = {}
  for i = 1, 1024 do ballast[i] = ("x"):rep(1 << 20) .. i end
  report("replace_1g", replacement(9))
  assert(#ballast == 1024)
end

-- The cost of a task as the work grows.
function groups.flat()
  for _, workers in ipairs { 1, 2, 8, 64 } do
    local pool <close> = tine.pool { workers = workers }
    warm(pool, workers)
    run_all(pool, noop, 10000)
    report("noops_workers_" .. workers, NOOPS / timed(run_all, pool, noop, NOOPS))
  end
  local pool <close> = tine.pool { workers = 2 }
  run_all(pool, noop, 10000)
  report("task_1e3", median_time(101, run_all, pool, noop, 1000) / 1000)
  for power = 4, 6 do
    local count = math.tointeger(10 ^ power)
    report("task_1e" .. power, timed(run_all, pool, noop, count) / count)
    collectgarbage()
  end
  local hundred = timed(function()
    for _ = 1, 100 do run_all(pool, noop, 100000) end -- ten million, a hundred thousand at a time
  end)
  report("task_1e7", hundred / 1e7)
end

-- A million submits, of one priority and of ten, in turns.
function groups.priorities()
  local pool <close> = tine.pool { workers = 2 }
  warm(pool, 2)
  local views, count = {}, 1000000
  for i = 1, 10 do views[i] = pool:with { priority = i } end
  local function submits(mixed)
    local futures = {}
    local elapsed = timed(function()
      for i = 1, count do
        local priority = i * 7 % 10 + 1
        futures[i] = views[mixed and priority or 1]:submit(noop)
      end
    end)
    for i = 1, count do futures[i]:result() end
    return elapsed
  end
  submits(false)
  for _, kind in ipairs { "equal", "mixed" } do
    collectgarbage()
    report("submits_" .. kind, submits(kind == "mixed"))
  end
end

-- The first submit of a program with many modules, and of one that loads them when its pool is open.
function groups.modules()
  local function first_submit(late)
    if not late then modules.load(1, 200) end
    local pool <close> = tine.pool { workers = 1 }
    if late then modules.load(201, 400) end
    local elapsed = timed(pool.submit, pool, noop)
    collectgarbage()
    return elapsed
  end
  report("first_submit", first_submit(false))
  report("first_submit_late", first_submit(true))
end

-- How often any thread of a pool that has nothing to do wakes up in a second.
function groups.idle()
  local pool <close> = tine.pool { workers = 2 }
  warm(pool, 2)
  local pids = processes.family(pool:submit(function() return tine.worker.pid end):result())
  pids[#pids + 1] = processes.self()
  nap.sleep(0.2)
  local before = switches(pids)
  nap.sleep(2)
  report("idle_wakeups", (switches(pids) - before) / 2)
end

-- Round trips while other programs want both processors.
function groups.busy()
  local hog = "sh -c 'while :; do :; done' & "
  local hogs <close> = io.popen(hog .. "one=$!; " .. hog .. "two=$!; read -r _; kill $one $two", "w")
  assert(hogs)
  nap.sleep(0.2)
  local pool <close> = tine.pool { workers = 2 }
  warm(pool, 2)
  report("round_trip_busy", quantile(round_trips(pool, noop, 1000), 0.5))
end

for _, name in ipairs(arg[1] and arg or { "quick" }) do groups[name]() end
