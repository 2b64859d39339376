-- pool:everywhere: a call that each worker runs once, before its next task.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local pools = require "spec.support.pools"

local fill = pools.fill

local key = "" -- another one for each pool: workers of other machines have served others

-- Counts, in each worker, how often it was run.
local function bump(by)
  local state = tine.worker.state
  state[key] = (state[key] or 0) + (by or 1)
end

local function counted() return tine.worker.state[key] end

local function pool_of(options)
  key = key .. "x"
  return pools.open(finally, options)
end

local function counts(pool, n)
  local set = {}
  for _ = 1, 5 * n do set[pool:submit(counted):result(20) or 0] = true end
  local list = {}
  for count in pairs(set) do list[#list + 1] = count end
  table.sort(list)
  return list
end

describe("pool:everywhere", function()
  teardown(leftovers.none)

  it("runs once in each worker, idle ones too, and gives no values", function()
    local pool = pool_of { workers = 3 }
    fill(pool, 3)
    assert.equal(0, select("#", pool:everywhere(function()
      bump()
      return 1, coroutine.create(print)
    end):result(20)))
    assert.same({ 1 }, counts(pool, 3))
    pool:everywhere(bump, 10):result(20)
    pool:everywhere(bump, 100):result(20)
    assert.same({ 111 }, counts(pool, 3))
  end)

  it("runs before the next task, without being waited for", function()
    local pool = pool_of { workers = 1 }
    for i = 1, 20 do
      pool:everywhere(bump)
      assert.equal(i, pool:submit(counted):result(20))
    end
  end)

  -- #here: on other machines the future is done at once
  it("waits for a busy worker's task, not for its chunk #here", function()
    local pool = pool_of { workers = 1 }
    local wait, open = gate()
    local first = pool:submit(wait)
    eventually(function() return first:running() end)
    local future = pool:everywhere(bump)
    assert.is_false(future:done())
    assert.equal("pending", future:state())
    assert.is_false(future:cancel())
    assert.is_false(future:abort())
    open()
    future:result(20)
    local inner, go = gate()
    local chunk = pool:map(function(i)
      if i == 1 then inner() end
      return counted()
    end, { 1, 2 }, { chunksize = 2 })
    eventually(function() return pool:stats().running == 1 end)
    pool:everywhere(bump)
    go()
    assert.same({ 1, 2, n = 2 }, chunk:totable())
  end)

  -- #here: no resize there; everywhere_spec.lua of spec/machines
  it("runs in later workers after their initializer #here", function()
    local pool = pool_of { workers = 1, max_tasks_per_worker = 1, initializer = function()
      tine.worker.state[key] = 1000
    end }
    assert.equal(0, select("#", pool:everywhere(bump):result(20))) -- there is none yet
    assert.equal(1001, pool:submit(counted):result(20))
    pool:everywhere(bump, 10):result(20)
    for _ = 1, 3 do assert.equal(1011, pool:submit(counted):result(20)) end
    local wide = pool_of { workers = 1 }
    fill(wide, 1)
    wide:everywhere(bump):result(20)
    wide:resize(3)
    fill(wide, 3)
    assert.same({ 1 }, counts(wide, 3))
  end)

  -- #here: there it goes to on_callback_error always
  it("fails by an error, which does no more; in a later worker it goes to on_callback_error #here", function()
    local errors = {}
    local pool = pool_of { workers = 1, max_tasks_per_worker = 1, on_callback_error = function(err, traceback)
      errors[#errors + 1] = { err, type(traceback) }
    end }
    local future = pool:everywhere(function() error({ "no" }) end)
    future:result(20) -- nobody was there
    assert.equal(1, pool:submit(math.abs, -1):result(20))
    eventually(function()
      pool:dispatch()
      return #errors == 1
    end)
    assert.same({ { { "no" }, "string" } }, errors)

    local steady = pool_of { workers = 2 }
    fill(steady, 2)
    local ok, err, traceback = steady:everywhere(function() error("bad", 0) end):pcall(20)
    assert.is_false(ok)
    assert.equal("bad", err)
    assert.is_string(traceback)
    assert.equal(1, steady:submit(math.abs, -1):result(20))
  end)

  it("counts neither in stats nor for max_pending", function()
    local pool = pool_of { workers = 1, max_pending = 1 }
    local wait, open = gate()
    local future = pool:submit(wait)
    local every = pool:everywhere(bump)
    assert.equal(1, pool:stats().submitted)
    open()
    future:result(20)
    every:result(20)
    local stats = pool:stats()
    assert.same({ 1, 1, 0, 0 }, { stats.submitted, stats.finished, stats.failed, stats.pending })
    assert.equal(1, pool:submit(counted):result(20))
  end)

  -- #here: on other machines the future is done at once
  it("does not wait for a worker that has died #here", function()
    local pool = pool_of { workers = 1, on_crash = "replace" }
    local future = pool:submit(function()
      while true do end
    end)
    eventually(function() return future:running() end)
    local pid = pool:workers()[1].pid
    local every = pool:everywhere(bump)
    assert.is_false(every:done())
    os.execute("kill -9 " .. pid)
    every:result(20)
    assert.equal(1, pool:submit(counted):result(20))
  end)

  -- It had succeeded, and its worker had died "while it was idle".
  it("fails when it ends its worker, where that breaks the pool #here", function()
    local pool = pool_of { workers = 1, on_crash = "break" }
    pool:submit(math.abs, -1):result(20) -- there is a worker
    local err = pool:everywhere(function() os.exit(3) end):exception(20)
    assert.equal("broken", tine.kind(err))
    assert.matches("died while it was running a function of everywhere: exit code 3", tostring(err), 1, true)
    pool:shutdown()
  end)

  -- A worker that is started later runs it, too, but was not among those that the function was awaited of: it had died
  -- "while it was idle".
  it("is what ended those that were started in place of others #here", function()
    local pool = pool_of { workers = 1, on_crash = "replace" }
    pool:submit(math.abs, -1):result(20)
    pool:everywhere(function() os.exit(3) end):result(20)
    local taken, future = pcall(pool.submit, pool, math.abs, -1) -- refused when the pool is broken already
    local err = taken and future:exception(20) or future
    assert.equal("broken", tine.kind(err))
    assert.matches("died while it was running a function of everywhere: exit code 3", tostring(err), 1, true)
    pool:shutdown()
  end)

  -- #here: on other machines the future is done at once
  it("fails with its pool, and is refused by one that has ended #here", function()
    local pool = pool_of { workers = 1 }
    local future = pool:submit(function()
      while true do end
    end)
    eventually(function() return future:running() end)
    local every = pool:everywhere(bump)
    pool:kill_workers()
    assert.equal("broken", tine.kind(every:exception(20)))
    local ended = tine.pool(1)
    ended:shutdown { wait = false }
    assert.equal("shutdown", tine.kind(select(2, pcall(ended.everywhere, ended, bump))))
    ended:shutdown()
    assert.equal("shutdown", tine.kind(select(2, pcall(ended.everywhere, ended, bump))))
  end)

  it("runs before the workers of a pool that is shut down end", function()
    local pool = pool_of { workers = 2 }
    fill(pool, 2)
    local every = pool:everywhere(bump)
    pool:shutdown()
    every:result(0)
  end)

  -- The workers were told to leave as soon as no task was left, and were killed exit_timeout later, in the midst of it;
  -- and the future said that all had run it.
  it("is no hanging end of a worker, and is waited for by shutdown #here", function()
    local pool = pool_of { workers = 2, exit_timeout = 0 }
    fill(pool, 2)
    local ran = tine.buffer(8)
    local every = pool:everywhere(function(n)
      local x = 0
      for i = 1, 1000000 do x = x + i end
      n:add(1, 1)
    end, ran)
    assert.is_true(pool:shutdown())
    every:result(0)
    assert.equal(2, ran:add(1, 0))
  end)

  it("with what cannot be sent is a failed future, and runs nowhere", function()
    local pool = pool_of { workers = 1 }
    fill(pool, 1)
    local future = pool:everywhere(bump, coroutine.create(print))
    assert.equal("serialization", tine.kind(future:exception(20)))
    assert.is_nil(pool:submit(counted):result(20))
    assert.has_error(function() pool:everywhere(1) end,
      "bad argument #1 to 'everywhere' (function expected, got number)")
  end)

  it("runs at once in a pool without processes", function()
    local pool = pool_of { workers = 0 }
    assert.is_true(pool:everywhere(bump):done())
    assert.equal(1, pool:submit(counted):result())
    assert.is_true(pool:everywhere(bump, 10):done())
    assert.equal(11, pool:submit(counted):result())
    assert.equal("x", pool:everywhere(error, "x", 0):exception())
    assert.equal(11, pool:submit(counted):result())
  end)
end)
