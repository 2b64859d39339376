-- Limits of memory and processor time.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"

local MIB <const> = 1 << 20
local function pid() return tine.worker.pid end

-- `bytes` of live tables and strings, and what more.
local function hold(bytes)
  local held, used = {}, 0
  while used < bytes do
    held[#held + 1] = ("x"):rep(1000)
    held[#held] = held[#held] .. #held
    used = used + 1100
  end
  return #held
end

describe("a memory limit", function()
  teardown(leftovers.none)

  local pool, worker
  before_each(function()
    pool = tine.pool { workers = 1 }
    worker = pool:submit(pid):result(20)
  end)
  after_each(function()
    assert.equal(worker, pool:submit(pid):result(20)) -- whatever has happened, it goes on
    pool:shutdown()
  end)

  it("lets a task have so much, and no more", function()
    local limited = pool:with { memory = 4 * MIB }
    assert.is_nil(limited:submit(hold, 3 * MIB):exception(20))
    local future = limited:with({ label = "greedy" }):submit(hold, 5 * MIB)
    local err = future:exception(20)
    assert.equal("memory", tine.kind(err))
    assert.equal(4 * MIB, err.limit)
    assert.is_true(err.used <= err.limit and err.used > err.limit - 100000, err.used)
    assert.equal("greedy", err.task.label)
    assert.matches("greedy", tostring(err), 1, true)
    assert.equal("finished", future:state())
    assert.is_nil(pool:submit(hold, 8 * MIB):exception(20)) -- of no one else
  end)

  it("is exact", function()
    -- a table of n numbers is doubled whenever it is full: 16 bytes each
    local function count(n)
      local t = {}
      for i = 1, n do t[i] = i end
      return #t
    end
    for _, n in ipairs { 1 << 12, 1 << 16 } do
      local view = pool:with { memory = 16 * n + 2000 }
      assert.equal(n, view:submit(count, n):result(20))
      assert.equal("memory", tine.kind(view:submit(count, n + 1):exception(20)))
    end
    local function string_of(n) return #(("x"):rep(n)) end
    local view = pool:with { memory = 2 * MIB }
    assert.equal(MIB - 30000, view:submit(string_of, MIB - 30000):result(20)) -- and its buffer
    assert.equal("memory", tine.kind(view:submit(string_of, MIB + 30000):exception(20)))
    assert.equal("memory", tine.kind(view:submit(string_of, 1 << 30):exception(20)))
  end)

  it("counts neither arguments, nor results, nor garbage of its own or of others", function()
    local large = ("x"):rep(3 * MIB)
    local view = pool:with { memory = MIB }
    assert.equal(large, view:submit(function(s) return s end, large):result(20))
    pool:submit(function() for i = 1, 100 do tine.worker.state.last = ("y"):rep(MIB + i) end end):result(20)
    assert.equal("memory", tine.kind(view:submit(function()
      tine.worker.state.other = ("z"):rep(2 * MIB)
    end):exception(20)))
    local function litter()
      for i = 1, 2000 do local _ = ("x"):rep(100000 + i) end
      for _ = 1, 50 do
        local t = {}
        for i = 1, 5000 do t[i] = "abcdefghij" end
        local _ = table.concat(t)
      end
      return "fine"
    end
    assert.equal("fine", view:submit(litter):result(60))
    -- what others have left is collected before, and not while it counts
    pool:submit(function()
      local keep = {}
      for i = 1, 50000 do keep[i] = { i } end
      tine.worker.state.keep = keep
    end):result(20)
    assert.equal("fine", view:submit(litter):result(60))
    pool:submit(function() tine.worker.state.keep = nil end):result(20)
    assert.equal("memory", tine.kind(view:submit(hold, 2 * MIB):exception(20)))
  end)

  -- Without memory no traceback is made: an earlier one was told in place of the error.
  it("that a callback meets is told as such", function()
    local future = pool:with { memory = 16 * MIB, output = "capture" }:submit(function()
      local by_hand = require "tine".future()
      by_hand:add_done_callback(function() error "the first" end)
      by_hand:add_done_callback(function() return ("x"):rep(64 << 20) end)
      by_hand:set_result()
    end)
    future:result()
    local told = future:output()
    assert.matches("callback of manual future: [^\n]*the first\n", told)
    assert.matches("callback of manual future: not enough memory\n", told)
  end)

  it("raises Lua's own error, in coroutines too, which a task may catch", function()
    local view = pool:with { memory = 2 * MIB }
    assert.equal("not enough memory", view:submit(function(f)
      return select(2, pcall(f, 4 * MIB))
    end, hold):result(20))
    assert.equal("not enough memory", view:submit(function(f)
      return select(2, coroutine.resume(coroutine.create(f), 4 * MIB))
    end, hold):result(20))
    local wrapped = view:submit(function(f) return coroutine.wrap(f)(4 * MIB) end, hold)
    assert.equal("memory", tine.kind(wrapped:exception(20)))
    assert.equal("caught", view:submit(function(f)
      pcall(f, 4 * MIB)
      error("caught", 0)
    end, hold):exception(20))
    local err = view:submit(function(f)
      pcall(f, 4 * MIB)
      error { code = 1 }
    end, hold):exception(20)
    assert.same({ code = 1 }, err)
    view:submit(function(f)
      local _ <close> = setmetatable({}, { __close = function() tine.worker.state.closed = true end })
      f(4 * MIB)
    end, hold):exception(20)
    assert.is_true(pool:submit(function() return tine.worker.state.closed end):result(20))
  end)

  it("is each task's own in a chunk", function()
    local seen = {}
    local view = pool:with { memory = 2 * MIB }
    for i, n, err in view:map(hold, { 1, 4 * MIB, 1, 4 * MIB, 1 }, { chunksize = 5, on_error = "return" }) do
      seen[i] = n or tine.kind(err)
    end
    assert.same({ 1, "memory", 1, "memory", 1 }, seen)
  end)

  it("holds without processes, and uses the budget of errors for another attempt", function()
    local here <close> = tine.pool { workers = 0 }
    assert.equal("memory", tine.kind(here:with({ memory = MIB }):submit(hold, 2 * MIB):exception(20)))
    assert.is_nil(here:with({ memory = 4 * MIB }):submit(hold, 2 * MIB):exception(20))
    local view = pool:with { memory = MIB, retry = { error = 1, delay = 0 } }
    assert.equal(2, view:submit(function(f)
      if tine.worker.task.attempt == 1 then f(2 * MIB) end
      return tine.worker.task.attempt
    end, hold):result(20))
  end)

  it("holds when the task has stopped the collector", function()
    assert.equal("memory", tine.kind(pool:with({ memory = MIB }):submit(function()
      collectgarbage "stop"
      local _ <close> = setmetatable({}, { __close = function() collectgarbage "restart" end })
      local t = {}
      for i = 1, 1e6 do t[i] = { i } end
      return #t
    end):exception(20)))
  end)
end)

describe("a limit of processor time", function()
  teardown(leftovers.none)

  it("ends a task that has used it up, as a timeout does", function()
    local pool <close> = tine.pool { workers = 1, grace = 20 }
    finally(function() pool:kill_workers() end)
    local worker = pool:submit(pid):result(20)
    local started = os.clock()
    local err, traceback = pool:with({ cpu = 0.1 }):submit(function()
      local over = os.clock() + 1e9
      while os.clock() < over do end
    end):exception(20)
    assert.is_true(os.clock() - started < 10)
    assert.same({ "timeout", "running", true }, { tine.kind(err), err.phase, err.cpu })
    assert.matches("limits_spec", traceback)
    assert.equal(worker, pool:submit(pid):result(20))
    local spent = pool:submit(os.clock):result(20)
    assert.is_true(spent >= 0.1, spent)
  end)

  it("does not count what the task waits, nor what others have used", function()
    local pool <close> = tine.pool { workers = 1, grace = 20 }
    pool:submit(function() while os.clock() < 0.2 do end end):result(20)
    assert.equal("slept", pool:with({ cpu = 0.15 }):submit(function() tine.sleep(0.4) return "slept" end):result(20))
    local results = {}
    local function item(n)
      local over = os.clock() + (n == 2 and 1e9 or 0.01)
      while os.clock() < over do end
      return n
    end
    for i, value, err in pool:with({ cpu = 0.1 }):map(item, { 1, 2, 3 }, { chunksize = 3, on_error = "return" }) do
      results[i] = value or err.cpu
    end
    assert.same({ 1, true, 3 }, results)
  end)

  it("kills who does not listen", function()
    local pool <close> = tine.pool { workers = 1, grace = 0.05 }
    finally(function() pool:kill_workers() end)
    local worker = pool:submit(pid):result(20)
    local err = pool:with({ cpu = 0.05 }):submit(function()
      return (("x"):rep(100000)):find(("x*"):rep(8) .. "y")
    end):exception(20)
    assert.is_true(err.cpu)
    assert.not_equal(worker, pool:submit(pid):result(20))
  end)
end)
