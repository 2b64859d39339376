-- Done callbacks: order, once, where, and what errors in them do.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"

describe("done callbacks", function()
  local pool, errors
  setup(function()
    pool = tine.pool { workers = 2, on_callback_error = function(err, traceback)
      errors[#errors + 1] = { err, traceback }
    end }
  end)
  before_each(function() errors = {} end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  it("of one future run in the order of adding", function()
    local seen = {}
    local f = pool:submit(math.abs, 1)
    for i = 1, 5 do f:add_done_callback(function() seen[#seen + 1] = i end) end
    f:result()
    assert.same({ 1, 2, 3, 4, 5 }, seen)
  end)

  it("run once, however often the future is asked", function()
    local n = 0
    local f = pool:submit(math.abs, 1)
    f:add_done_callback(function() n = n + 1 end)
    for _ = 1, 3 do f:result() end
    pool:dispatch()
    tine.wait { f }
    assert.equal(1, n)
  end)

  it("added inside a callback wait for those that are due", function()
    local seen = {}
    local wait, open = gate()
    local f = pool:submit(wait)
    f:add_done_callback(function(g)
      seen[#seen + 1] = "first"
      g:add_done_callback(function() seen[#seen + 1] = "inner" end)
    end)
    f:add_done_callback(function(g)
      seen[#seen + 1] = "last"
      g:add_done_callback(function() seen[#seen + 1] = "inner of last" end)
    end)
    open()
    f:result()
    assert.same({ "first", "last", "inner", "inner of last" }, seen)
  end)

  it("may wait for other futures, whose callbacks run meanwhile", function()
    local seen = {}
    local a, b = pool:submit(math.abs, -1), pool:submit(os.execute, "sleep 0.1")
    b:add_done_callback(function() seen[#seen + 1] = "b" end)
    a:add_done_callback(function()
      assert.is_true(b:result())
      assert.equal("b", seen[1])
      seen[#seen + 1] = "a"
    end)
    tine.wait { a, b }
    pool:dispatch()
    assert.same({ "b", "a" }, seen)
    assert.same({}, errors)
  end)

  it("that wait in callbacks that wait do not overflow the stack", function()
    local n, futures = 0, {}
    for i = 1, 1000 do
      futures[i] = pool:submit(math.abs, -i)
      futures[i]:add_done_callback(function()
        pool:submit(math.abs, 1):result()
        n = n + 1
      end)
    end
    tine.wait(futures)
    pool:dispatch()
    assert.same({}, errors)
    assert.equal(1000, n)
  end)

  it("run for cancelled futures too", function()
    local own <close> = tine.pool { workers = 1 }
    local first = own:submit(os.execute, "sleep 0.05")
    local f, seen = own:submit(math.abs, 1), nil
    f:add_done_callback(function(g) seen = g:state() end)
    assert.is_true(f:cancel())
    own:dispatch()
    assert.equal("cancelled", seen)
    first:result()
  end)

  it("that fail are reported with traceback, the others run", function()
    local f, seen = pool:submit(math.abs, 1), 0
    f:add_done_callback(function() error "one" end)
    f:add_done_callback(function() seen = seen + 1 end)
    f:add_done_callback(function() error { code = 2 } end)
    f:add_done_callback(function() error(nil) end)
    f:result()
    assert.equal(1, seen)
    assert.equal(3, #errors)
    assert.matches("callbacks_spec.lua:%d+: one", errors[1][1])
    assert.matches("stack traceback", errors[1][2])
    assert.same({ code = 2 }, errors[2][1])
    assert.is_nil(errors[3][1])
  end)

  it("whose report fails too stop nothing", function()
    local own <close> = tine.pool { workers = 1, on_callback_error = function() end }
    local f, seen = own:submit(math.abs, 1), false
    f:add_done_callback(function() error "one" end)
    f:add_done_callback(function() seen = true end)
    f:result()
    assert.is_true(seen)
  end)

  it("pass interrupted! on, and the rest runs later", function()
    local wait, open = require "spec.support.gate"()
    local f, seen = pool:submit(wait), false
    f:add_done_callback(function() error("interrupted!", 0) end)
    f:add_done_callback(function() seen = true end)
    open()
    local ok, err = pcall(tine.wait, { f })
    assert.is_false(ok)
    assert.equal("interrupted!", err)
    assert.is_false(seen)
    pool:dispatch()
    assert.is_true(seen)
    assert.same({}, errors)
  end)

  it("never run in submit, not even when it waits", function()
    local own <close> = tine.pool { workers = 1, max_pending = 1 }
    local n, now, wrong = 0, {}, 0
    for i = 1, 20 do
      now.submitting = true
      local f = own:submit(math.abs, i)
      now.submitting = false
      f:add_done_callback(function()
        n = n + 1
        if now.submitting then wrong = wrong + 1 end
      end)
    end
    own:submit(math.abs, 1):result()
    assert.equal(20, n)
    assert.equal(0, wrong)
  end)

  it("that are due are announced by the descriptor, wherever the results were taken in", function()
    local posix = require "spec.support.posix"
    local own <close> = tine.pool { workers = 1, max_pending = 1 }
    local fd, n = own:fileno(), 0
    assert.is_false(posix.readable(fd, 0))
    local hold, release = gate()
    own:submit(hold):add_done_callback(function() n = n + 1 end)
    release()
    assert.is_true(posix.readable(fd, 20))
    own:dispatch()
    assert.equal(1, n)
    assert.is_false(posix.readable(fd, 0))
    local wait, open = gate()
    own:submit(wait):add_done_callback(function() n = n + 1 end)
    open()
    own:submit(math.abs, 3) -- waits for the one before, and runs no callback
    assert.equal(1, n)
    assert.is_true(posix.readable(fd, 0))
    own:dispatch()
    assert.equal(2, n)
  end)

  it("run at the end of a pool whose end was taken in by a sleep, which runs none", function()
    for _, finish in ipairs {
      function(ended) ended:shutdown() end, function(ended) ended:shutdown { timeout = 1 } end,
      function(ended) local _ <close> = ended end,
    } do
      local ended = tine.pool { workers = 1 }
      local called = 0
      ended:submit(math.abs, -1):add_done_callback(function() called = called + 1 end)
      ended:shutdown { wait = false }
      eventually(function()
        tine.sleep(0.01)
        return tostring(ended):find("ended", 1, true)
      end)
      assert.equal(0, called)
      finish(ended)
      assert.equal(1, called)
    end
  end)

  -- Without processes each such future is done at once. After 198 of them nothing was called any more, nor told.
  it("that submit what calls them again go on for ever", function()
    for workers = 0, 1 do
      local own <close> = tine.pool(workers)
      local n = 0
      local function again()
        n = n + 1
        if n < 1000 then own:submit(math.abs, 1):add_done_callback(again) end
      end
      again()
      assert.is_true(own:join(60))
      assert.equal(1000, n)
    end
  end)

  -- Beyond fifty inside each other they wait; who waited for nothing afterwards had them called at the very end.
  it("are called when those that they were put off for have returned", function()
    local future = tine.future()
    future:set_result(1)
    local n = 0
    local function again()
      n = n + 1
      if n < 1000 then future:add_done_callback(again) end
    end
    future:add_done_callback(again)
    assert.equal(1000, n)
  end)

  it("must be functions", function()
    local f = pool:submit(math.abs, 1)
    assert.has_error(function() f:add_done_callback() end)
    assert.has_error(function() f:add_done_callback(1) end)
    f:add_done_callback(setmetatable({}, { __call = function(self, g) self.got = g:result() end }))
    f:result()
  end)
end)

-- Lua allows 200 C calls inside each other. At the very last of them a callback could not even begin: it was taken out
-- of
-- what is due, and lost with its error; what it was to give a task never came.
describe("at the end of the C stack", function()
  local function deep(n, fn)
    if n == 0 then return fn() end
    string.gsub("x", "x", function() deep(n - 1, fn) end)
  end

  -- `fn` is called with each number of C calls around it, and raises in the last ones.
  local function at_each_depth(fn)
    local raised = 0
    for n = 150, 200 do
      local ok, err = pcall(deep, n, function() fn(n) end)
      if not ok then
        assert.matches("C stack overflow", tostring(err), 1, true)
        raised = raised + 1
      end
    end
    assert.is_true(raised > 0 and raised < 50)
  end

  it("callbacks of futures that are done run, or it is an error", function()
    local future = tine.future()
    future:set_result(1)
    local added, ran = 0, 0
    at_each_depth(function()
      future:add_done_callback(function() ran = ran + 1 end)
      added = added + 1
    end)
    assert.equal(added, ran)
  end)

  it("callbacks that are due run, then or later", function()
    for workers = 0, 1 do
      local pool <close> = tine.pool(workers)
      local added, ran = 0, 0
      at_each_depth(function()
        local future = pool:submit(math.abs, 1)
        future:add_done_callback(function() ran = ran + 1 end)
        added = added + 1
        future:result()
      end)
      pool:join()
      assert.equal(added, ran)
    end
  end)

  it("tasks are given what they wait for, then or later", function()
    local pool <close> = tine.pool(1)
    local other <close> = tine.pool(1)
    local futures = {}
    at_each_depth(function()
      local source = tine.future()
      futures[#futures + 1] = pool:submit(math.abs, source)
      source:set_result(-1)
      futures[#futures]:result()
    end)
    at_each_depth(function()
      futures[#futures + 1] = pool:submit(math.abs, other:submit(math.abs, 1))
      futures[#futures]:result()
    end)
    at_each_depth(function()
      local source = tine.future()
      source:set_exception "no"
      futures[#futures + 1] = pool:submit(math.abs, source)
      assert(not futures[#futures]:pcall())
    end)
    assert.equal(0, #select(2, tine.wait(futures, { timeout = 20 })))
  end)
end)

-- A finalizer may run wherever the module allocates, and wait for the very future that is being listened to: its end
-- was taken in then, and who had just joined its list was never told.
describe("an end that a finalizer takes in first is told to", function()
  local pool, other, watched, countdown, fired
  local ran -- finalizers
  local EVERY <const> = 40 -- which of them waits

  local function finalize_soon()
    setmetatable({}, { __gc = function()
      if not pool then return end
      ran = ran + 1
      countdown = countdown - 1
      if countdown == 0 and watched then
        fired = fired + 1
        watched:pcall()
      end
      finalize_soon()
    end })
  end

  before_each(function()
    pool, other, countdown, fired, ran = tine.pool(1), tine.pool(1), 0, 0, 0
    for _ = 1, 50 do finalize_soon() end
    collectgarbage("incremental", 1, 1000, 1) -- some at every allocation, from the next cycle on
    collectgarbage()
  end)
  after_each(function()
    collectgarbage("incremental", 200, 100, 13)
    pool:shutdown()
    other:shutdown()
    pool, other = nil, nil
    leftovers.none()
  end)

  local function each(listen)
    for k = 1, EVERY do
      local future = pool:with { label = "x" }:submit(function() for _ = 1, 10000 do end return -1 end)
      ran = 0
      repeat collectgarbage "step" until ran > 0 -- the other finalizers run wherever memory is allocated now
      watched, countdown = future, k
      local told = listen(future)
      watched = nil
      assert.is_true(told(future), k)
    end
    assert.is_true(fired > 0)
  end

  it("a callback", function()
    each(function(future)
      local n = 0
      future:add_done_callback(function() n = n + 1 end)
      return function()
        watched = nil
        future:pcall()
        pool:dispatch()
        return n == 1
      end
    end)
  end)

  it("tine.as_completed", function()
    each(function(future)
      local it = tine.as_completed({ future }, 20)
      return function() return it() == future and it() == nil end
    end)
  end)

  it("a task of another pool", function()
    each(function(future)
      local task = other:submit(math.abs, future)
      return function() return task:result(20) == 1 end
    end)
  end)
end)
