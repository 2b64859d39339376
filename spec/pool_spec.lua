-- Pools and views of them.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local pools = require "spec.support.pools"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

describe("a pool", function()
  teardown(leftovers.none)

  it("says what it is", function()
    local pool = tine.pool { workers = 3, name = "mine" }
    assert.equal("tine.pool (mine, 3 workers, open)", tostring(pool))
    pool:shutdown()
    assert.equal("tine.pool (mine, 3 workers, ended)", tostring(pool))
  end)

  it("takes a number of workers", function()
    local pool <close> = tine.pool(1)
    assert.matches("1 workers", tostring(pool))
  end)

  it("can be looked at when it has ended", function()
    local pool = tine.pool(1)
    pool:submit(math.abs, 1)
    pool:shutdown()
    assert.same({}, pool:workers())
    local stats = pool:stats()
    assert.equal(1, stats.finished)
    assert.equal(1, stats.submitted)
    pool:dispatch()
    pool:kill_workers()
    pool:terminate_workers()
    assert.equal("shutdown", tine.kind(select(2, pcall(pool.fileno, pool))))
  end)

  it("knows the task of each worker from the instant that it is taken up", function()
    -- A task that was running was nobody's until its worker had said that it runs it.
    local pool <close> = tine.pool { workers = 1, name = "seen" }
    pool:submit(math.abs, 1):result()
    for _ = 1, 1000 do
      local f = pool:submit(function() local n = 0 for i = 1, 20000 do n = n + i end return n end)
      repeat until f:running() or f:done()
      local worker = pool:workers()[1]
      if not f:done() then
        assert.equal("running", worker.state)
        assert.is_table(worker.task)
      end
      f:result()
    end
  end)

  it("that is dropped finishes its tasks and goes", function()
    local marker = os.tmpname()
    os.remove(marker)
    local pool = tine.pool(1)
    pool:submit(function(name)
      os.execute "sleep 0.1"
      assert(io.open(name, "w")):close()
    end, marker)
    pool = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    eventually(function() return os.remove(marker) end, "the task has run")
  end)

  it("that is dropped together with many others leaves nothing", function()
    for _ = 1, 20 do tine.pool(1):submit(math.abs, 1) end
    collectgarbage()
    collectgarbage()
    leftovers.none()
  end)

  it("is fine with many at a time, waited for together", function()
    local many, futures = {}, {}
    for i = 1, 40 do
      many[i] = tine.pool(1)
      futures[i] = many[i]:submit(math.abs, -i)
    end
    local sum = 0
    for f in tine.as_completed(futures) do sum = sum + f:result() end
    assert.equal(820, sum)
    for _, pool in ipairs(many) do pool:shutdown { wait = false } end
    for _, pool in ipairs(many) do pool:shutdown() end
  end)

  it("waits in submit while max_pending tasks are unfinished", function()
    local pool <close> = tine.pool { workers = 1, max_pending = 3 }
    for i = 1, 50 do
      pool:submit(math.abs, i)
      local s = pool:stats()
      assert.is_true(s.pending + s.running <= 3)
    end
  end)

  it("that ends while submit waits says so", function()
    local pool <close> = tine.pool { workers = 1, max_pending = 1 }
    pool:submit(function() os.exit(9) end)
    local ok, err
    for _ = 1, 3 do
      ok, err = pcall(pool.submit, pool, math.abs, 1)
      if not ok then break end
    end
    assert.is_false(ok)
    assert.equal("broken", tine.kind(err))
  end)

  it("inside a task is a pool like any", function()
    local pool <close> = tine.pool(1)
    assert.equal(55, pool:submit(function()
      local inner <close> = require "tine".pool(2)
      local sum = 0
      for _, v in inner:map(function(n) return n end, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }) do sum = sum + v end
      return sum
    end):result())
  end)

  it("may preload a module that requires tine", function()
    local pool <close> = tine.pool { workers = 1, preload = "tine" }
    assert.equal(1, pool:submit(function() return require "tine".worker.id end):result())
    assert.is_nil(tine.worker)
  end)

  describe("seen through a view", function()
    it("labels tasks, views of views too", function()
      local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
      local view = pool:with { label = "outer" }
      assert.equal("tine.view (outer)", tostring(view))
      assert.matches("outer", tostring(view:submit(math.abs, 1)))
      assert.matches("inner", tostring(view:with { label = "inner" }:submit(math.abs, 1)))
      local limited = view:with { timeout = 0.05 }
      local err = limited:submit(function() while true do end end):exception()
      assert.equal("timeout", tine.kind(err))
      assert.equal("outer", err.task.label)
    end)

    it("lives as long as the view", function()
      local view = tine.pool(1):with { label = ("l"):rep(1000) }
      collectgarbage()
      collectgarbage()
      local f = view:submit(math.abs, -6)
      view = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.equal(6, f:result())
      assert.matches(("l"):rep(1000), tostring(f), 1, true)
    end)

    it("has submit and map, and nothing that ends it", function()
      local pool <close> = tine.pool(1)
      local view = pool:with {}
      assert.is_nil(view.shutdown)
      assert.equal(3, view:map(math.abs, { -1, -2, -3 }):totable().n)
    end)
  end)

  describe("at the end of the program", function()
    it("lets callbacks run while lua_close waits", function()
      local p = program.run [[
        local tine = require "tine"
        local pool = tine.pool(1)
        local f = pool:submit(function() os.execute "sleep 0.1" return {"decoded"} end)
        f:add_done_callback(function(g) print(g:result()[1]) end)
      ]]
      assert.equal("decoded\n", p.out)
      assert.equal("", p.err)
    end)

    it("is closed to finalizers that come later", function()
      local p = program.run [[
        first = setmetatable({}, { __gc = function()
          local ok, err = pcall(keep.submit, keep, math.abs, 1)
          print(ok, tine.kind(err))
        end })
        tine = require "tine"
        keep = tine.pool(1)
        keep:submit(math.abs, 1)
      ]]
      assert.equal("false\tinvalid_state\n", p.out)
      assert.equal("", p.err)
    end)

    it("gives everything back to a program that opens another state", function()
      local p = program.run [[
        local tine = require "tine"
        for i = 1, 50 do
          local f = tine.pool(1):submit(string.rep, "x", 100000)
          if i % 2 == 0 then f:result() end
        end
      ]]
      assert.equal("", p.err)
      assert.equal(0, p.code)
    end)
  end)

  it("has its tasks run when the worker that just looks for them is stopped", function()
    local pool = tine.pool { workers = 2, spin = 10 }
    local stopped = {}
    finally(function()
      for pid in pairs(stopped) do processes.signal("CONT", pid) end
      pool:kill_workers()
      pool:shutdown()
    end)
    local wait, open = gate()
    local blocked = pool:submit(wait)
    assert.equal(0, pool:submit(math.abs, 0):result())
    open()
    blocked:result()
    for _ = 1, 10 do
      local looks = eventually(function()
        assert.equal(0, pool:submit(math.abs, 0):result())
        for _, worker in ipairs(pool:workers()) do
          if processes.status(worker.pid, "State"):match "^R" then return worker.pid end
        end
      end)
      stopped[looks] = true
      processes.signal("STOP", looks)
      for n = 1, 3 do assert.equal(n, pool:submit(math.abs, -n):result(20)) end
      processes.signal("CONT", looks)
    end
  end)

  -- The one wake-up for a task went to the first of those that slept; when that one was stopped (by a debugger, say),
  -- the task lay there for good, beside workers with nothing to do.
  it("has its tasks run when a worker that sleeps is stopped", function()
    local pool = tine.pool { workers = 3, spin = 0 }
    local stopped = {}
    finally(function()
      for _, pid in ipairs(stopped) do processes.signal("CONT", pid) end
      pool:kill_workers()
      pool:shutdown()
    end)
    pools.fill(pool, 3)
    for _, worker in ipairs(pool:workers()) do
      eventually(function() return processes.status(worker.pid, "State"):match "^S" end)
    end
    for n = 1, 2 do
      stopped[n] = pool:workers()[n].pid
      processes.signal("STOP", stopped[n])
      assert.equal(n, pool:submit(math.abs, -n):result(4)) -- the manager looks each five seconds
    end
  end)
end)
