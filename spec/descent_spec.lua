-- timeout: 240
-- Pools and forked children of a worker's tasks, which descend from the worker: they do no harm to its own pool.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local pools = require "spec.support.pools"
local posix = require "spec.support.posix"
local processes = require "spec.support.processes"

lazy_teardown(function() os.execute("rm -r " .. posix.folder) end)

for _, how in ipairs { "fork", "spawn" } do
  describe(("in a worker of a pool with start_method = %q"):format(how), function()
    setup(function()
      tine.pool { workers = 1, start_method = how }:shutdown() -- what they descend from stays
      leftovers.note()
    end)
    teardown(leftovers.none)

    -- What `body` gives in a child that a task forks, and what the task and the next one give then.
    local function in_child(body)
      local pool <close> = tine.pool { workers = 1, start_method = how }
      local name = os.tmpname()
      local ended = pool:submit(function()
        local child = posix.fork()
        if child == 0 then
          local file <close> = io.open(name, "w")
          file:write(tostring(select(2, pcall(body))))
          file:close()
          posix.exit(0)
        end
        return posix.wait(child)
      end):result(60)
      assert.equal("exit", ended)
      assert.equal(7, pool:submit(math.abs, -7):result(20))
      local file <close> = io.open(name)
      os.remove(name)
      return file:read "a"
    end

    -- It wrote into its parent's results, which were lost with it; or waited for ever.
    it("a child that a task forks cannot submit to the pool", function()
      assert.equal("forked", in_child(function()
        return tine.kind(select(2, pcall(tine.worker.pool.submit, tine.worker.pool, math.abs, -1)))
      end))
    end)

    it("a child that a task forks may tell its progress, and nobody hears", function()
      assert.equal("1", in_child(function()
        for i = 1, 1000 do tine.worker.progress(i, 1000, "text") end
        return tine.worker.emit(1) or 1
      end))
    end)

    -- Its workers took themselves for such children, and ended after their first task.
    it("a child that a task forks may have a pool of its own", function()
      assert.equal("3", in_child(function()
        local own <close> = tine.pool(1)
        return own:submit(math.abs, -1):result(20) + own:submit(math.abs, -2):result(20)
      end))
      assert.equal("2", in_child(function()
        local own <close> = tine.pool { workers = 0 }
        return own:submit(math.abs, -2):result(20)
      end))
    end)

    -- A child of an initializer became a second worker, which waited for tasks for ever.
    it("a child that an initializer or a preload forks ends where its parent goes on", function()
      for _, when in ipairs { "initializer", "preload" } do
        local function forks()
          package.loaded.spec_child = posix.fork()
        end
        local pool <close> = tine.pool { workers = 1, start_method = how, [when] = forks }
        local child = pool:submit(function() return package.loaded.spec_child end):result(20)
        eventually(function() return not processes.alive(child) end, "the child of the " .. when .. " ends", 10)
        assert.equal(7, pool:submit(math.abs, -7):result(20))
      end
    end)

    -- The inner pool's fork server had inherited the table of the outer one's workers: those with a lower number than
    -- the worker that it descends from. They were killed with its own.
    it("killing the workers of a pool of its own kills no sibling", function()
      local pool <close> = tine.pool { workers = 3, start_method = how }
      pools.fill(pool, 3)
      local opens, waits, futures = {}, {}, {}
      for i = 1, 3 do
        waits[i], opens[i] = gate()
        futures[i] = pool:submit(function(wait)
          local inner = tine.pool { workers = 1, start_method = how }
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
        local inner <close> = tine.pool { workers = 1, start_method = how }
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
