-- Futures as arguments: a task starts when what it needs is there, and nobody waits meanwhile.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local program = require "spec.support.program"

local function add(a, b) return a + b end
local function pass(...) return ... end

-- What is given from outside of the pool is encoded like what calls carry, and may name functions that the workers
-- know already, values that the pool shares, and what the program has changed in modules. What it named was written
-- behind the end of a buffer on the C stack, which ended the program; and workers read it as a result, which may name
-- none of it.
describe("what a future that is made by hand gives", function()
  teardown(leftovers.none)

  for _, workers in ipairs { 0, 2 } do
    describe(("with %d workers"):format(workers), function()
      local pool
      before_each(function() pool = tine.pool { workers = workers } end)
      after_each(function() pool:shutdown() end)

      local function given(value, fn, ...)
        local by_hand = tine.future()
        local future = pool:submit(fn, by_hand, ...)
        by_hand:set_result(value)
        return future:result(20)
      end

      it("may be a function that workers know", function()
        local function call(fn, ...) return fn(...) end
        local function known(n) return n + 1 end
        for i = 1, 3 do assert.equal(i + 1, pool:submit(call, known, i):result(20)) end
        local by_hand, futures = {}, {}
        for i = 1, 20 do
          by_hand[i] = tine.future()
          futures[i] = pool:submit(call, by_hand[i], i)
        end
        for i = 1, 20 do by_hand[i]:set_result(known) end
        for i = 1, 20 do assert.equal(i + 1, futures[i]:result(20)) end
      end)

      it("may be many new ones", function()
        local functions = {}
        for i = 1, 40 do functions[i] = load(("return function(n) return n + %d end"):format(i))() end
        local function sum(list)
          local all = 0
          for _, fn in ipairs(list) do all = all + fn(1) end
          return all
        end
        for _ = 1, 3 do assert.equal(40 + 820, given(functions, sum)) end
      end)

      it("may be what the pool shares, which goes on to be there until the task has ended", function()
        local shared = pool:share { x = 7 }
        local by_hand = tine.future()
        local future = pool:submit(function(t) return t.x end, by_hand)
        by_hand:set_result(shared)
        pool:dispatch()
        shared:close()
        assert.equal(7, future:result(20))
      end)

      it("may be what the program has put in place of a module's function", function()
        local sample = require "spec.support.sample"
        local before = sample.hello
        finally(function()
          sample.hello = before
          sample.added = nil
        end)
        function sample.hello() return "replaced" end
        function sample.added() return "added" end
        local function call(fn) return fn() end
        assert.equal("replaced", given(function() return sample.hello "you" end, call))
        assert.equal("added", given(function() return sample.added() end, call))
        assert.equal("hello you", given("you", function(name) return require "spec.support.sample".hello(name) end))
      end)
    end)
  end
end)

-- Giving a result to a task of another pool was a callback like those of users, which do not run while `submit` waits
-- for room; and there was none until a task ended that waited for that result: the program stood still.
describe("futures of another pool as arguments", function()
  it("are given while submit, or a map, waits for room", function()
    local pool <close> = tine.pool { workers = 1, max_pending = 2 }
    local other <close> = tine.pool(1)
    finally(function()
      pool:kill_workers()
      other:kill_workers()
    end)
    local called, futures = 0, {}
    for i = 1, 10 do
      local first = other:submit(math.abs, -i)
      first:add_done_callback(function() called = called + 1 end)
      futures[i] = pool:submit(function(n) return n + 1 end, first)
    end
    assert.is_true(called < 10) -- no callbacks run in a submit
    for i = 1, 10 do assert.equal(i + 1, futures[i]:result(20)) end
    for _, chunksize in ipairs { 1, 3 } do
      local items = {}
      for i = 1, 10 do items[i] = other:submit(math.abs, -i) end
      local list = pool:map(function(n) return n end, items, { chunksize = chunksize }):totable()
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, n = 10 }, list)
    end
  end)
end)

-- The program stood still for good, at the end of a pool as well.
describe("waiting for a task that waits for a future that nobody can set", function()
  teardown(leftovers.none)

  local never = "this wait can never end: a task waits for a future that is made by hand"

  local function refused(f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    assert.equal("invalid_state", tine.kind(err))
    assert.matches(never, tostring(err), 1, true)
  end

  it("is an error", function()
    local pool <close> = tine.pool { workers = 1, max_pending = 2 }
    local by_hand = tine.future()
    local first = pool:submit(pass, by_hand)
    local second = pool:submit(pass, first)
    refused(first.result, first)
    refused(tine.wait, { second })
    refused(pool.join, pool)
    refused(pool.submit, pool, pass, 1)
    refused(function() return tine.as_completed { first, second }() end)
    assert.same({ "pending", "pending" }, { first:state(), second:state() })
    assert.is_false(pcall(first.result, first, 0.01))
    by_hand:set_running_or_notify_cancel()
    by_hand:set_result(7)
    assert.equal(7, second:result(20))
  end)

  -- Where workers had times of their own to be ended at it stood still until these had passed, and then as well.
  it("is an error beside workers that are to end some time", function()
    local pool <close> = tine.pool { workers = 2, max_worker_age = 3600 }
    local first, second = pool:submit(pass, 1), pool:submit(pass, 2)
    tine.wait { first, second }
    local waits = pool:submit(pass, tine.future())
    refused(waits.result, waits)
    waits:cancel()
  end)

  it("is none while a task runs whose callback may set it", function()
    local pool <close> = tine.pool(1)
    local other <close> = tine.pool(1)
    local by_hand = tine.future()
    local future = pool:submit(pass, by_hand)
    local wait, open = gate()
    other:submit(wait):add_done_callback(function()
      by_hand:set_running_or_notify_cancel()
      by_hand:set_result(8)
    end)
    assert.equal("timeout", tine.kind(select(2, future:pcall(0.05))))
    open()
    assert.equal(8, future:result())
  end)

  it("is none while its deadline will pass", function()
    local pool <close> = tine.pool(1)
    local _, err = pool:with { deadline = 0.05 }:submit(pass, tine.future()):pcall()
    assert.equal("timeout", tine.kind(err))
  end)

  it("is given up when the pool is shut down: the task is cancelled", function()
    local pool, other = tine.pool(1), tine.pool(1)
    local by_hand = tine.future()
    local first, done = pool:submit(pass, by_hand), pool:submit(pass, 5)
    local second, far = pool:submit(pass, first), other:submit(pass, first)
    other:shutdown()
    assert.same({ true, false }, { far:cancelled(), first:done() })
    assert.is_true(pool:shutdown())
    assert.same({ true, true, 5 }, { first:cancelled(), second:cancelled(), done:result() })
  end)
end)

describe("a future as an argument", function()
  teardown(leftovers.none)

  it("stands for its first result, whether or not it is done", function()
    local pool <close> = tine.pool { workers = 2 }
    local wait, open = gate()
    local slow = pool:submit(function() wait() return 40, "second" end)
    local sum = pool:submit(add, slow, 2)
    eventually(function() return slow:running() end, "it runs")
    assert.equal("pending", sum:state())
    open()
    assert.equal(42, sum:result(20))
    assert.equal(42, pool:submit(add, slow, 2):result(20))
    assert.same({ 1, 40, 3, 42, 5 }, { pool:submit(pass, 1, slow, 3, sum, 5):result(20) })
    assert.same({ 40, n = 1 }, table.pack(slow:chain(pass):result(20)))
  end)

  it("holds no worker, and goes on while the program does not call", function()
    local pool <close> = tine.pool { workers = 1 }
    local name = os.tmpname()
    os.remove(name)
    local last = pool:submit(pass, name)
    for _ = 1, 20 do last = last:chain(pass) end
    last:chain(function(path) assert(io.open(path, "w")):close() end)
    local found
    for _ = 1, 2000 do -- nothing of Tine's is called here
      found = io.open(name)
      if found then break end
      os.execute "sleep 0.01"
    end
    assert(found, "the chain has stopped"):close()
    os.remove(name)
  end)

  -- Its text is asked for where it is given; what needed it was pending for ever.
  it("that fails by an error whose __tostring raises fails what needs it, with that error", function()
    local mute = setmetatable({}, { __tostring = function() error "no text" end })
    local pool <close> = tine.pool { workers = 1 }
    local other <close> = tine.pool { workers = 1 }
    local before, after = tine.future(), tine.future()
    before:set_exception(mute)
    local first, second = pool:submit(pass, before), pool:submit(pass, after)
    after:set_exception(mute)
    assert.is_true(rawequal(mute, (first:exception(20))))
    assert.is_true(rawequal(mute, (second:exception(20))))
    local far = other:submit(error, mute)
    assert.equal("table", type((pool:submit(pass, far):exception(20))))
    for _, value, err in pool:map(pass, { far }, { on_error = "return", timeout = 20 }) do
      assert.is_nil(value)
      assert.equal("table", type(err))
    end
    assert.is_true(pool:join(20))
  end)

  it("whose text is asked for when the program is interrupted cancels what needs it", function()
    local pool <close> = tine.pool { workers = 1 }
    local future = tine.future()
    local dependent = pool:submit(pass, future)
    local slow = setmetatable({}, { __tostring = function() error("interrupted!", 0) end })
    assert.has_error(function() future:set_exception(slow) end, "interrupted!")
    assert.is_true(pool:join(20))
    assert.is_true(dependent:cancelled())
  end)

  it("that has no result is nil", function()
    local pool <close> = tine.pool { workers = 1 }
    local nothing = pool:submit(function() end)
    assert.same({ n = 2 }, table.pack(pool:submit(pass, nothing, nil):result(20)))
    assert.is_nil(nothing:result())
    assert.same({ n = 2 }, table.pack(pool:submit(pass, nothing, nil):result(20)))
  end)

  it("may be large, and any value", function()
    local pool <close> = tine.pool { workers = 2 }
    local text = pool:submit(string.rep, "x", 8000000)
    assert.equal(8000000, text:chain(string.len):result(20))
    local value = pool:submit(function() local t = { 1, { 2 } } t.self = t return t end)
    assert.is_true(value:chain(function(t) return t.self == t and t[2][1] == 2 end):result(20))
    local fn = pool:submit(function(n) return function(x) return x + n end end, 5)
    assert.equal(12, pool:submit(function(f, x) return f(x) end, fn, 7):result(20))
  end)

  it("that fails, fails what needs it with the same error", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    local bad = pool:submit(function() error({ code = 7 }) end)
    local after = bad:chain(pass)
    local later = after:chain(pass):chain(pass)
    assert.equal(7, after:exception(20).code)
    assert.equal(7, later:exception(20).code)
    assert.same({}, later:attempts())
    assert.equal(7, bad:chain(pass):exception(20).code) -- it is done, and decoded
    local crash = pool:submit(os.exit, 3):chain(pass)
    assert.equal("crashed", tine.kind(crash:exception(20)))
    assert.equal(3, crash:exception(20).exit_code)
  end)

  it("that is cancelled, cancels what needs it", function()
    local pool <close> = tine.pool { workers = 1 }
    local wait, open = gate()
    local blocker = pool:submit(wait)
    local first = pool:submit(pass, 1)
    local second = first:chain(pass)
    local third = pool:submit(pass, second, blocker)
    assert.is_true(first:cancel())
    assert.equal("cancelled", second:state())
    assert.equal("cancelled", third:state())
    open()
    blocker:result(20)
  end)

  it("does not keep the dependent from being cancelled, or late", function()
    local pool <close> = tine.pool { workers = 1 }
    local wait, open = gate()
    local slow = pool:submit(wait)
    local cancelled = slow:chain(pass)
    local late = pool:with({ deadline = 0.05 }):submit(pass, slow)
    assert.is_true(cancelled:cancel())
    local err = late:exception(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("pending", err.phase)
    open()
    slow:result(20)
    assert.equal(1, pool:submit(math.abs, -1):result(20))
  end)

  it("may be made by hand", function()
    local pool <close> = tine.pool { workers = 1 }
    local function dependent() local f = tine.future() return f, pool:submit(pass, f, 2) end
    local f, d = dependent()
    assert.equal("pending", d:state())
    f:set_result("by hand")
    assert.same({ "by hand", 2 }, { d:result(20) })
    f, d = dependent()
    local value = {}
    f:set_exception(value)
    assert.equal(value, d:exception(20))
    f, d = dependent()
    assert.is_true(f:cancel())
    assert.equal("cancelled", d:state())
    f, d = dependent()
    f:set_result(coroutine.create(print))
    assert.equal("serialization", tine.kind(d:exception(20)))
    local done = tine.future()
    done:set_result(1)
    assert.same({ 1, 2 }, { pool:submit(pass, done, 2):result(20) })
    local failed = tine.future()
    failed:set_exception "no"
    assert.equal("no", pool:submit(pass, failed):exception(20))
    assert.has_error(function() tine.future():chain(pass) end)
  end)

  it("may be of another pool", function()
    local one <close> = tine.pool { workers = 1 }
    local two <close> = tine.pool { workers = 1 }
    local far = one:submit(add, 1, 2)
    assert.equal(13, two:submit(add, far, 10):result(20))
    assert.equal(13, two:submit(add, far, 10):result(20))
    local bad = one:submit(error, "far away", 0)
    assert.equal("far away", two:submit(add, bad, 10):exception(20))
    assert.equal("far away", two:submit(add, bad, 10):exception(20))
  end)

  it("may be an item of a map", function()
    local pool <close> = tine.pool { workers = 2 }
    local by_hand, far = tine.future(), pool:submit(add, 20, 20)
    by_hand:set_result(30)
    local got = {}
    for i, value in pool:map(pass, { 10, pool:submit(add, 10, 10), by_hand, far, 50 }, { chunksize = 3 }) do
      got[i] = value
    end
    assert.same({ 10, 20, 30, 40, 50 }, got)
    local bad = pool:submit(error, "bad item", 0)
    got = {}
    for i, value, err in pool:map(pass, { 1, bad, 3 }, { on_error = "return" }) do got[i] = value or err end
    assert.same({ 1, "bad item", 3 }, got)
  end)

  it("inside a table or an upvalue is an error that says so", function()
    local pool <close> = tine.pool { workers = 1 }
    local future = pool:submit(pass, 1)
    for _, wrong in ipairs { pool:submit(pass, { future }), pool:submit(function() return future end) } do
      local err = wrong:exception(20)
      assert.equal("serialization", tine.kind(err))
      assert.matches("future", tostring(err), 1, true)
      assert.matches("argument itself", tostring(err), 1, true)
    end
  end)

  it("is tried again with what it was given", function()
    local pool <close> = tine.pool { workers = 1, retry = { error = 2, delay = 0 } }
    local function once(x) if tine.worker.task.attempt < 3 then error "again" end return x end
    assert.equal("given", pool:submit(pass, "given"):chain(once):result(20))
  end)

  it("ends with its pool", function()
    local pool = tine.pool { workers = 1 }
    local never = pool:submit(pass, tine.future())
    pool:kill_workers()
    assert.equal("broken", tine.kind(never:exception(20)))
    pool:shutdown()
    local open = tine.pool { workers = 1 }
    local waiting = open:submit(pass, tine.future())
    open:shutdown { cancel_futures = true }
    assert.equal("cancelled", waiting:state())
  end)

  -- #here: what inherits its streams writes where its host does
  it("that never comes does not keep the program from ending #here", function()
    local got = program.run [[
      local tine = require "tine"
      local pool = tine.pool { workers = 1 }
      pool:submit(print, tine.future())
      pool:submit(print, "this ran"):result()
    ]]
    assert.equal(0, got.code)
    assert.equal("this ran\n", got.out)
  end)

  it("makes chains of any length, which fail in one go", function()
    local pool <close> = tine.pool { workers = 1 }
    local wait, open = gate()
    local first = pool:submit(function() wait() error("the first", 0) end)
    local last = first
    for _ = 1, 20000 do last = last:chain(pass) end
    open()
    assert.equal("the first", last:exception(20))
  end)
end)

describe("future:chain", function()
  teardown(leftovers.none)

  it("keeps the settings of the view", function()
    local pool <close> = tine.pool { workers = 1 }
    local view = pool:with { label = "of the view", timeout = 0.1, grace = 0 }
    local future = view:submit(add, 1, 1):chain(function() while true do end end)
    local err = future:exception(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("of the view", err.task.label)
    assert.equal(12, pool:submit(add, 1, 1):chain(add, 10):result(20))
  end)
end)
