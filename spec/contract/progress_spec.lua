-- Progress: what a task tells of how far it has come; only the last is kept.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"

describe("progress", function()
  teardown(leftovers.none)

  it("is seen while the task runs, and stays when it has ended", function()
    local pool <close> = tine.pool { workers = 1, grace = 20 }
    finally(function() pool:kill_workers() end)
    local wait, open = gate()
    local future = pool:submit(function()
      tine.worker.progress(1, 10)
      tine.worker.progress(2.5, 10, "half way\0")
      wait()
      tine.worker.progress(10)
      return "a value"
    end)
    eventually(function() return future:progress() == 2.5 end, "it tells")
    assert.same({ 2.5, 10, "half way\0" }, { future:progress() })
    assert.equal("float", math.type((future:progress())))
    open()
    assert.equal("a value", future:result(20))
    assert.same({ n = 3, 10 }, table.pack(future:progress()))
    assert.equal("integer", math.type((future:progress())))
  end)

  it("is nothing before it is told, and that of no other task", function()
    local pool <close> = tine.pool { workers = 1 }
    local first = pool:submit(function() tine.worker.progress(1) end)
    local second = pool:submit(math.abs, -1)
    local third = pool:submit(function() tine.worker.progress(3, 3, "text") return ("x"):rep(100000) end)
    assert.equal(1, second:result(20))
    assert.equal(100000, #third:result(20))
    assert.same({ n = 3, 1 }, table.pack(first:progress()))
    assert.equal(0, select("#", second:progress()))
    assert.same({ 3, 3, "text" }, { third:progress() })
    assert.equal(0, select("#", tine.future():progress()))
  end)

  it("stays with a task that failed, or died", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace", grace = 0.05 }
    finally(function() pool:kill_workers() end)
    local failing = pool:submit(function() tine.worker.progress(1) error "x" end)
    local dying = pool:submit(function() tine.worker.progress(2) os.execute("kill -9 " .. tine.worker.pid) end)
    local limited = pool:with { timeout = 0.1 }
    local killed = limited:submit(function() tine.worker.progress(3) os.execute "exec sleep 600" end)
    local asked = limited:submit(function() tine.worker.progress(4) while true do end end)
    for i, future in ipairs { failing, dying, killed, asked } do
      assert.is_not_nil(future:exception(20))
      assert.same({ n = 3, i }, table.pack(future:progress()))
    end
  end)

  it("takes a label, and callbacks", function()
    local pool <close> = tine.pool { workers = 1 }
    local future = pool:with({ label = "x" }):submit(function() tine.worker.progress(7) end)
    local called = 0
    future:add_done_callback(function(f) called = called + f:progress() end)
    future:result(20)
    pool:dispatch()
    assert.equal(7, called)
    assert.matches("x", tostring(future), 1, true)
  end)

  it("takes numbers and a text only, which is cut", function()
    local pool <close> = tine.pool { workers = 1 }
    for _, wrong in ipairs { { "x" }, { {} }, { 1, "x" }, { 1, 2, {} }, {} } do
      local err = pool:submit(function(args) tine.worker.progress(table.unpack(args, 1, 3)) end, wrong):exception(20)
      assert.matches("bad argument #", err, 1, true)
    end
    local future = pool:submit(function() tine.worker.progress(1, nil, ("x"):rep(1000)) end)
    future:result(20)
    assert.same({ 1, nil, ("x"):rep(200) }, { future:progress() })
  end)
end)
