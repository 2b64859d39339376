-- pool:join, try_submit, shutdown{timeout}, clock and sleep, what as_completed gives, and the two timeouts of workers.
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local program = require "spec.support.program"
local tine = require "tine"

local function loop() while true do end end

describe("pool:join", function()
  it("waits until nothing is unfinished, what callbacks submit included", function()
    local pool <close> = tine.pool(2)
    local order = {}
    pool:submit(math.abs, -1):add_done_callback(function(f)
      order[#order + 1] = f:result()
      pool:submit(math.abs, -2):add_done_callback(function(g) order[#order + 1] = g:result() end)
    end)
    assert.is_true(pool:join())
    assert.same({ 1, 2 }, order)
    assert.is_true(pool:join(0))
    assert.equal(3, pool:submit(math.abs, -3):result()) -- it is still open
  end)

  it("gives false when its time is over", function()
    local wait, open = gate()
    local pool <close> = tine.pool(1)
    pool:submit(wait)
    assert.is_false(pool:join(0.01))
    open()
    assert.is_true(pool:join())
  end)

  it("takes map's chunks for what they are", function()
    local pool <close> = tine.pool(2)
    local map = pool:map(function(x) return x end, { 1, 2, 3 })
    assert.is_true(pool:join())
    assert.same({ 1, 2, 3, n = 3 }, map:totable())
  end)

  it("checks its argument", function()
    local pool <close> = tine.pool(1)
    assert.has_error(function() pool:join("x") end)
    assert.has_error(function() pool:join(0 / 0) end)
  end)
end)

describe("pool:try_submit", function()
  it("gives nil and \"full\" where submit would wait", function()
    local wait, open = gate()
    local pool <close> = tine.pool { workers = 1, max_pending = 2 }
    local first = pool:submit(wait)
    local second = pool:try_submit(math.abs, -2)
    assert.equal(2, select("#", pool:try_submit(math.abs, -3)))
    local none, why = pool:with { label = "x" }:try_submit(math.abs, -3)
    assert.is_nil(none)
    assert.equal("full", why)
    assert.equal(2, pool:stats().submitted)
    open()
    first:result()
    assert.equal(2, second:result())
    assert.equal(4, pool:try_submit(math.abs, -4):result())
  end)

  it("fails as submit does", function()
    local pool = tine.pool(1)
    assert.equal("serialization", tine.kind(pool:try_submit(print, coroutine.create(print)):exception()))
    pool:shutdown()
    local ok, err = pcall(pool.try_submit, pool, math.abs, -1)
    assert.is_false(ok)
    assert.equal("shutdown", tine.kind(err))
  end)
end)

describe("shutdown with a timeout", function()
  it("kills what is left after it, and gives false", function()
    local pool = tine.pool(1)
    local running, pending = pool:submit(loop), pool:submit(math.abs, -1)
    eventually(function() return running:running() end)
    assert.is_false(pool:shutdown { timeout = 0.05 })
    for _, future in ipairs { running, pending } do
      local err = future:exception()
      assert.equal("broken", tine.kind(err))
      assert.equal("the pool's workers were killed: they had not finished in the time allowed (shutdown, timeout)",
        err.message)
    end
  end)

  it("cancels pending tasks at once when it is to", function()
    local pool = tine.pool(1)
    local running, pending = pool:submit(loop), pool:submit(math.abs, -1)
    eventually(function() return running:running() end)
    assert.is_false(pool:shutdown { timeout = 0.05, cancel_futures = true })
    assert.equal("broken", tine.kind(running:exception()))
    assert.is_true(pending:cancelled())
  end)

  it("gives true when all has ended in time", function()
    assert.is_true(tine.pool(1):shutdown { timeout = 20 })
    assert.is_true(tine.pool(1):shutdown())
    assert.has_error(function() tine.pool(1):shutdown { wait = false, timeout = 1 } end)
  end)
end)

describe("tine.clock and tine.sleep", function()
  it("go forward, and stand still, in tasks too", function()
    local before = tine.clock()
    tine.sleep(0.02)
    assert.is_true(tine.clock() - before >= 0.02)
    local pool <close> = tine.pool(1)
    assert.is_true(pool:submit(function()
      local t = require "tine"
      local start = t.clock()
      t.sleep(0.02)
      return t.clock() - start >= 0.02
    end):result())
    tine.sleep(-1)
    assert.has_error(function() tine.sleep() end)
    assert.has_error(function() tine.sleep(0 / 0) end)
  end)
end)

describe("what as_completed gives", function()
  it("takes more while it runs, each once", function()
    local pool <close> = tine.pool(2)
    local a, b = pool:submit(math.abs, -1), pool:submit(math.abs, -2)
    local it, sum, n = tine.as_completed { a, b, a }, 0, 0
    for future in it do
      n, sum = n + 1, sum + future:result()
      if n == 1 then assert.equal(it, it:add(a, b, pool:submit(math.abs, -3), tine.future())) end
      if n == 3 then break end
    end
    assert.equal(6, sum)
    assert.has_error(function() it:add(5) end)
    assert.has_error(function() it.add({}, a) end)
  end)

  it("goes on with what was added after its end", function()
    local pool <close> = tine.pool(1)
    local it = tine.as_completed {}
    assert.is_nil(it())
    it:add(pool:submit(math.abs, -7))
    assert.equal(7, it():result())
    assert.is_nil(it())
  end)
end)

describe("a worker that hangs", function()
  it("in its finalizers when it leaves is killed after exit_timeout", function()
    -- It took its place away for ever.
    local ended = program.run [[
      local tine = require "tine"
      local pool = tine.pool { workers = 2, max_tasks_per_worker = 1, exit_timeout = 0.1 }
      local fs = {}
      for i = 1, 6 do
        fs[i] = pool:submit(function(n)
          KEEP = setmetatable({}, { __gc = function() while true do end end })
          return n
        end, i)
      end
      for i = 1, 6 do assert(fs[i]:result(20) == i) end
      pool:shutdown()
      print "done"]]
    assert.same({ "done\n", "", 0 }, { ended.out, ended.err, ended.code })
  end)

  it("in its initializer holds up nothing but itself", function()
    local ended = program.run [[
      local tine = require "tine"
      local pool = tine.pool { workers = 1, exit_timeout = 0.1, initializer = function() while true do end end }
      local f = pool:submit(math.abs, -1)
      f:cancel()
      pool:shutdown()
      print "done"]]
    assert.same({ "done\n", "", 0 }, { ended.out, ended.err, ended.code })
  end)

  it("in its initializer breaks the pool after start_timeout", function()
    local reason
    local pool = tine.pool { workers = 1, start_timeout = 0.1, initializer = loop,
                             on_worker_exit = function(exit) reason = exit.reason end }
    local err = pool:submit(math.abs, -1):exception()
    assert.equal("broken", tine.kind(err))
    assert.matches("initializer.*start_timeout", tostring(err))
    pool:shutdown()
    assert.equal("initializer", reason) -- it was "killed"
  end)

  -- The word of a worker that was ready in time lay unread, since the program was stopped, as by Ctrl-Z; and when it
  -- went on its time was looked at first.
  it("is not one that was ready in time, though the program was stopped", function()
    local ended = program.run [[
      local tine = require "tine"
      local go, ran = os.tmpname(), os.tmpname()
      os.remove(go)
      os.remove(ran)
      local function exists(name)
        local file <close> = io.open(name)
        return file ~= nil
      end
      local pool = tine.pool { workers = 1, start_timeout = 1, initializer = function()
        while not exists(go) do tine.sleep(0.001) end
      end }
      local future = pool:submit(function() assert(io.open(ran, "w")):close() end)
      os.execute(("kill -STOP $PPID; touch %s; until [ -e %s ]; do sleep 0.01; done; sleep 1; kill -CONT $PPID")
        :format(go, ran))
      local stop = tine.clock() + 0.05 -- the pool's thread goes on, too
      repeat until tine.clock() > stop
      print(future:pcall())
      pool:shutdown()
      os.remove(go)
      os.remove(ran)]]
    assert.same({ "true\n", "", 0 }, { ended.out, ended.err, ended.code })
  end)
end)
