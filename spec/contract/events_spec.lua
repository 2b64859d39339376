-- Events: what a task emits, who reads it, and how many are kept for him.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local pools = require "spec.support.pools"

-- Emits 1 .. n, and says after each how far it is.
local function emitter(n)
  for i = 1, n do
    tine.worker.emit(i)
    tine.worker.progress(i)
  end
  return n
end

local function count(future)
  local n = 0
  for i in future:events() do
    n = n + 1
    assert.equal(n, i)
  end
  return n
end

local function pool_of(options) return pools.open(finally, options) end

-- Its task has come to the n-th event, and stays there.
local function stands_at(future, n)
  eventually(function() return future:progress() == n end, "it comes to " .. n)
  assert.equal("running", future:state())
  tine.sleep(0.02) -- would show more than n: nobody waits for it to happen
  assert.equal(n, (future:progress()))
end

describe("events", function()
  teardown(leftovers.none)

  -- They vanished, though there was room: the parts of a result that a task leaves when its time is over.
  it("of a task that was asked to end come, too", function()
    for _, workers in ipairs { 1, not os.getenv "TINE_SPEC_BACKEND" and 0 or nil } do
      local pool = pool_of { workers = workers }
      local future = pool:with { timeout = 0.05, grace = 20 }:submit(function()
        local _ <close> = setmetatable({}, { __close = function() tine.worker.emit "closing" end })
        local ok, err = pcall(function() while true do end end)
        tine.worker.emit(ok, tine.kind(err))
        error(err, 0)
      end)
      assert.equal("timeout", tine.kind(future:exception(20)))
      local next_event = future:events()
      assert.same({ false, "timeout" }, { next_event() })
      assert.equal("closing", next_event())
      assert.is_nil(next_event())
    end
  end)

  it("come with all their values, in order, before the end", function()
    local pool = pool_of { workers = 1 }
    local future = pool:submit(function()
      tine.worker.emit()
      tine.worker.emit(1, nil, "two", nil)
      tine.worker.emit({ list = { 1, 2 } }, 0.5)
      tine.worker.emit(("x"):rep(300000))
      tine.worker.emit(string.rep, function(a) return a + 1 end)
      return "end"
    end)
    local next_event = future:events()
    assert.equal(0, select("#", next_event()))
    assert.same({ n = 4, 1, nil, "two" }, table.pack(next_event()))
    assert.same({ { list = { 1, 2 } }, 0.5 }, { next_event() })
    assert.equal(300000, #next_event())
    local rep, inc = next_event()
    assert.equal(string.rep, rep)
    assert.equal(4, inc(3))
    assert.is_nil(next_event())
    assert.is_nil(next_event())
    assert.equal("end", future:result(0))
  end)

  it("are waited for, and read while the task runs", function()
    local pool = pool_of { workers = 1 }
    local wait, open = gate()
    local future = pool:submit(function()
      tine.worker.emit "ready"
      wait()
      tine.worker.emit "opened"
    end)
    local next_event = future:events()
    assert.equal("ready", next_event())
    assert.is_true(future:running())
    open()
    assert.equal("opened", next_event())
    assert.is_nil(next_event())
    assert.is_true(future:done())
  end)

  it("that nobody has read are there when the task has ended", function()
    local pool = pool_of { workers = 1 }
    local future = pool:submit(emitter, 500)
    assert.equal(500, future:result(20))
    pool:shutdown()
    collectgarbage()
    assert.equal(500, count(future))
    assert.equal(0, count(future))
  end)

  it("of a failed task, of a killed one and of each attempt are there, too", function()
    local pool = pool_of { workers = 1, on_crash = "replace" }
    local function fail(how)
      tine.worker.emit(1)
      tine.worker.emit(2)
      if how == "error" then error "x" end
      os.execute("kill -9 " .. tine.worker.pid)
      while true do end
    end
    for _, how in ipairs { "error", "crash" } do
      local future = pool:submit(fail, how)
      assert.is_not_nil(future:exception(20))
      assert.equal(2, count(future))
    end
    local tried = pool:with({ retry = { error = 2, delay = 0 } }):submit(function()
      local attempt = tine.worker.task.attempt
      for i = 1, 2 do tine.worker.emit(attempt * 10 + i) end
      if attempt < 3 then error "again" end
    end)
    local list = {}
    for i in tried:events() do list[#list + 1] = i end
    assert.same({ 11, 12, 21, 22, 31, 32 }, list)
  end)

  it("cannot be what cannot travel: an error there, which the task may catch", function()
    local pool = pool_of { workers = 1 }
    local future = pool:submit(function()
      local ok, err = pcall(tine.worker.emit, 1, { a = coroutine.create(print) })
      tine.worker.emit "after"
      return ok, tine.kind(err), tostring(err)
    end)
    local ok, kind, text = future:result(20)
    assert.is_false(ok)
    assert.equal("serialization", kind)
    assert.truthy(text:find("coroutine", 1, true), text)
    assert.equal("after", future:events()())
    local failed = pool:submit(function() tine.worker.emit(coroutine.create(print)) end)
    assert.equal("serialization", tine.kind(failed:exception(20)))
  end)

  it("of code that is no task's are dropped", function()
    local pool = pool_of { workers = 1, event_buffer = 1, initializer = function()
      for _ = 1, 5 do tine.worker.emit(1) end
    end }
    local future = pool:submit(math.abs, -1)
    assert.equal(0, count(future))
    assert.equal(1, future:result())
    local manual = tine.future()
    manual:set_result(1)
    assert.is_nil(manual:events()())
  end)

  it("of a task in a coroutine, and of one that emits out of an encode function", function()
    local pool = pool_of { workers = 1 }
    local future = pool:submit(function()
      coroutine.wrap(function() tine.worker.emit(1) end)()
      local meta = {}
      require "tine".register("spec.emits", meta, function()
        tine.worker.emit(2)
        return 0
      end, function() return "decoded" end)
      return setmetatable({}, meta)
    end)
    assert.equal(2, count(future))
  end)

  describe("that are kept unread", function()
    it("are at most event_buffer, then the task waits for a reader", function()
      local pool = pool_of { workers = 1, event_buffer = 10 }
      local future = pool:submit(emitter, 100)
      stands_at(future, 9 + 1)
      local next_event = future:events()
      for i = 1, 3 do
        assert.equal(i, next_event())
        stands_at(future, 10 + i)
      end
      local n = 3
      for i in next_event do
        n = n + 1
        assert.equal(n, i)
      end
      assert.equal(100, n)
      assert.equal(100, future:result(0))
    end)

    it("can be one", function()
      local pool = pool_of { workers = 2, event_buffer = 1 }
      local futures = {}
      for i = 1, 4 do futures[i] = pool:submit(emitter, 100) end
      for i = 4, 1, -1 do assert.equal(100, count(futures[i])) end
    end)

    it("are a thousand where nothing is said", function()
      local pool = pool_of { workers = 1 }
      stands_at(pool:submit(emitter, 2000), 1000)
    end)

    it("may be more while somebody waits for its end", function()
      for name, wait in pairs {
        result = function(future) assert.equal(100, future:result(20)) end,
        wait = function(future) tine.wait({ future }, { timeout = 20 }) end,
        first = function(future) tine.wait({ future }, { timeout = 20, return_when = "first_completed" }) end,
        as_completed = function(future) assert.equal(future, tine.as_completed({ future }, 20)()) end,
        join = function(_, pool) assert.is_true(pool:join(20)) end,
        shutdown = function(_, pool) assert.is_true(pool:shutdown { timeout = 20 }) end,
        close = function(_, pool) local _ <close> = pool end,
        max_pending = function(_, pool) pool:submit(math.abs, 1) end,
      } do
        local pool = pool_of { workers = 1, event_buffer = 10, max_pending = name == "max_pending" and 1 or nil }
        local future = pool:submit(emitter, 100)
        stands_at(future, 10)
        wait(future, pool)
        assert.is_true(future:done(), name)
        assert.equal(100, count(future), name)
      end
    end)

    -- The task waited for a reader for ever, and the program for what the task's callback was to give.
    it("may be more while somebody waits for a future made by hand, which the task's callback may settle", function()
      for name, wait in pairs {
        result = function(made) return made:result(20) end,
        wait = function(made) return tine.wait({ made }, { timeout = 20 })[1] == made and made:result(0) end,
        as_completed = function(made) return tine.as_completed({ made }, 20)():result(0) end,
      } do
        local pool = pool_of { workers = 1, event_buffer = 10 }
        local future, made = pool:submit(emitter, 100), tine.future()
        future:add_done_callback(function(f) made:set_result(f:result(0)) end)
        assert.equal(100, wait(made), name)
        assert.equal(100, count(future), name)
      end
    end)

    it("are as few as before when he waits no more", function()
      local pool = pool_of { workers = 1, event_buffer = 10 }
      local future = pool:submit(function()
        for i = 1, math.huge do
          tine.worker.emit(i)
          tine.worker.progress(i)
          tine.sleep(0.001)
        end
      end)
      assert.equal("timeout", tine.kind(select(2, future:pcall(0.2))))
      assert.is_true(future:progress() > 10)
      local at
      eventually(function()
        local now = future:progress()
        tine.sleep(0.05)
        at = future:progress()
        return at == now
      end, "it stands")
      future:events()()
      stands_at(future, at) -- there are still more than ten
    end)

    it("hold up nobody who waits for a worker", function()
      local pool = pool_of { workers = 1, event_buffer = 10 }
      local first = pool:submit(emitter, 100)
      stands_at(first, 10)
      assert.equal(1, pool:submit(math.abs, -1):result(20))
      local second = pool:submit(emitter, 100)
      local third = pool:submit(math.abs, -2)
      assert.is_nil(third:events()()) -- to read is to wait, too
      assert.equal(100, count(first))
      assert.equal(100, count(second))
    end)

    -- A map that tells its progress waited for its results in a way of its own, for which nobody went on.
    it("hold up no map that tells how far it is", function()
      local pool = pool_of { workers = 1, event_buffer = 10 }
      local first = pool:submit(emitter, 100)
      stands_at(first, 10)
      local sum = 0
      for _, value in pool:map(math.abs, { -1, -2 }, { progress = function() end, timeout = 20 }) do
        sum = sum + value
      end
      assert.equal(3, sum)
      assert.equal(100, count(first))
    end)

    it("do not go on for the end of another one", function()
      local pool = pool_of { workers = 2, event_buffer = 10 }
      local first = pool:submit(emitter, 100)
      stands_at(first, 10)
      assert.equal(1, pool:submit(math.abs, -1):result(20))
      stands_at(first, 10)
    end)

    it("are dropped when their future was collected", function()
      local pool = pool_of { workers = 1, event_buffer = 10 }
      pool:submit(emitter, 100)
      eventually(function()
        collectgarbage()
        return pool:stats().finished == 1
      end, "it goes on")
    end)

    it("are kept for the callbacks of a future that nobody holds", function()
      local pool = pool_of { workers = 1, event_buffer = 10 }
      local n = 0
      pool:submit(emitter, 100):on_event(function() n = n + 1 end)
      local ended
      pool:submit(emitter, 100):add_done_callback(function(future)
        local events = future:events()
        while events() do n = n + 1 end
        ended = true
      end)
      eventually(function()
        collectgarbage()
        pool:dispatch()
        return n >= 100
      end)
      pool:join(20)
      assert.is_true(ended)
      assert.equal(200, n)
    end)

    it("are dropped when the pool takes no more tasks, beyond event_buffer", function()
      local pool = pool_of { workers = 1, event_buffer = 10 }
      local future = pool:submit(emitter, 100)
      stands_at(future, 10)
      pool:shutdown { wait = false }
      eventually(function() return future:done() end, "it goes on")
      assert.equal(10, count(future))
    end)

    -- #here: what inherits its streams writes where its host does
    it("do not hold up the end of the program #here", function()
      local program = require "spec.support.program"
      local ended = program.run [[
        local tine = require "tine"
        local pool = tine.pool { workers = 1, event_buffer = 10 }
        future = pool:submit(function() for i = 1, 100 do tine.worker.emit(i) end print "through" end)
        while not future:running() do end
      ]]
      assert.equal("through\n", ended.out)
      assert.equal(0, ended.code)
    end)

    it("do not keep a task from being ended", function()
      local pool = pool_of { workers = 1, event_buffer = 10, on_crash = "replace" }
      local pid = pool:submit(function() return tine.worker.pid end):result(20)
      local asked = pool:with({ grace = 20 }):submit(emitter, 100)
      stands_at(asked, 10)
      assert.is_true(asked:abort())
      assert.equal("cancelled", tine.kind(select(2, asked:pcall(20))))
      assert.equal(pid, pool:submit(function() return tine.worker.pid end):result(20)) -- it was asked, not killed
      assert.is_true(count(asked) >= 10) -- he who waits for its end lets it go on

      local timed = pool:with({ grace = 20, timeout = 0.1 }):submit(emitter, 100)
      eventually(function() return timed:done() end)
      assert.equal("timeout", tine.kind(timed:exception(20)))

      local killed = pool:with({ grace = 0 }):submit(emitter, 100)
      stands_at(killed, 10)
      killed:abort()
      assert.equal("cancelled", tine.kind(select(2, killed:pcall(20))))
      assert.is_true(count(killed) >= 10)
      local broken = pool:submit(emitter, 100)
      stands_at(broken, 10)
      pool:kill_workers()
      assert.equal("broken", tine.kind(broken:exception(20)))
      assert.is_true(count(broken) >= 10)
    end)
  end)

  describe("in callbacks", function()
    it("come in order, to each of them, before the done callbacks", function()
      local pool = pool_of { workers = 1, event_buffer = 2 }
      local wait, open = gate()
      local future = pool:submit(function()
        wait()
        for i = 1, 5 do tine.worker.emit(i, "x") end
      end)
      local list = {}
      future:add_done_callback(function() list[#list + 1] = "done" end)
      future:on_event(function(f, i, x)
        assert(f == future and x == "x")
        list[#list + 1] = "a" .. i
      end)
      future:on_event(function(_, i) list[#list + 1] = "b" .. i end)
      open()
      future:result(20)
      assert.same({ "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4", "a5", "b5", "done" }, list)
    end)

    -- The first done callback of a future whose task had ended meanwhile was called at once, before the events.
    it("come before a done callback that is added after the task's end", function()
      local pool = pool_of { workers = 1 }
      local wait, open = gate()
      local future = pool:submit(function()
        wait()
        return emitter(3)
      end)
      local list = {}
      future:on_event(function(_, i) list[#list + 1] = i end)
      open()
      eventually(function() return future:done() end)
      future:add_done_callback(function() list[#list + 1] = "done" end)
      future:result()
      assert.same({ 1, 2, 3, "done" }, list)
    end)

    it("come before a done callback that one of them adds", function()
      local pool = pool_of { workers = 1 }
      local future = pool:submit(emitter, 3)
      future:result(20)
      local list = {}
      future:on_event(function(f, i)
        list[#list + 1] = i
        f:add_done_callback(function() list[#list + 1] = "done " .. i end)
      end)
      assert.same({ 1, 2, 3, "done 1", "done 2", "done 3" }, list)
    end)

    it("run only in calls that wait or dispatch, and those that are there at once", function()
      local pool = pool_of { workers = 1 }
      local future = pool:submit(emitter, 3)
      tine.wait { future }
      local n = 0
      future:on_event(function() n = n + 1 end)
      assert.equal(3, n)
      local wait, open = gate()
      local running = pool:submit(function()
        wait()
        return emitter(3)
      end)
      running:on_event(function() n = n + 1 end)
      open()
      eventually(function() return running:done() end)
      assert.equal(3, n)
      pool:dispatch()
      assert.equal(6, n)
    end)

    it("may raise: that goes to on_callback_error and stops nothing", function()
      local errors = {}
      local pool = pool_of { workers = 1, on_callback_error = function(err) errors[#errors + 1] = err end }
      local wait, open = gate()
      local future = pool:submit(function()
        wait()
        return emitter(3)
      end)
      local n = 0
      future:on_event(function(_, i) error({ i }) end)
      future:on_event(function() n = n + 1 end)
      open()
      assert.equal(3, future:result(20))
      assert.same({ { 1 }, { 2 }, { 3 } }, errors)
      assert.equal(3, n)
    end)

    it("take functions and what can be called, nothing else", function()
      local pool = pool_of { workers = 1 }
      local future = pool:submit(emitter, 1)
      assert.has_error(function() future:on_event(1) end,
        "bad argument #1 to 'on_event' (function expected, got number)")
      local called
      future:on_event(setmetatable({}, { __call = function() called = true end }))
      future:result(20)
      assert.is_true(called)
    end)
  end)

  describe("of map items", function()
    local function task(x)
      for i = 1, 3 do tine.worker.emit(x, i) end
      if x == 4 then error "four" end
      return x
    end

    for _, chunksize in ipairs { 1, 3, 100 } do
      it("go to on_event, each before its result, in chunks of " .. chunksize, function()
        local pool = pool_of { workers = 2, event_buffer = 2 }
        local seen, results = {}, {}
        local options = {
          chunksize = chunksize, on_error = "return",
          on_event = function(i, x, k)
            seen[i] = (seen[i] or 0) + 1
            assert(seen[i] == k and x == i * 1 and not results[i])
          end,
        }
        for i, value in pool:map(task, { 1, 2, 3, 4, 5, 6, 7 }, options) do
          assert.equal(3, seen[i])
          results[i] = value or false
        end
        assert.same({ 1, 2, 3, false, 5, 6, 7 }, results)
      end)
    end

    it("are dropped without it", function()
      local pool = pool_of { workers = 1, event_buffer = 1 }
      assert.same({ 1, 2, 3, n = 3 }, pool:map(task, { 1, 2, 3 }):totable())
    end)

    it("come with errors of on_event where those of callbacks go, and none after the loop was left", function()
      local errors = {}
      local function on_callback_error(err) errors[#errors + 1] = err end
      local pool = pool_of { workers = 1, event_buffer = 1, on_callback_error = on_callback_error }
      local n = 0
      local function on_event()
        n = n + 1
        error("x", 0)
      end
      for i in pool:map(task, { 1, 2, 3, 5, 6 }, { chunksize = 5, on_event = on_event }) do
        if i == 2 then break end
      end
      local at = n
      assert.is_true(pool:join(20))
      assert.equal(at, n)
      assert.same({ "x", "x" }, { errors[1], errors[2] })
    end)

    -- The events of a result that is there are given just before it is. A callback that took that result, the last of
    -- its chunk, left the iterator to read behind the chunk's end.
    for name, act in pairs { ["take results"] = function(it) return it() end,
      ["close the map"] = function(it) it:close() end } do
      it("may " .. name .. " in on_event #here", function() -- a buffer is shared with it
        local pool = pool_of { workers = 1 }
        local taken, results, it = tine.buffer(8), {}, nil
        local function keep(i, list)
          if i then results[#results + 1] = list[1] == i and i or false end
          taken:set("j", 1, #results)
          return i
        end
        it = pool:map(function(i)
          if i % 2 == 0 then
            while taken:get "j" < i - 1 do tine.sleep(0.001) end
            tine.worker.emit(i)
          end
          return { i }
        end, { 1, 2, 3, 4, 5, 6 }, { chunksize = 2, on_event = function() keep(act(it)) end })
        while keep(it()) do tine.sleep(0.02) end -- which takes results in, and runs no callbacks
        for i, result in ipairs(results) do assert.equal(i, result) end
        assert.is_true(#results == 6 or name == "close the map")
      end)
    end

    it("want a function", function()
      local pool = pool_of { workers = 1 }
      assert.has_error(function() pool:map(task, {}, { on_event = 1 }) end,
        "bad argument #3 to 'map' (option 'on_event' must be a function, got 1)")
    end)
  end)

  it("are all kept in a pool without processes", function()
    local pool = pool_of { workers = 0, event_buffer = 2 }
    local future = pool:submit(emitter, 50)
    assert.equal(50, count(future))
    assert.equal(50, future:result(0))
    local seen = {}
    local sum = 0
    for _, x in pool:map(function(x)
      tine.worker.emit(x)
      return x
    end, { 1, 2, 3 }, { on_event = function(i, x) seen[i] = x end }) do
      sum = sum + x
    end
    assert.equal(6, sum)
    assert.same({ 1, 2, 3 }, seen)
  end)

  it("are a number of 1 or more", function()
    for _, wrong in ipairs { 0, -1, 1.5, "10", {} } do
      local ok, err = pcall(tine.pool, { event_buffer = wrong })
      assert.is_false(ok)
      assert.truthy(err:find("event_buffer", 1, true), err)
    end
  end)
end)
