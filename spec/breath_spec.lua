-- The pool breathes: workers that come and go while it lives.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"

local function pid() return tine.worker.pid end
local function nap(seconds) tine.sleep(seconds) return tine.worker.pid end

-- A pool that no failed assertion leaves waiting.
local function open(options)
  local pool = tine.pool(options)
  finally(function() pool:kill_workers() pool:shutdown() end)
  return pool
end

local function count(pool, state)
  local n = 0
  for _, w in ipairs(pool:workers()) do n = n + ((w.state == "ending") == (state == "ending") and 1 or 0) end
  return n
end

-- Have `n` workers started, and idle.
local function fill(pool, n)
  local futures = {}
  for i = 1, n do futures[i] = pool:submit(nap, 0.05) end
  tine.wait(futures)
end

describe("pool:resize", function()
  it("makes room for more workers, at once", function()
    local pool = open(1)
    local wait, let_go = gate()
    finally(let_go)
    local first = pool:submit(function() wait() end)
    local second = pool:submit(pid)
    assert.is_false(pcall(second.result, second, 0.05))
    pool:resize(2)
    assert.is_number(second:result(10))
    let_go()
    first:result()
  end)

  it("ends those too many when their task is done", function()
    local pool = open(3)
    local gates, futures = {}, {}
    for i = 1, 3 do
      local wait, let_go = gate()
      gates[i] = let_go
      futures[i] = pool:submit(function() wait() return i end)
    end
    eventually(function() return pool:stats().running == 3 end)
    pool:resize(1)
    assert.equal(1, count(pool, "live"))
    assert.equal(2, count(pool, "ending"))
    for i = 1, 3 do
      gates[i]()
      assert.equal(i, futures[i]:result())
    end
    eventually(function() return #pool:workers() == 1 end)
    assert.equal(0, pool:stats().workers_lost)
  end)

  it("ends idle ones without a task", function()
    local pool = open(4)
    fill(pool, 4)
    pool:resize(2)
    eventually(function() return #pool:workers() == 2 end)
    assert.is_number(pool:submit(pid):result())
  end)

  it("loses nothing under load, up and down", function()
    local pool = open(2)
    local n = 0
    for i, v in pool:map(function(x) return x + 1 end, (function() local i = 0 return function()
      i = i + 1
      if i % 50 == 0 then pool:resize(1 + i // 50 % 5) end
      return i <= 2000 and i or nil
    end end)()) do
      assert.equal(i + 1, v)
      n = n + 1
    end
    assert.equal(2000, n)
    assert.equal(0, pool:stats().failed)
  end)

  it("takes a chunk apart that its worker must leave", function()
    local pool = open { workers = 2 }
    local wait, let_go = gate()
    local function same(x) if x == 1 then wait() end return x end
    local m = pool:map(same, { 1, 2, 3, 4, 5, 6 }, { chunksize = 6 })
    eventually(function() return pool:stats().running == 1 end)
    pool:resize(3)
    pool:resize(1)
    let_go()
    assert.same({ 1, 2, 3, 4, 5, 6, n = 6 }, m:totable())
  end)

  it("says what is wrong", function()
    local pool = open(1)
    assert.has_error(function() pool:resize(0) end,
      "bad argument #1 to 'resize' (a number of workers from 1 to 4095 expected, got 0)")
    assert.is_false(pcall(pool.resize, pool, 1.5))
    assert.is_false(pcall(pool.resize, pool, 5000))
    assert.is_false(pcall(pool.resize, pool))
    pool:shutdown()
    local ok, err = pcall(pool.resize, pool, 2)
    assert.is_false(ok)
    assert.equal("shutdown", tine.kind(err))
    local here <close> = tine.pool(0)
    ok, err = pcall(here.resize, here, 2)
    assert.is_false(ok)
    assert.equal("invalid_state", tine.kind(err))
  end)
end)

describe("an idle worker", function()
  it("ends after idle_timeout, and another one starts when it is wanted", function()
    local pool = open { workers = 2, idle_timeout = 0.02 }
    fill(pool, 2)
    eventually(function() return #pool:workers() == 0 end)
    assert.is_number(pool:submit(pid):result())
    assert.equal(0, pool:stats().workers_lost)
  end)

  it("stays when there are only min_workers", function()
    local pool = open { workers = 3, idle_timeout = 0.02, min_workers = 1 }
    assert.equal(0, #pool:workers()) -- none is started ahead
    fill(pool, 3)
    eventually(function() return #pool:workers() == 1 end)
    local stays = pool:workers()[1].pid
    tine.sleep(0.1) -- several times as long as it may be idle
    assert.equal(stays, pool:workers()[1].pid)
  end)
end)

describe("a worker", function()
  it("that is too old is replaced between two tasks", function()
    local pool = open { workers = 1, max_worker_age = 0.03 }
    local pids = {}
    eventually(function()
      pids[pool:submit(nap, 0.005):result()] = true
      local a = next(pids)
      return next(pids, a)
    end)
    assert.equal(0, pool:stats().workers_lost)
  end)

  -- It was sent away, its successor as well, and so for ever.
  it("that is too old before it is ready runs a task first", function()
    local pool = open { workers = 2, max_worker_age = 0.01, initializer = function()
      local start = os.clock()
      repeat until os.clock() - start > 0.05
    end }
    for i = 1, 5 do assert.equal(i, pool:submit(math.abs, -i):result(60)) end
    local least <close> = tine.pool { workers = 1, max_worker_age = 0, max_worker_memory = 1, idle_timeout = 0 }
    for i = 1, 5 do assert.equal(i, least:submit(math.abs, -i):result(60)) end
  end)

  it("that is too old is not taken out of its task", function()
    local pool = open { workers = 1, max_worker_age = 0.02 }
    assert.is_number(pool:submit(nap, 0.2):result())
    assert.equal(0, pool:stats().failed)
  end)

  it("that has grown too large is replaced", function()
    local pool = open { workers = 1, max_worker_memory = 150 << 20 }
    local function grow(n) return tine.worker.pid, #("x"):rep(n) end
    local first = pool:submit(grow, 1):result()
    assert.equal(first, (pool:submit(grow, 250 << 20):result()))
    assert.are_not.equal(first, (pool:submit(grow, 1):result()))
  end)
end)

describe("max_pending_bytes", function()
  local function slow(text, wait) if wait then wait() end return #text end

  it("has submit wait for room", function()
    local pool = open { workers = 1, max_pending_bytes = 10000 }
    local wait, let_go = gate()
    finally(let_go)
    local text = ("x"):rep(4000)
    local a, b = pool:submit(slow, text, wait), pool:submit(slow, text)
    assert.same({ nil, "full" }, { pool:try_submit(slow, text) })
    assert.is_truthy(pool:try_submit(slow, "little"))
    let_go()
    assert.equal(4000, pool:submit(slow, text):result())
    assert.equal(8000, a:result() + b:result())
  end)

  it("lets one through that alone is more", function()
    local pool = open { workers = 1, max_pending_bytes = 1000 }
    assert.equal(100000, pool:submit(slow, ("x"):rep(100000)):result())
    local sum = 0
    for _, n in pool:map(slow, { ("x"):rep(5000), ("x"):rep(5000), ("x"):rep(5000) }) do sum = sum + n end
    assert.equal(15000, sum)
  end)
end)

describe("options of workers that come and go", function()
  it("are checked", function()
    for name, wrong in pairs {
      idle_timeout = { "x", 0 / 0, false }, min_workers = { -1, 1.5, "1", 5000, 2 }, max_worker_age = { {}, 0 / 0 },
      max_worker_memory = { 0, -1, 1.5, "1G" }, max_pending_bytes = { 0, -5, 0.5, true },
    } do
      for _, value in ipairs(wrong) do
        local ok, err = pcall(tine.pool, { workers = 1, [name] = value })
        assert.is_false(ok)
        assert.matches("option '" .. name .. "' must be ", err, 1, true)
      end
    end
  end)

  it("have as many min_workers as workers at most, where these are said", function()
    local ok, err = pcall(tine.pool, { workers = 1, min_workers = 2 })
    assert.is_false(ok)
    assert.matches("option 'min_workers' must be at most 1, as option 'workers' is, got 2", err, 1, true)
    tine.pool({ workers = 0, min_workers = 2 }):shutdown()
    tine.pool({ min_workers = 4095 }):shutdown() -- on how many processors nobody knows
  end)
end)

describe("on_worker_exit", function()
  -- What was told of the workers of a pool with these options, after `use` and its shutdown: reasons in order.
  local function told(options, use)
    local seen = {}
    options.on_worker_exit = function(x) seen[#seen + 1] = x end
    local pool = tine.pool(options)
    finally(function() pool:kill_workers() pool:shutdown() end)
    use(pool)
    pool:shutdown()
    local reasons = {}
    for i, x in ipairs(seen) do reasons[i] = x.reason end
    return table.concat(reasons, " "), seen
  end

  it("tells who has ended, after how many tasks, and how", function()
    local reasons, seen = told({ workers = 1 }, function(pool)
      pool:submit(nap, 0.01):result()
      pool:submit(nap, 0.01):result()
    end)
    assert.equal("shutdown", reasons)
    local x = seen[1]
    assert.same({ 1, 2, 0 }, { x.id, x.tasks, x.exit_code })
    assert.is_number(x.pid)
    assert.is_true(x.seconds >= 0.02)
    assert.is_nil(x.signal)
  end)

  -- A worker that left while its pool ended, between two looks of the program, was told nobody.
  it("tells of each worker, whenever it has ended", function()
    for _ = 1, 40 do
      local used
      local _, seen = told({ workers = 2 }, function(pool)
        used = pool
        tine.wait { pool:submit(nap, 0.001), pool:submit(nap, 0.001) }
      end)
      assert.equal(used:stats().workers_started, #seen)
    end
  end)

  it("tells why", function()
    local function spin() while true do end end -- luacheck: ignore
    assert.equal("max_tasks max_tasks", told({ workers = 1, max_tasks_per_worker = 1 }, function(pool)
      for _ = 1, 2 do pool:submit(pid):result() end
    end))
    assert.equal("timeout shutdown", told({ workers = 1 }, function(pool)
      pool:with { timeout = 0.01, grace = 0 }:submit(spin):pcall()
      pool:submit(pid):result()
    end))
    -- It was "cancelled".
    assert.equal("timeout", told({ workers = 1 }, function(pool)
      pool:with { cpu = 0.01, grace = 0 }:submit(spin):pcall()
    end))
    assert.equal("cancelled", told({ workers = 1 }, function(pool)
      local f = pool:with { grace = 0 }:submit(spin)
      eventually(function() return f:running() end)
      f:abort()
      f:pcall()
    end))
    assert.equal("initializer", told({ workers = 1, initializer = function() error "no" end }, function(pool)
      pool:submit(pid):pcall()
    end))
    assert.equal("killed", told({ workers = 1 }, function(pool)
      local f = pool:submit(spin)
      eventually(function() return f:running() end)
      pool:kill_workers()
    end))
    assert.equal("idle", told({ workers = 1, idle_timeout = 0.01 }, function(pool)
      pool:submit(pid):result()
      eventually(function() return #pool:workers() == 0 end)
    end))
    assert.equal("resize shutdown", told({ workers = 2 }, function(pool)
      fill(pool, 2)
      pool:resize(1)
      eventually(function() return #pool:workers() == 1 end)
    end))
  end)

  it("tells of crashes, in a pool that they break, too", function()
    local reasons, seen = told({ workers = 1, on_crash = "replace" }, function(pool)
      pool:submit(os.exit, 7):pcall()
    end)
    assert.equal("crash", reasons)
    assert.equal(7, seen[1].exit_code)
    reasons, seen = told({ workers = 1 }, function(pool)
      pool:submit(function() os.execute("kill -9 " .. tine.worker.pid) end):pcall()
    end)
    assert.equal("crash", reasons)
    assert.equal(9, seen[1].signal)
  end)

  it("is a callback: its errors go to on_callback_error", function()
    local errors = {}
    told({ workers = 1, on_callback_error = function(err) errors[#errors + 1] = err end }, function() end)
    local pool = tine.pool { workers = 1, on_worker_exit = function() error("mine", 0) end,
                             on_callback_error = function(err) errors[#errors + 1] = err end }
    pool:submit(pid):result()
    pool:shutdown()
    assert.same({ "mine" }, errors)
    assert.is_false(pcall(tine.pool, { workers = 1, on_worker_exit = 5 }))
  end)
end)

describe("finalizer", function()
  local function written(options, use)
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    options.finalizer = function()
      local file <close> = assert(io.open(name, "a"))
      file:write "x"
    end
    local pool <close> = tine.pool(options)
    use(pool)
    pool:shutdown()
    local file <close> = assert(io.open(name))
    return #file:read "a"
  end

  it("runs in each worker that ends in good order, and in no other", function()
    assert.equal(2, written({ workers = 2 }, function(pool) fill(pool, 2) end))
    assert.equal(3, written({ workers = 1, max_tasks_per_worker = 1 }, function(pool)
      for _ = 1, 3 do pool:submit(pid):result() end
    end))
    assert.equal(0, written({ workers = 1, on_crash = "replace" }, function(pool) pool:submit(os.exit, 1):pcall() end))
    assert.equal(0, written({ workers = 1 }, function(pool)
      pool:submit(pid):result()
      pool:kill_workers()
    end))
  end)

  it("that raises does no harm, and one that hangs is killed after exit_timeout", function()
    for _, finalizer in ipairs { function() error "no" end, function() while true do end end } do -- luacheck: ignore
      local pool = tine.pool { workers = 1, exit_timeout = 0.1, finalizer = finalizer }
      assert.is_number(pool:submit(pid):result())
      pool:shutdown()
      assert.equal(0, pool:stats().failed)
    end
    assert.is_false(pcall(tine.pool, { workers = 1, finalizer = {} }))
  end)
end)
