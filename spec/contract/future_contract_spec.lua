-- Futures, tine.wait and tine.as_completed, sentence by sentence.
local system = require "system"
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"

local function sleep(seconds, ...)
  system.sleep(seconds)
  return ...
end

local function loop() while true do end end

-- A future that has ended in each way there is.
local function finished(...)
  local future = tine.future()
  future:set_running_or_notify_cancel()
  future:set_result(...)
  return future
end
local function failed(...)
  local future = tine.future()
  future:set_running_or_notify_cancel()
  future:set_exception(...)
  return future
end
local function cancelled()
  local future = tine.future()
  future:cancel()
  future:set_running_or_notify_cancel()
  return future
end

describe("a future", function()
  local pool
  setup(function() pool = tine.pool { workers = 2 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  it("goes through its states", function()
    local future = tine.future()
    local function states()
      return { future:state(), future:done(), future:running(), future:cancelled() }
    end
    assert.same({ "pending", false, false, false }, states())
    assert.is_true(future:set_running_or_notify_cancel())
    assert.same({ "running", false, true, false }, states())
    future:set_result(1, nil, 3)
    assert.same({ "finished", true, false, false }, states())
    assert.same({ n = 3, 1, nil, 3 }, table.pack(future:result()))
    assert.same({ n = 4, true, 1, nil, 3 }, table.pack(future:pcall()))
    assert.is_nil(future:exception())
  end)

  it("raises invalid_state for wrong moves", function()
    local function kind_of(...) return tine.kind(select(2, pcall(...))) end
    for _, future in ipairs { finished(1), failed("x") } do
      assert.equal("invalid_state", kind_of(future.set_result, future, 2))
      assert.equal("invalid_state", kind_of(future.set_exception, future, 2))
      assert.equal("invalid_state", kind_of(future.set_running_or_notify_cancel, future))
    end
    local future = cancelled()
    assert.equal("invalid_state", kind_of(future.set_result, future, 2))
    assert.equal("invalid_state", kind_of(future.set_exception, future, 2))
  end)

  it("cannot be set from outside when it is a pool's", function()
    local future = pool:submit(math.abs, -1)
    assert.is_false((pcall(function() future:set_result(2) end)))
    assert.equal(1, future:result(20))
  end)

  it("is cancelled before it runs, and then never runs", function()
    local future = tine.future()
    assert.is_true(future:cancel())
    assert.is_true(future:cancel())
    assert.equal("cancelled", future:state())
    assert.is_true(future:cancelled())
    assert.is_true(future:done())
    assert.is_false(future:set_running_or_notify_cancel())
    local ok, err = future:pcall()
    assert.is_false(ok)
    assert.equal("cancelled", tine.kind(err))
    for _, method in ipairs { "result", "exception" } do
      local fine, raised = pcall(future[method], future)
      assert.is_false(fine)
      assert.equal("cancelled", tine.kind(raised))
    end
  end)

  it("is not cancelled once it runs or is finished", function()
    local future = tine.future()
    future:set_running_or_notify_cancel()
    assert.is_false(future:cancel())
    future:set_result()
    assert.is_false(future:cancel())
    assert.equal("finished", future:state())
  end)

  it("of a pool is cancelled while it waits for a worker, always", function()
    local own <close> = tine.pool { workers = 1 }
    local name = os.tmpname()
    os.remove(name)
    local running = own:submit(loop)
    local waiting = {}
    for i = 1, 300 do waiting[i] = own:submit(function() io.open(name, "w"):close() end) end
    eventually(function() return running:running() end, "it runs")
    for i = 1, 300 do assert.is_true(waiting[i]:cancel()) end
    for i = 1, 300 do assert.is_true(waiting[i]:cancelled()) end
    assert.is_false(running:cancel())
    running:abort()
    own:submit(math.abs, 1):result(20)
    assert.is_nil(io.open(name))
  end)

  it("raises timeout while it is not finished, 0 and negative too", function()
    local future = pool:submit(sleep, 0.3, "slept")
    for _, timeout in ipairs { 0, -1, 0.01 } do
      for _, method in ipairs { "result", "exception" } do
        local ok, err = pcall(future[method], future, timeout)
        assert.is_false(ok)
        assert.equal("timeout", tine.kind(err))
      end
      local ok, err = future:pcall(timeout)
      assert.is_false(ok)
      assert.equal("timeout", tine.kind(err))
    end
    assert.equal("slept", future:result(math.huge))
    assert.equal("slept", future:result(0))
    assert.equal("slept", future:result(nil))
  end)

  it("tells a task's own timeout error from its own", function()
    local future = pool:submit(function() error { kind = "timeout" } end)
    local err = future:exception(20)
    assert.is_nil(tine.kind(err))
  end)

  it("that failed gives error and traceback", function()
    local future = failed({ code = 1 }, "the traceback")
    local err, traceback = future:exception()
    assert.same({ code = 1 }, err)
    assert.equal("the traceback", traceback)
    local ok, same, text = future:pcall()
    assert.is_false(ok)
    assert.equal(err, same)
    assert.equal("the traceback", text)
    assert.equal("", select(2, failed("x"):exception()))
  end)

  it("says what it is", function()
    assert.matches("pending", tostring(tine.future()))
    assert.matches("cancelled", tostring(cancelled()))
    assert.matches("finished", tostring(finished(17)))
    assert.matches("no such row", tostring(failed "no such row"), 1, true)
  end)

  it("wants its methods called right", function()
    local future = tine.future()
    assert.has_error(function() future.result() end)
    assert.has_error(function() future.result {} end)
    assert.has_error(function() future:result "soon" end)
    assert.has_error(function() future:add_done_callback(1) end)
    assert.has_error(function() future:no_such_method() end)
  end)
end)

describe("a done callback", function()
  teardown(leftovers.none)

  it("is called once with the future, in the order of adding", function()
    local pool <close> = tine.pool(1)
    local calls = {}
    local future = pool:submit(sleep, 0.05)
    for i = 1, 5 do
      future:add_done_callback(function(f)
        assert.equal(future, f)
        calls[#calls + 1] = i
      end)
    end
    future:result(20)
    assert.same({ 1, 2, 3, 4, 5 }, calls)
    future:result(20)
    pool:dispatch()
    assert.equal(5, #calls)
  end)

  it("is called at once when the future is done", function()
    local calls = 0
    for _, future in ipairs { finished(1), failed("x"), cancelled() } do
      future:add_done_callback(function() calls = calls + 1 end)
    end
    assert.equal(3, calls)
  end)

  it("added inside another comes after those that are due", function()
    local order, future = {}, tine.future()
    future:add_done_callback(function(f)
      order[#order + 1] = "first"
      f:add_done_callback(function() order[#order + 1] = "third" end)
    end)
    future:add_done_callback(function() order[#order + 1] = "second" end)
    future:set_running_or_notify_cancel()
    future:set_result()
    assert.same({ "first", "second", "third" }, order)
  end)

  it("runs only inside a call that waits or dispatches", function()
    local pool <close> = tine.pool(1)
    local called = false
    local future = pool:submit(sleep, 0.05)
    future:add_done_callback(function() called = true end)
    eventually(function() return future:done() end, "it is done")
    assert.is_false(called)
    eventually(function()
      pool:dispatch()
      return called
    end, "the callback is called")
  end)

  it("may ask for results, submit, and wait", function()
    local pool <close> = tine.pool(2)
    local sum = 0
    local future = pool:submit(math.abs, -1)
    future:add_done_callback(function(f)
      sum = f:result() + f:result(0) + pool:submit(math.abs, -10):result(20)
      local again = pool:submit(math.abs, -100)
      tine.wait { again }
      sum = sum + again:result()
    end)
    future:result(20)
    assert.equal(112, sum)
  end)

  it("that fails is reported and stops nothing", function()
    local reports = {}
    local pool <close> = tine.pool { workers = 1, on_callback_error = function(err, traceback)
      reports[#reports + 1] = { err, type(traceback) }
    end }
    local future = pool:submit(sleep, 0.05, "value")
    local called = 0
    future:add_done_callback(function() error("first", 0) end)
    future:add_done_callback(function() called = called + 1 end)
    future:add_done_callback(function() error { code = 3 } end)
    future:add_done_callback(function() called = called + 1 end)
    assert.equal("value", future:result(20))
    assert.equal(2, called)
    assert.same({ { "first", "string" }, { { code = 3 }, "string" } }, reports)
  end)

  it("that is interrupted stops its caller", function()
    local pool <close> = tine.pool { workers = 1, on_callback_error = function() end }
    local future = pool:submit(sleep, 0.05)
    future:add_done_callback(function() error("interrupted!", 0) end)
    local ok, err = pcall(future.result, future, 20)
    assert.is_false(ok)
    assert.matches("interrupted!", err, 1, true)
  end)

  it("runs inside shutdown, wait, as_completed and map", function()
    for _, inside in ipairs {
      function(pool) pool:shutdown() end,
      function(_, future) tine.wait { future } end,
      function(_, future) for _ in tine.as_completed { future } do assert(true) end end,
      function(pool) for _ in pool:map(sleep, { 0.1 }) do assert(true) end end,
      function(_, future) future:pcall(20) end,
      function(_, future) future:exception(20) end,
    } do
      local pool <close> = tine.pool(1)
      local called = false
      local future = pool:submit(sleep, 0.02)
      future:add_done_callback(function() called = true end)
      inside(pool, future)
      assert.is_true(called)
    end
  end)

  it("is announced by pool:fileno()", function()
    local pool <close> = tine.pool(1)
    local fd = pool:fileno()
    assert.equal("integer", math.type(fd))
    assert.equal(fd, pool:fileno())
    local called = false
    pool:submit(math.abs, 1):add_done_callback(function() called = true end)
    eventually(function()
      pool:dispatch()
      return called
    end, "the callback is called")
  end)

  -- The task ended in its own submit, and nothing was told of that: a loop that polls slept on, for up to 5 seconds.
  it("is announced for a task whose time is over when it is submitted", function()
    local posix = require "spec.support.posix"
    local pool <close> = tine.pool(1)
    pool:submit(math.abs, 1):result(20)
    local fd, called = pool:fileno(), false
    pool:dispatch()
    pool:with({ deadline = 0 }):submit(math.abs, 2):add_done_callback(function() called = true end)
    assert.is_true(called or posix.readable(fd, 0))
    pool:dispatch()
    assert.is_true(called)
  end)
end)

describe("tine.wait", function()
  local pool
  setup(function() pool = tine.pool { workers = 2 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  it("gives two lists in the given order, duplicates once", function()
    local a, b, c = finished(1), tine.future(), cancelled()
    local done, rest = tine.wait({ c, b, a, b, a, c }, { timeout = 0 })
    assert.same({ c, a }, done)
    assert.same({ b }, rest)
    assert.equal(c, done[1])
    assert.equal(a, done[2])
    assert.equal(b, rest[1])
  end)

  it("waits for all by default", function()
    local futures = {}
    for i = 1, 5 do futures[i] = pool:submit(sleep, 0.01 * i, i) end
    local done, rest = tine.wait(futures)
    assert.equal(5, #done)
    assert.equal(0, #rest)
    for i = 1, 5 do assert.equal(futures[i], done[i]) end
  end)

  it("takes the empty list", function()
    for _, when in ipairs { "all_completed", "first_completed", "first_exception" } do
      assert.same({ {}, {} }, { tine.wait({}, { return_when = when }) })
    end
  end)

  it("returns at its timeout without an error", function()
    local slow = pool:submit(sleep, 0.3)
    local quick = pool:submit(math.abs, 1)
    quick:result(20)
    local done, rest = tine.wait({ slow, quick }, { timeout = 0.02 })
    assert.equal(quick, done[1])
    assert.equal(slow, rest[1])
    slow:result(20)
  end)

  it('returns with "first_completed"', function()
    local slow, quick = pool:submit(sleep, 0.3), pool:submit(sleep, 0.01)
    local done, rest = tine.wait({ slow, quick }, { return_when = "first_completed" })
    assert.equal(quick, done[1])
    assert.equal(slow, rest[1])
    done = tine.wait({ slow, finished() }, { return_when = "first_completed" })
    assert.equal(1, #done)
    slow:result(20)
  end)

  it('returns with "first_exception", for which cancelled is none', function()
    local slow = pool:submit(sleep, 0.4)
    local bad = pool:submit(error, "bad")
    local done, rest = tine.wait({ slow, cancelled(), bad }, { return_when = "first_exception" })
    assert.equal(2, #done)
    assert.equal(bad, done[2])
    assert.equal(slow, rest[1])
    done, rest = tine.wait({ slow, cancelled() }, { return_when = "first_exception" })
    assert.equal(2, #done)
    assert.equal(0, #rest)
  end)

  it("mixes pools and futures without one", function()
    local other <close> = tine.pool(1)
    local done = tine.wait { pool:submit(sleep, 0.02), other:submit(sleep, 0.01), finished() }
    assert.equal(3, #done)
  end)

  it("runs the callbacks that set a future without a pool", function()
    local free = tine.future()
    pool:submit(sleep, 0.02, "value"):add_done_callback(function(f)
      free:set_running_or_notify_cancel()
      free:set_result(f:result())
    end)
    assert.equal("value", free:result(20))
  end)

  it("refuses what is no list of futures, and unknown words", function()
    assert.has_error(function() tine.wait { 1 } end)
    assert.has_error(function() tine.wait(1) end)
    assert.has_error(function() tine.wait() end)
    assert.has_error(function() tine.wait({}, { return_when = "whenever" }) end)
    assert.has_error(function() tine.wait({}, { timeout = 0 / 0 }) end)
    assert.has_error(function() tine.wait({}, { time_out = 1 }) end)
  end)
end)

describe("tine.as_completed", function()
  local pool
  setup(function() pool = tine.pool { workers = 2 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  it("gives each once, as they finish", function()
    local slow, quick = pool:submit(sleep, 0.2), pool:submit(sleep, 0.01)
    local done, gone = finished(), cancelled()
    local order = {}
    for future in tine.as_completed { slow, quick, slow, done, gone, done } do order[#order + 1] = future end
    assert.equal(4, #order)
    assert.equal(quick, order[3])
    assert.equal(slow, order[4])
    local first_two = { [order[1]] = true, [order[2]] = true }
    assert.is_true(first_two[done] and first_two[gone])
  end)

  it("gives nothing for nothing", function()
    for _ in tine.as_completed {} do error "there is none" end
  end)

  it("raises a timeout error, after those that are done", function()
    local slow, quick = pool:submit(sleep, 0.5), finished()
    local seen = 0
    local ok, err = pcall(function()
      for future in tine.as_completed({ slow, quick }, 0.03) do
        assert(future == quick)
        seen = seen + 1
      end
    end)
    assert.is_false(ok)
    assert.equal("timeout", tine.kind(err))
    assert.equal(1, seen)
    slow:result(20)
  end)

  it("goes on with what a loop's body submits elsewhere", function()
    local sum = 0
    local futures = {}
    for i = 1, 20 do futures[i] = pool:submit(math.abs, -i) end
    for future in tine.as_completed(futures) do
      sum = sum + pool:submit(math.abs, future:result()):result(20)
    end
    assert.equal(210, sum)
  end)

  it("mixes pools", function()
    local other <close> = tine.pool(1)
    local n = 0
    for _ in tine.as_completed { pool:submit(sleep, 0.02), other:submit(sleep, 0.01), pool:submit(math.abs, 1) } do
      n = n + 1
    end
    assert.equal(3, n)
  end)
end)

-- Lua calls no finalizer where the C stack is nearly used up, and frees the memory all the same.
describe("futures that are collected in a deep recursion", function()
  it("leave nothing behind that is freed already", function()
    local ended = require "spec.support.program".run [[
      local tine = require "tine"
      local pool = tine.pool(1)
      local function deep(n)
        if n == 0 then collectgarbage() else string.gsub("x", "x", function() deep(n - 1) end) end
      end
      for depth = 150, 200 do
        local futures = {}
        for i = 1, 40 do futures[i] = pool:submit(i % 2 == 0 and error or string.rep, "x", i % 2 == 0 and 1 or 1000) end
        for i = 1, #futures do futures[i]:exception() end
        futures = nil
        pcall(deep, depth)
        collectgarbage() collectgarbage()
      end
      for i = 1, 200 do pool:submit(error, "x"):exception() end
      collectgarbage()
      print "done"]]
    assert.equal("done\n", ended.out)
  end)
end)
