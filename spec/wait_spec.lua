-- Waiting: for one future, for several, for nothing that could come, and being interrupted.
local tine = require "tine"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local program = require "spec.support.program"

describe("waiting", function()
  local pool
  setup(function() pool = tine.pool { workers = 2 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  it("for what nothing can bring raises invalid_state instead of hanging", function()
    local f = tine.future()
    for _, wait in ipairs {
      function() f:result() end, function() f:exception() end, function() tine.wait { f } end,
      function() tine.as_completed { f }() end,
    } do
      local ok, err = pcall(wait)
      assert.is_false(ok)
      assert.equal("invalid_state", tine.kind(err))
    end
    assert.equal("timeout", tine.kind(select(2, f:pcall(0.01))))
  end)

  it("for a future without pool goes on while a task may still set it", function()
    local f = tine.future()
    pool:submit(os.execute, "sleep 0.05"):add_done_callback(function() f:set_result "by the callback" end)
    assert.equal("by the callback", f:result())
  end)

  it("checks timeouts", function()
    local f = pool:submit(math.abs, -2)
    assert.equal(2, f:result(math.huge))
    assert.has_error(function() f:result(0 / 0) end)
    assert.has_error(function() f:result "soon" end)
    assert.has_error(function() tine.wait({ f }, { timeout = 0 / 0 }) end)
    assert.has_error(function() tine.as_completed({ f }, 0 / 0) end)
    assert.equal(2, f:result(-1))
    assert.equal(2, f:result(0))
  end)

  describe("tine.wait", function()
    it("with a timeout leaves nothing behind in the futures", function()
      local f = tine.future()
      for _ = 1, 100 do tine.wait({ f }, { timeout = 0 }) end
      f:add_done_callback(function() end)
      for _ = 1, 100 do tine.wait({ f }, { timeout = 0 }) end
      f:set_result(1)
      assert.same({ { f }, {} }, { tine.wait { f } })
    end)

    it("returns at the first exception, cancelled ones do not count", function()
      local own <close> = tine.pool { workers = 1 }
      local running = own:submit(os.execute, "sleep 0.1")
      local cancelled, failing = own:submit(math.abs, 1), own:submit(error, "x")
      local later = own:submit(os.execute, "sleep 0.1")
      cancelled:cancel()
      local done, open = tine.wait({ running, cancelled, failing, later }, { return_when = "first_exception" })
      assert.is_true(failing:done())
      assert.same({ running, cancelled, failing }, done)
      assert.same({ later }, open)
    end)

    it("inside a callback inside tine.wait sees the same future", function()
      local f = pool:submit(math.abs, 1)
      local inner
      f:add_done_callback(function() inner = #tine.wait { f, f } end)
      assert.equal(1, #tine.wait { f })
      assert.equal(1, inner)
    end)
  end)

  describe("tine.as_completed", function()
    it("that is left early may be started again", function()
      local futures = {}
      for i = 1, 10 do futures[i] = pool:submit(math.abs, i) end
      tine.as_completed(futures)()
      local sum = 0
      for f in tine.as_completed(futures) do sum = sum + f:result() end
      assert.equal(55, sum)
    end)

    it("twice at a time gives each to both", function()
      local futures = {}
      for i = 1, 10 do futures[i] = pool:submit(math.abs, i) end
      local a, b, sum = tine.as_completed(futures), tine.as_completed(futures), 0
      for _ = 1, 10 do sum = sum + a():result() + b():result() end
      assert.equal(110, sum)
      assert.is_nil(a())
      assert.is_nil(b())
    end)

    it("mixes manual futures in", function()
      local f = tine.future()
      local g = pool:submit(math.abs, 1)
      g:add_done_callback(function() f:set_result(2) end)
      local n = 0
      for h in tine.as_completed { f, g } do n = n + h:result() end
      assert.equal(3, n)
    end)
  end)

  it("in one pool hears of what happens in others, which have nothing to do", function()
    local wait, open = gate()
    local told
    finally(open)
    local other = tine.pool {
      workers = 1,
      on_crash = "replace",
      on_worker_exit = function(exit)
        told = exit.reason
        open()
      end,
    }
    local pid = other:submit(function() return tine.worker.pid end):result()
    local f = pool:submit(wait)
    os.execute("kill -KILL " .. pid)
    f:result(30) -- the gate is opened by the callback
    assert.equal("crash", told)
    other:shutdown()
  end)

  it("for a pool that has ended before anybody could be told ends", function()
    for _ = 1, 50 do
      local broken = tine.pool { workers = 1, preload = function() error("no data", 0) end }
      broken:shutdown()
    end
  end)

  describe("and a debug hook, as lua.c sets it at SIGINT", function()
    local function interrupt() error("interrupted!", 0) end
    local signal = [[
      local tine = require "tine"
      local pool = tine.pool(1)
      local stat <close> = io.open "/proc/self/stat"
      local me = stat:read "n"
      local f = pool:submit(function(pid) os.execute("sleep 0.1; kill -INT " .. pid) os.execute "sleep 30" end, me)
    ]]

    it("ends a wait at once", function()
      local p = program.run(signal .. [[print(select(2, pcall(f.result, f))) pool:kill_workers()]])
      assert.equal("interrupted!\n", p.out)
    end)

    it("ends a wait in a coroutine", function()
      local p = program.run(signal .. [[
        print(coroutine.wrap(function() return select(2, pcall(f.result, f)) end)())
        pool:kill_workers() print "and once only"]])
      assert.equal("interrupted!\nand once only\n", p.out)
    end)

    it("that was set before is run before sleeping", function()
      local f = pool:submit(os.execute, "sleep 0.2")
      local ok, err = pcall(function()
        debug.sethook(function()
          debug.sethook()
          interrupt()
        end, "crl", 1)
        f:result()
      end)
      debug.sethook()
      assert.is_false(ok)
      assert.matches("interrupted!", err)
    end)
  end)
end)
