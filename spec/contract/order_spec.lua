-- Which task is next, and until when it may begin: priorities, ageing, groups, deadlines.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"

local function loop() while true do end end
local function name_of(name) return name end

local pools = {}
local function close_pools()
  for i = #pools, 1, -1 do
    pools[i]:kill_workers() -- one may be held yet
    pools[i]:shutdown()
    pools[i] = nil
  end
end

-- A pool of one worker, which waits for `open`: what is submitted meanwhile is taken in the order that is looked at.
-- `submit(view, name)` and `taken()`: the names, as they ran.
local function held(options)
  options = options or {}
  options.workers = 1
  options.window = os.getenv "TINE_SPEC_BACKEND" and 1 -- what has left for another machine has its place
  local pool = tine.pool(options)
  pools[#pools + 1] = pool
  local wait, open = gate()
  local blocker, order, futures = pool:submit(wait), {}, {}
  eventually(function() return blocker:running() end, "the worker is held")
  local function submit(view, name)
    local future = view:submit(name_of, name)
    future:add_done_callback(function(f) order[#order + 1] = f:result() end)
    futures[#futures + 1] = future
    return future
  end
  local function taken()
    open()
    for _, future in ipairs(futures) do future:pcall(20) end
    return table.concat(order, " ")
  end
  return pool, submit, taken
end

describe("the order of tasks", function()
  after_each(close_pools)
  teardown(leftovers.none)

  it("is that of submit among equals", function()
    local pool, submit, taken = held()
    local same = pool:with { priority = 0 }
    for i = 1, 10 do submit(i % 2 == 0 and pool or same, i) end
    assert.equal("1 2 3 4 5 6 7 8 9 10", taken())
  end)

  it("is that of priorities, whatever was submitted first", function()
    local pool, submit, taken = held()
    local high, low = pool:with { priority = 7 }, pool:with { priority = -7 }
    for i = 1, 3 do
      submit(low, "low" .. i)
      submit(pool, "middle" .. i)
      submit(high, "high" .. i)
    end
    assert.equal("high1 high2 high3 middle1 middle2 middle3 low1 low2 low3", taken())
  end)

  it("holds for the whole range of integers", function()
    local pool, submit, taken = held { ageing = 1e300 }
    for _, priority in ipairs { math.mininteger, math.maxinteger, 0, math.maxinteger - 1, -1 } do
      submit(pool:with { priority = priority }, tostring(priority))
    end
    assert.equal(("%d %d 0 -1 %d"):format(math.maxinteger, math.maxinteger - 1, math.mininteger), taken())
  end)

  it("holds for many more than are handed over at a time", function()
    local pool, submit, taken = held { ageing = 0 }
    local high, wanted = pool:with { priority = 1 }, {}
    for i = 1, 500 do submit(pool, "low" .. i) end
    for i = 1, 500 do submit(high, "high" .. i) end
    for i = 1, 500 do wanted[i] = "high" .. i end
    for i = 1, 500 do wanted[500 + i] = "low" .. i end
    assert.equal(table.concat(wanted, " "), taken())
  end)

  -- Of many submits that find no room only few take results in, but each of them goes before what is lower.
  it("holds for each one of many that come while there is no room", function()
    local pool, submit, taken = held { ageing = 0 }
    local expected = {}
    for i = 1, 500 do
      submit(pool, "low" .. i)
      expected[100 + i] = "low" .. i
    end
    for i = 1, 100 do
      submit(pool:with { priority = i }, "high" .. i)
      expected[101 - i] = "high" .. i
    end
    assert.equal(table.concat(expected, " "), taken())
  end)

  it("holds for any that come in any order", function()
    local pool, submit, taken = held { ageing = 0 }
    local views, expected = {}, {}
    for priority = 1, 9 do views[priority] = pool:with { priority = priority } end
    for i = 1, 600 do
      local priority = i * 7919 % 104729 % 9 + 1
      submit(views[priority], i)
      expected[i] = { priority = priority, name = i }
    end
    table.sort(expected, function(a, b)
      if a.priority ~= b.priority then return a.priority > b.priority end
      return a.name < b.name
    end)
    for i, task in ipairs(expected) do expected[i] = task.name end
    assert.equal(table.concat(expected, " "), taken())
  end)

  -- What overtakes others at the site is handed over without a look at how much of what lies there has been taken.
  it("leaves nothing behind, whatever overtakes what, though nobody asks", function()
    local pool = tine.pool { workers = 2, ageing = 0 }
    pools[#pools + 1] = pool
    local name, views = os.tmpname(), {}
    local function mark()
      local file = assert(io.open(name, "a"))
      file:write("x")
      file:close()
    end
    for priority = 1, 9 do views[priority] = pool:with { priority = priority } end
    for i = 1, 3000 do views[i * 7919 % 104729 % 9 + 1]:submit(mark) end
    eventually(function()
      local file <close> = assert(io.open(name))
      return file:seek "end" == 3000
    end, "all have run")
    os.remove(name)
  end)

  it("lets groups of one priority take turns, however much one submits", function()
    local pool, submit, taken = held()
    local a, b = pool:with { group = "a" }, pool:with { group = "b" }
    for i = 1, 100 do submit(a, "a" .. i) end
    for i = 1, 3 do submit(b, "b" .. i) end
    submit(pool, "none1")
    submit(pool, "none2")
    assert.matches("^a1 b1 none1 a2 b2 none2 a3 b3 a4 a5 ", taken())
  end)

  it("lets groups take turns inside a priority only", function()
    local pool, submit, taken = held()
    local a, b = pool:with { group = "a", priority = 1 }, pool:with { group = "b" }
    submit(b, "b1")
    submit(b:with { priority = 1 }, "b2")
    for i = 1, 3 do submit(a, "a" .. i) end
    assert.equal("b2 a1 a2 a3 b1", taken())
  end)

  it("lets who waits gain on higher priorities, once a second", function()
    local pool, submit, taken = held { ageing = 10 }
    local high = pool:with { priority = 10 }
    submit(pool, "old")
    tine.sleep(1.05)
    submit(high, "equal") -- which was submitted later
    submit(pool:with { priority = 11 }, "higher")
    submit(pool, "young")
    assert.equal("higher old equal young", taken())
  end)

  it("gains nothing before a whole second, or with ageing = 0", function()
    local pool, submit, taken = held()
    submit(pool, "old")
    submit(pool:with { priority = 1 }, "high")
    assert.equal("high old", taken())
    local still, add, order = held { ageing = 0 }
    add(still, "old")
    tine.sleep(1.05)
    add(still:with { priority = 1 }, "high")
    assert.equal("high old", order())
  end)

  -- All that a second gives came at its end, so that with 20 nothing was gained for as long as with 1.
  it("gains one step after the other, where a second has many", function()
    for ageing, priority in pairs { [20] = 3, [100] = 19, [10000] = 1900 } do
      local pool, submit, taken = held { ageing = ageing }
      submit(pool, "old")
      tine.sleep(0.205)
      submit(pool:with { priority = priority }, "high")
      submit(pool:with { priority = math.maxinteger }, "highest")
      assert.equal("highest old high", taken(), ageing)
    end
  end)

  it("takes ageing as a number of 0 or more", function()
    for _, wrong in ipairs { -1, 0 / 0, "1", {} } do
      local ok, err = pcall(tine.pool, { ageing = wrong })
      assert.is_false(ok)
      assert.matches("option 'ageing' must be a number of 0 or more, got ", err, 1, true)
    end
  end)

  it("is kept by what comes back from a worker that has died", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    local order, futures = {}, {}
    local wait, open = gate()
    local crash = pool:submit(function() wait() os.exit(3) end)
    for i = 1, 20 do
      futures[i] = pool:submit(name_of, i)
      futures[i]:add_done_callback(function(f) order[#order + 1] = f:result() end)
    end
    open()
    assert.equal("crashed", tine.kind(crash:exception(20)))
    for i = 1, 20 do futures[i]:result(20) end
    for i = 1, 20 do assert.equal(i, order[i]) end
  end)

  it("does not mind tasks that are cancelled in between", function()
    local pool, submit, taken = held()
    local a = pool:with { group = "a", priority = 3 }
    local first, low = a:submit(name_of, "a1"), pool:submit(name_of, "low1")
    submit(a, "a2")
    submit(pool, "low2")
    assert.is_true(first:cancel())
    assert.is_true(low:cancel())
    assert.equal("a2 low2", taken())
  end)
end)

describe("a deadline", function()
  after_each(close_pools)
  teardown(leftovers.none)

  it("ends what is still pending, which then never runs", function()
    local pool, submit, taken = held()
    local ran = os.tmpname()
    local future = pool:with { deadline = 0.05, label = "late" }:submit(os.remove, ran)
    local err = future:exception(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("pending", err.phase)
    assert.equal("late", err.task.label)
    assert.matches("late", tostring(err), 1, true)
    submit(pool, "after")
    assert.equal("after", taken())
    assert.is_true(os.remove(ran))
  end)

  it("ends what runs, and its worker goes on", function()
    local pool <close> = tine.pool { workers = 1 }
    finally(function() pool:kill_workers() end)
    local err = pool:with { deadline = 0.1 }:submit(loop):exception(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("running", err.phase)
    assert.equal(1, pool:submit(math.abs, -1):result(20))
  end)

  it("is told from a timeout by nothing but the phase", function()
    local pool <close> = tine.pool { workers = 1, timeout = 0.05 }
    finally(function() pool:kill_workers() end)
    local err = pool:submit(loop):exception(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("running", err.phase)
  end)

  it("counts from submit, a timeout from when it runs: whichever is first", function()
    local pool, _, taken = held()
    local start = tine.clock()
    local both = pool:with { timeout = 20, deadline = 0.2 }:submit(loop)
    assert.equal("pending", both:exception(20).phase)
    assert.is_true(tine.clock() - start >= 0.2)
    local long = pool:with { timeout = 0.05, deadline = 20 }:submit(loop)
    taken()
    assert.equal("running", long:exception(20).phase)
  end)

  it("of a chunk ends the item that runs, and those that have not begun", function()
    local pool <close> = tine.pool { workers = 1 }
    finally(function() pool:kill_workers() end)
    local phases = {}
    local view = pool:with { deadline = 0.3 }
    local function item(i) if i == 3 then loop() end return i end
    for i, err_or_nil, err in view:map(item, { 1, 2, 3, 4, 5 }, { chunksize = 5, on_error = "return" }) do
      phases[i] = err_or_nil or err.phase
    end
    assert.same({ 1, 2, "running", "pending", "pending" }, phases)
  end)

  it("that is never reached changes nothing", function()
    local pool <close> = tine.pool { workers = 1 }
    local futures = {}
    for i = 1, 2000 do futures[i] = pool:with { deadline = i % 3 == 0 and 3600 or math.huge }:submit(name_of, i) end
    for i = 1, 2000 do assert.equal(i, futures[i]:result(20)) end
  end)

  it("of 0 has passed at once", function()
    local pool, _, taken = held()
    local err = pool:with { deadline = 0 }:submit(name_of, 1):exception(20)
    assert.equal("pending", err.phase)
    taken()
  end)

  -- An idle worker got it before the manager had looked at its timer, and ran it, now and then to its end.
  it("of 0 has passed at once where a worker is idle, too", function()
    local pool <close> = tine.pool { workers = 2 }
    local ran = os.tmpname()
    local late = pool:with { deadline = 0 }
    for i = 1, 200 do
      assert.is_true(pool:submit(rawequal, 1, 1):result(20))
      local err = late:submit(os.remove, ran):exception(20)
      assert.equal("pending", err and err.phase, i)
    end
    assert.is_true(os.remove(ran))
  end)
end)
