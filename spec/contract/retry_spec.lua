-- Tasks that are tried again: budgets, pauses, `when`, the list of attempts.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"

local function loop() while true do end end
local function attempt() return tine.worker.task.attempt end
-- Fails until attempt n.
local function until_attempt(n)
  if tine.worker.task.attempt < n then error("not yet: " .. tine.worker.task.attempt, 0) end
  return tine.worker.task.attempt
end
local function crash_until(n)
  if tine.worker.task.attempt < n then os.exit(3) end
  return tine.worker.task.attempt
end
local function run_until(n)
  if tine.worker.task.attempt < n then loop() end
  return tine.worker.task.attempt
end

describe("a task that may be tried again", function()
  teardown(leftovers.none)

  local FAST = { delay = 0 }
  local function retry(t) return setmetatable(t, { __index = FAST }) end

  it("is, until it succeeds, and counts its attempts", function()
    local pool <close> = tine.pool { workers = 1 }
    local view = pool:with { retry = { error = 3, delay = 0.001 } }
    assert.equal(3, view:submit(until_attempt, 3):result(20))
    assert.equal(1, view:submit(attempt):result(20))
    assert.equal(1, pool:submit(attempt):result(20))
  end)

  -- Making room for the attempts ran finalizers, which took the same result in once more: it had two owners then, and
  -- was freed twice. #here: 15,000 round trips to other machines take long
  it("has its result once, though finalizers run while it is taken in #here", function()
    local program = require "spec.support.program"
    assert.equal("done\n", program.output [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, retry = { error = 2, delay = 0 } }
      for _ = 1, 5000 do
        local future = pool:submit(function() error("x", 0) end)
        future:pcall()
        future:attempts()
      end
      print "done"]])
  end)

  -- An error was only heard of when the program called Tine, or when the pool's thread looked around, every 5 seconds.
  -- #here: memory that both see
  it("is also while its program does something else #here", function()
    local pool <close> = tine.pool(1)
    local attempts = tine.buffer(8)
    pool:submit(math.abs, -1):result(20)
    local future = pool:with({ retry = retry { error = 20 } }):submit(function(n)
      if n:add(1, 1) < 20 then error "not yet" end
      return "done"
    end, attempts)
    eventually(function() return attempts:get("j", 1) == 21 end)
    assert.equal("done", future:result(20))
  end)

  it("fails with its last error when the budget is used up", function()
    local pool <close> = tine.pool { workers = 1, retry = { error = 2, delay = 0 } }
    pool:submit(math.abs, -1):result(20)
    pool:workers() -- it has been heard which process its worker is
    local future = pool:submit(until_attempt, 10)
    assert.equal("not yet: 3", future:exception(20))
    local attempts = future:attempts()
    assert.equal(3, #attempts)
    for i, a in ipairs(attempts) do
      assert.equal("not yet: " .. i, a.error)
      assert.equal(1, a.worker)
      assert.equal(pool:stats().workers[1].host, a.host) -- which was promised and missing, and in `times`, too
      assert.is_true(math.type(a.pid) == "integer" and a.pid > 0)
      assert.is_true(a.started >= 0 and a.seconds >= 0)
      local before = attempts[i - 1]
      if before then assert.is_true(a.started >= before.started + before.seconds - 1e-9) end -- a sum is rounded
    end
  end)

  it("has separate budgets", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    finally(function() pool:kill_workers() end)
    local crashes = pool:with { retry = retry { crashed = 1, delay = 0 } }
    assert.equal(2, crashes:submit(crash_until, 2):result(20))
    assert.equal("crashed", tine.kind(crashes:submit(crash_until, 9):exception(20)))
    assert.equal("not yet: 1", crashes:submit(until_attempt, 9):exception(20))
    local slow = pool:with { timeout = 0.05, retry = { timeout = 1, delay = 0 } }
    assert.equal(2, slow:submit(run_until, 2):result(20))
    local future = slow:submit(loop)
    assert.equal("running", future:exception(20).phase)
    assert.equal(2, #future:attempts())
    assert.equal("timeout", tine.kind(future:attempts()[1].error))
  end)

  it("is tried again by a count for all of them", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    local view = pool:with { retry = 1 }
    assert.equal(2, view:submit(until_attempt, 2):result(20))
    assert.equal(2, view:submit(crash_until, 2):result(20))
  end)

  it("keeps its label, and the blame", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    local future = pool:with { label = "doomed", retry = { crashed = 1, delay = 0 } }:submit(crash_until, 9)
    local err = future:exception(20)
    assert.equal("doomed", err.task.label)
    assert.equal("doomed", future:attempts()[1].error.task.label)
    assert.equal(3, future:attempts()[1].error.exit_code)
  end)

  it("is not when its result or its arguments cannot travel", function()
    local pool <close> = tine.pool { workers = 1, retry = 5 }
    local future = pool:submit(function() return coroutine.create(print) end)
    assert.equal("serialization", tine.kind(future:exception(20)))
    assert.equal(1, #future:attempts())
    local unsent = pool:submit(math.abs, coroutine.create(print))
    assert.equal("serialization", tine.kind(unsent:exception(20)))
    assert.same({}, unsent:attempts())
  end)

  it("is not when a crash breaks the pool", function()
    local pool <close> = tine.pool { workers = 1, retry = 5, on_crash = "break" }
    assert.equal("broken", tine.kind(pool:submit(crash_until, 2):exception(20)))
  end)

  it("waits longer each time, without holding a worker, up to max_delay", function()
    local pool <close> = tine.pool { workers = 1 }
    local view = pool:with { retry = { error = 3, delay = 0.1, factor = 3, max_delay = 0.2, jitter = 0 } }
    local future = view:submit(until_attempt, 4)
    eventually(function() return #future:attempts() == 1 end, "it has failed once")
    assert.equal("pending", future:state())
    assert.equal(1, pool:submit(attempt):result(20))
    assert.equal(4, future:result(20))
    local a = future:attempts()
    local function pause(i) return a[i + 1].started - a[i].started - a[i].seconds end
    assert.is_true(pause(1) >= 0.1 and pause(2) >= 0.2 and pause(3) >= 0.2)
  end)

  it("can be cancelled between attempts, and ends with its pool", function()
    local pool <close> = tine.pool { workers = 1 }
    local view = pool:with { retry = { error = 1, delay = 3600 } }
    local future = view:submit(until_attempt, 2)
    eventually(function() return #future:attempts() == 1 end, "it has failed once")
    assert.is_true(future:cancel())
    assert.equal("cancelled", future:state())
    assert.equal(1, #future:attempts())
    local aborted = view:submit(until_attempt, 2)
    eventually(function() return #aborted:attempts() == 1 end, "it has failed once")
    assert.is_true(aborted:abort())
    assert.equal("cancelled", aborted:state())
    local last = view:submit(until_attempt, 2)
    eventually(function() return #last:attempts() == 1 end, "it has failed once")
    pool:kill_workers()
    assert.equal("broken", tine.kind(last:exception(20)))
  end)

  it("is not tried again when its deadline has passed, whichever attempt it is", function()
    local pool <close> = tine.pool { workers = 1 }
    local future = pool:with { deadline = 0.2, retry = { error = 9, delay = 3600 } }:submit(until_attempt, 2)
    local err = future:exception(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("pending", err.phase)
    assert.matches("its deadline passed before its next attempt", err.message, 1, true)
    assert.equal(1, #future:attempts())
  end)

  it("is asked for by `when`, in the submitter", function()
    local seen = {}
    local pool <close> = tine.pool { workers = 1, retry = { error = 9, delay = 0, when = function(err, n)
      seen[#seen + 1] = err .. " " .. n
      return n < 3
    end } }
    local future = pool:submit(until_attempt, 10)
    assert.equal("not yet: 3", future:exception(20))
    assert.same({ "not yet: 1 1", "not yet: 2 2", "not yet: 3 3" }, seen)
    assert.equal(3, #future:attempts())
    assert.equal(2, pool:submit(until_attempt, 2):result(20))
  end)

  it("is not when `when` raises, which goes to on_callback_error, once", function()
    local errors = {}
    local pool <close> = tine.pool { workers = 1, on_callback_error = function(err) errors[#errors + 1] = err end }
    local view = pool:with { retry = { error = 3, delay = 0, when = function() error("no idea", 0) end } }
    assert.equal("not yet: 1", view:submit(until_attempt, 2):exception(20))
    assert.same({ "no idea" }, errors)
    for _, value, err in view:map(until_attempt, { 2 }, { on_error = "return" }) do
      assert.is_nil(value)
      assert.equal("not yet: 1", err)
    end
    assert.same({ "no idea", "no idea" }, errors)
  end)

  it("may be waited for, cancelled and be over while `when` runs", function()
    local pool <close> = tine.pool { workers = 1 }
    local future
    local view = pool:with { retry = { error = 1, delay = 0, when = function()
      pool:submit(math.abs, -1):result(20)
      assert(future:cancel())
      return true
    end } }
    future = view:submit(until_attempt, 2)
    assert.equal("cancelled", tine.kind(select(2, future:pcall(20))))
    assert.equal(1, pool:submit(math.abs, -1):result(20))
  end)

  -- Such a wait stood for ever: the task waits for the answer, and the answer for the task.
  it("is not when `when` waits for what waits for its answer", function()
    for name, wait in pairs {
      result = function(_, future) future:result() end,
      join = function(pool) pool:join() end,
      wait = function(_, future) tine.wait { future } end,
      events = function(_, future) for _ in future:events() do end end,
      chain = function(_, future) future:chain(math.abs):result() end,
    } do
      local told = {}
      local pool <close> = tine.pool { workers = 1, on_callback_error = function(err) told[#told + 1] = err end }
      local future
      local view = pool:with { retry = { error = 3, delay = 0, when = function() wait(pool, future) return true end } }
      future = view:submit(until_attempt, 2)
      assert.equal("not yet: 1", future:exception(20), name)
      assert.equal(1, #told, name)
      assert.equal("invalid_state", tine.kind(told[1]), name)
      assert.matches("can never end: a task is to be decided about first", told[1].message, 1, true)
    end
  end)

  it("is not when `when` waits for the end of its pool, which is not held up", function()
    local pool = tine.pool { workers = 1 }
    local ended
    local function when() ended = pool:shutdown() return true end
    local view = pool:with { retry = { error = 3, delay = 0, when = when } }
    local future = view:submit(until_attempt, 2)
    assert.equal("not yet: 1", future:exception(20))
    assert.is_true(ended)
    assert.equal(1, #future:attempts())
  end)

  -- The answer was given after the report, and so not at all when that raised: the task stood, and shutdown with it.
  it("is not when `when` is interrupted, or the report of its error, which may wait for the future", function()
    local future, reported
    for name, how in pairs {
      ["in when"] = { "interrupted!", function() end },
      ["in the report"] = { "no", function() error("interrupted!", 0) end },
      ["not at all"] = { "no", function() reported = future:exception(20) end },
    } do
      local pool <close> = tine.pool { workers = 1, on_callback_error = how[2] }
      local view = pool:with { retry = { error = 3, delay = 0, when = function() error(how[1], 0) end } }
      future = view:submit(until_attempt, 2)
      local ok, err = pcall(future.exception, future)
      local well = name == "not at all"
      assert.same({ well, well and "not yet: 1" or "interrupted!" }, { ok, err }, name)
      assert.equal("not yet: 1", future:exception(20), name)
    end
    assert.equal("not yet: 1", reported)
  end)

  it("may be while `when` waits for something else, or not for ever", function()
    local pool <close> = tine.pool { workers = 1 }
    local future
    local view = pool:with { retry = { error = 1, delay = 0, when = function()
      local ok, err = future:pcall(0.01)
      return not ok and tine.kind(err) == "timeout" and pool:submit(math.abs, -2):result() == 2
    end } }
    future = view:submit(until_attempt, 2)
    assert.equal(2, future:result(20))
  end)

  it("holds up no submit that waits for room", function()
    local pool <close> = tine.pool { workers = 1, max_pending = 1 }
    local asked = 0
    local view = pool:with { retry = { error = 1, delay = 0, when = function() asked = asked + 1 return true end } }
    local first = view:submit(until_attempt, 2)
    assert.equal(1, pool:submit(math.abs, -1):result(20))
    assert.equal(2, first:result(20))
    assert.equal(1, asked)
  end)

  it("as an item of a map is tried again by itself", function()
    local pool <close> = tine.pool { workers = 2 }
    local view = pool:with { retry = { error = 2, delay = 0 } }
    local sum = 0
    local function item(i)
      if i % 10 == 0 and tine.worker.task.attempt < 3 then error "again" end
      return i, tine.worker.task.attempt
    end
    for i, value, n in view:map(item, { 5, 10, 15, 20, 25, 30, 35, 40 }, { chunksize = 4 }) do
      assert.equal(i * 5, value)
      assert.equal(value % 10 == 0 and 3 or 1, n)
      sum = sum + value
    end
    assert.equal(180, sum)
  end)

  it("takes large arguments along again", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace", retry = { crashed = 2, error = 2, delay = 0 } }
    local text = ("x"):rep(3000000)
    local function measure(s)
      if tine.worker.task.attempt == 1 then os.exit(1) end
      if tine.worker.task.attempt == 2 then error "again" end
      return #s
    end
    assert.equal(3000000, pool:submit(measure, text):result(20))
  end)

  it("ends once, in whatever order a thousand of them do", function()
    local pool <close> = tine.pool { workers = 2, retry = { error = 3, delay = 0.001 } }
    local futures = {}
    for i = 1, 1000 do futures[i] = pool:submit(until_attempt, i % 5 + 1) end
    for i = 1, 1000 do
      if i % 5 == 4 then
        assert.equal("not yet: 4", futures[i]:exception(20))
      else
        assert.equal(i % 5 + 1, futures[i]:result(20))
      end
    end
    local stats = pool:stats()
    assert.equal(1000, stats.finished + stats.failed)
  end)
end)

describe("future:times", function()
  teardown(leftovers.none)

  it("tells when and where a task has run", function()
    local pool = tine.pool { workers = 1 }
    finally(function()
      pool:kill_workers()
      pool:shutdown()
    end)
    local wait, open = gate()
    local before = tine.clock()
    local future, later = pool:submit(wait), pool:submit(math.abs, -1)
    eventually(function() return future:times().started end, "it has started")
    local now, pending = future:times(), later:times()
    assert.is_nil(now.ended)
    assert.is_nil(pending.started)
    assert.is_nil(pending.worker)
    assert.is_true(pending.submitted >= now.submitted)
    open()
    future:result(20)
    later:result(20)
    local t = future:times()
    assert.is_true(before <= t.submitted and t.submitted <= t.started and t.started <= t.ended)
    assert.is_true(t.ended <= tine.clock())
    assert.equal(1, t.worker)
    assert.equal(pool:stats().workers[1].host, t.host)
    local after = later:times()
    local exact = not os.getenv "TINE_SPEC_BACKEND" -- else what came by the network counts from when it came
    assert.is_true((t.ended <= after.started or not exact) and after.started <= after.ended)
    assert.equal(1, #future:attempts())
    assert.is_nil(future:attempts()[1].error)
  end)

  -- It had none, and `tine top` told of a task that had failed an hour ago.
  it("tells when one that cannot be sent was submitted and failed", function()
    local pool <close> = tine.pool { workers = 1 }
    local before = tine.clock()
    local t = pool:submit(print, coroutine.create(print)):times()
    assert.is_true(before <= t.submitted and t.submitted <= t.ended and t.ended <= tine.clock())
    assert.is_nil(t.started)
  end)

  it("of what never ran has no start", function()
    local pool <close> = tine.pool { workers = 1 }
    local wait, open = gate()
    local blocker = pool:submit(wait)
    local future = pool:submit(math.abs, -1)
    assert.is_true(future:cancel())
    future:pcall()
    local t = future:times()
    assert.is_true(t.submitted <= t.ended)
    assert.is_nil(t.started)
    assert.same({}, future:attempts())
    open()
    blocker:result(20)
  end)
end)
