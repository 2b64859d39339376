-- Pools for specs whose tasks may never end.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"

local M = {}

-- A pool whose end no failed assertion can hold up; `finally` is that of the test.
function M.open(finally, options)
  local pool = tine.pool(options)
  finally(function()
    pool:kill_workers()
    pool:shutdown { timeout = 5 }
  end)
  return pool
end

-- What runs a task and gives its result, in a pool of one worker that all tests of a block share; `setup` and
-- `teardown` are those of the block.
function M.runner(setup, teardown)
  local pool
  setup(function() pool = tine.pool(1) end)
  teardown(function()
    pool:shutdown()
    pool = nil
  end)
  return function(...) return pool:submit(...):result(60) end
end

-- f(run, pool) with a pool that lives so long, of one worker if there are no options; `run` runs a task and gives its
-- result.
function M.with(f, options)
  local pool <close> = tine.pool(options or 1)
  return f(function(...) return pool:submit(...):result(60) end, pool)
end

-- Tasks run in n workers at once: so many are there.
function M.fill(pool, n)
  local gates, futures = {}, {}
  for i = 1, n do
    local wait, open = gate()
    gates[i], futures[i] = open, pool:submit(wait)
  end
  eventually(function()
    for i = 1, n do
      if not futures[i]:running() then return false end
    end
    return true
  end, "a task in each worker")
  for i = 1, n do gates[i]() end
  tine.wait(futures)
end

return M
