-- What the benchmarks that print lines of `measure value` have in common. Times are in seconds, memory in bytes.
local nap = require "nap"
local processes = require "spec.support.processes"

local M = {}

local now = nap.now
M.now = now

function M.report(measure, value) print(measure, ("%.9g"):format(value)) end

function M.timed(fn, ...)
  local start = now()
  fn(...)
  return now() - start
end

function M.quantile(times, q)
  table.sort(times)
  return times[math.max(1, math.ceil(#times * q))]
end

function M.median_time(repeats, fn, ...)
  local times = {}
  for i = 1, repeats do times[i] = M.timed(fn, ...) end
  return M.quantile(times, 0.5)
end

-- --- of processes ----------------------------------------------------------------------------------------------

-- The proportional set size of a process.
function M.pss(pid) return processes.read(("/proc/%s/smaps_rollup"):format(pid)):match "\nPss:%s*(%d+)" * 1024 end

-- How long a process has run so far.
function M.run_time(pid) return processes.read(("/proc/%d/schedstat"):format(pid)):match "%d+" / 1e9 end

-- The same of all workers of a pool.
function M.workers_run_time(pool)
  local sum = 0
  for _, worker in ipairs(pool:workers()) do sum = sum + M.run_time(worker.pid) end
  return sum
end

-- --- of tasks --------------------------------------------------------------------------------------------------
--
-- Their functions are the caller's own: one of this module would go by its name, and workers would load it.

function M.records(count)
  local list = {}
  for i = 1, count do
    list[i] = { id = i, name = "name " .. i, score = i / 3, tags = { "a", "b" }, ok = i % 2 == 0 }
  end
  return list
end

-- Let each of the workers have run a task that holds it, until none is only starting: they come as they are wanted, and
-- beside a start everything is slow. (Tine 0.1 does not tell of its workers.)
function M.warm(pool, workers, hold)
  local starting
  repeat
    M.run_all(pool, hold, workers)
    starting = false
    for _, worker in ipairs(pool.workers and pool:workers() or {}) do
      starting = starting or worker.state == "starting"
    end
  until not starting
end

function M.run_all(pool, fn, count)
  local futures = {}
  for i = 1, count do futures[i] = pool:submit(fn) end
  for i = 1, count do futures[i]:result() end
end

function M.run_map(pool, fn, items, chunksize)
  for _ in pool:map(fn, items, { chunksize = chunksize }) do end -- luacheck: ignore
end

function M.round_trips(pool, fn, count)
  local trips = {}
  for i = 1, count do trips[i] = M.timed(function() pool:submit(fn):result() end) end
  return trips
end

return M
