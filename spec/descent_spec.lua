-- timeout: 240
-- Pools and forked children of a worker's tasks, which descend from the worker: they do no harm to its own pool.
local tine = require "tine"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local pools = require "spec.support.pools"

for _, how in ipairs { "fork", "spawn" } do
  describe(("in a worker of a pool with start_method = %q"):format(how), function()
    setup(function()
      tine.pool { workers = 1, start_method = how }:shutdown() -- what they descend from stays
      leftovers.note()
    end)
    teardown(leftovers.none)

    -- The inner pool's fork server had inherited the table of the outer one's workers: those with a lower number than
    -- the worker that it descends from. They were killed with its own.
    it("killing the workers of a pool of its own kills no sibling", function()
      local pool <close> = tine.pool { workers = 3, start_method = how }
      pools.fill(pool, 3)
      local opens, waits, futures = {}, {}, {}
      for i = 1, 3 do
        waits[i], opens[i] = gate()
        futures[i] = pool:submit(function(wait)
          local inner = require("tine").pool { workers = 1, start_method = how }
          inner:submit(math.abs, -1):result(20)
          wait()
          inner:kill_workers()
          return tine.worker.pid
        end, waits[i])
      end
      for i = 1, 3 do opens[i]() end
      local pids = {}
      for i = 1, 3 do pids[futures[i]:result(60)] = true end
      for _ = 1, 20 do assert.is_true(pids[pool:submit(function() return tine.worker.pid end):result(20)]) end
    end)
  end)
end
