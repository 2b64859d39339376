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

    -- The inner pool's workers took themselves to be in the midst of the task that had made it, and led their output to
    -- where its descriptors were: "the output of the task cannot be diverted".
    it("a pool that a task with captured output makes prints there", function()
      local pool <close> = tine.pool { workers = 1, start_method = how, output = "capture" }
      local future = pool:submit(function()
        print "before"
        local inner <close> = require("tine").pool { workers = 1, start_method = how }
        inner:submit(print, "within"):result(20)
        inner:submit(print, "again"):result(20)
        print "after"
      end)
      future:result(20)
      assert.equal("before\nwithin\nagain\nafter\n", future:output())
    end)

    -- The timer by which a request to end is repeated is not inherited, but it was noted that there was one.
    it("a task of its own pool is asked to end again, if it has not heard the first time", function()
      local pool <close> = tine.pool { workers = 1, start_method = how }
      local name = os.tmpname()
      -- The request comes while the task's own hook sleeps, which then removes the hook that the request has set.
      local function deaf()
        local tine = require "tine"
        local file <close> = io.open(name, "w")
        file:write "begun"
        file:close()
        debug.sethook(function()
          tine.sleep(60)
          debug.sethook()
        end, "", 1)
        while true do end
      end
      local function begun()
        local file <close> = io.open(name)
        return file:read "a" == "begun"
      end
      local first = pool:submit(deaf)
      repeat until begun()
      first:abort()
      assert.equal("cancelled", tine.kind(select(2, first:pcall(20))))
      os.remove(name)
      io.open(name, "w"):close()
      assert.is_true(pool:submit(function()
        local tine = require "tine"
        local inner <close> = tine.pool { workers = 1, start_method = how, on_crash = "replace" }
        local pid = inner:submit(function() return tine.worker.pid end):result(20)
        local second = inner:submit(deaf)
        repeat until begun()
        second:abort()
        second:pcall(20)
        return inner:submit(function() return tine.worker.pid end):result(20) == pid
      end):result(60))
      os.remove(name)
    end)
  end)
end
