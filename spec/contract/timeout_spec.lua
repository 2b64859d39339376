-- Tasks that run too long: task_timeout, pool:with{timeout=} and future:abort().
local system = require "system"
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"

local function loop() while true do end end
local function sleep_in_c() system.sleep(600) end
local function ignore_sigterm() os.execute "trap '' TERM INT HUP; while :; do sleep 1; done" end

local function is_any_alive(pids)
  for _, pid in ipairs(pids) do
    if processes.alive(pid) then return true end
  end
  return false
end

local RUNAWAYS = { ["loops in Lua"] = loop, ["blocks in C"] = sleep_in_c, ["ignores SIGTERM"] = ignore_sigterm }

describe("a task that runs too long", function()
  teardown(leftovers.none)

  for what, runaway in pairs(RUNAWAYS) do
    it("and " .. what .. " ends by task_timeout", function()
      local pool <close> = tine.pool { workers = 1, task_timeout = 0.2 }
      local future = pool:with({ label = "runaway" }):submit(runaway)
      local after = pool:submit(math.abs, -1)
      local err = future:exception(20)
      assert.equal("timeout", tine.kind(err))
      assert.equal("runaway", err.task.label)
      assert.equal(1, after:result(20))
      assert.equal("finished", future:state())
    end)

    it("and " .. what .. " ends by abort", function()
      local pool <close> = tine.pool { workers = 1 }
      local future = pool:submit(runaway)
      local after = pool:submit(math.abs, -1)
      eventually(function() return future:running() end, "it runs")
      local worker = pool:workers()[1].pid
      assert.is_true(future:abort())
      -- It is running until its worker is gone, however late this program looks; one that heeds the request lives on.
      if future:state() ~= "running" then
        assert.equal("cancelled", future:state())
        assert.is_true(what == "loops in Lua" or not processes.alive(worker))
      end
      assert.equal("cancelled", tine.kind(select(2, future:pcall(20))))
      assert.equal("cancelled", future:state())
      assert.is_true(future:cancelled())
      assert.is_false(future:abort())
      assert.equal(1, after:result(20))
    end)
  end

  -- A shell that was sent SIGSTOP stops a moment later: one that waits for a program may still reap it when that is
  -- killed, and the fork server then waited two seconds for a process that was gone. Shells that get the processor
  -- last, while others are busy with it, do so mostly.
  it("is gone at once though its shells stop late", function()
    local busy = tine.pool { workers = tine.cpu_count() }
    local pool <close> = tine.pool { workers = 1, grace = 0 }
    finally(function()
      busy:kill_workers()
      busy:shutdown()
    end)
    for _ = 1, tine.cpu_count() do busy:submit(loop) end
    local slow = 0
    for _ = 1, 5 do
      local name = os.tmpname()
      local future = pool:submit(function()
        local shell = "(chrt -i -p 0 $$; echo >> " .. name .. "; exec sleep 600); true"
        os.execute("for i in $(seq 8); do sh -c '" .. shell .. "' & done; wait")
      end)
      eventually(function()
        local _, n = io.open(name):read "a":gsub("\n", "")
        return n == 8
      end, "they run")
      local worker = pool:workers()[1].pid
      local family = processes.descendants(worker)
      future:abort()
      -- How long they take to go is up to the machine; what is ours is that nobody waits for them any longer.
      local gone
      eventually(function()
        if not gone and not is_any_alive(family) then gone = tine.clock() end
        return future:done()
      end, "it is cancelled", 60)
      assert.equal("cancelled", tine.kind(select(2, future:pcall())))
      if gone and tine.clock() - gone > 1.5 then slow = slow + 1 end
      os.remove(name)
    end
    assert.is_true(slow < 2, slow .. " of 5 were waited for when they were gone")
  end)

  it("is given its limit by pool:with, other tasks are not", function()
    local pool <close> = tine.pool { workers = 2 }
    local limited = pool:with({ timeout = 0.1 }):submit(loop)
    local free = pool:submit(function() os.execute "sleep 0.5" return "free" end)
    assert.equal("timeout", tine.kind(limited:exception(20)))
    assert.equal("free", free:result(20))
  end)

  it("has a limit of its own before that of the pool", function()
    local pool <close> = tine.pool { workers = 1, task_timeout = 0.1 }
    local long = pool:with({ timeout = 20 }):submit(function() os.execute "sleep 0.4" return "long" end)
    assert.equal("long", long:result(20))
    local short = pool:submit(function() os.execute "sleep 20" end)
    assert.equal("timeout", tine.kind(short:exception(20)))
  end)

  it("is limited from when it runs, not from when it was submitted", function()
    local pool <close> = tine.pool { workers = 1, task_timeout = 0.6 }
    local futures = {}
    for i = 1, 4 do futures[i] = pool:submit(function() os.execute "sleep 0.25" return i end) end
    for i = 1, 4 do assert.equal(i, futures[i]:result(20)) end
  end)

  it("does not break a pool that breaks on crashes", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "break", task_timeout = 0.1 }
    for i = 1, 3 do
      assert.equal("timeout", tine.kind(pool:submit(loop):exception(20)))
      assert.equal(i, pool:submit(math.abs, -i):result(20))
    end
  end)

  it("takes the children that it started with it", function()
    local pool <close> = tine.pool { workers = 1 }
    local name = os.tmpname()
    local future = pool:submit(function()
      os.execute(("echo $$ > %s; exec sleep 600"):format(name))
    end)
    local child = eventually(function()
      local file <close> = io.open(name)
      return file and file:read "n"
    end, "the child runs")
    assert.is_true(processes.alive(child))
    future:abort()
    eventually(function() return not processes.alive(child) end, "the child is gone")
    local limited = pool:with({ timeout = 0.3 }):submit(function()
      os.execute(("echo $$ > %s.2; exec sleep 600"):format(name))
    end)
    assert.equal("timeout", tine.kind(limited:exception(20)))
    local file <close> = assert(io.open(name .. ".2"))
    local second = file:read "n"
    eventually(function() return not processes.alive(second) end, "the second child is gone")
    os.remove(name)
    os.remove(name .. ".2")
  end)

  it("leaves the other tasks alone, also those of its worker's successor", function()
    local pool <close> = tine.pool { workers = 2 }
    local futures = {}
    for i = 1, 60 do
      if i % 15 == 0 then
        futures[i] = pool:with({ timeout = 0.05 }):submit(loop)
      else
        futures[i] = pool:submit(function(n) return n end, i)
      end
    end
    for i = 1, 60 do
      if i % 15 == 0 then
        assert.equal("timeout", tine.kind(futures[i]:exception(20)))
      else
        assert.equal(i, futures[i]:result(20))
      end
    end
  end)

  it("that ends at its limit has one clear ending, and the next task on that worker is not hit", function()
    local pool <close> = tine.pool { workers = 1 }
    local view = pool:with { timeout = 0.02 }
    for _ = 1, 30 do
      local racing = view:submit(function() system.sleep(0.02) return "made it" end)
      local next_one = pool:submit(function() system.sleep(0.005) return "next" end)
      local ok, value = racing:pcall(20)
      assert.is_true(ok and value == "made it" or not ok and tine.kind(value) == "timeout")
      assert.equal("next", next_one:result(20))
    end
  end)

  it("may have no limit: math.huge", function()
    local pool <close> = tine.pool { workers = 1, task_timeout = math.huge }
    assert.equal(1, pool:submit(math.abs, -1):result(20))
    assert.equal(1, pool:with({ timeout = math.huge }):submit(math.abs, -1):result(20))
  end)

  it("takes no NaN and no text for a limit", function()
    assert.has_error(function() tine.pool { task_timeout = 0 / 0 } end)
    assert.has_error(function() tine.pool { task_timeout = "soon" } end)
    local pool <close> = tine.pool(1)
    assert.has_error(function() pool:with { timeout = 0 / 0 } end)
    assert.has_error(function() pool:submit(math.abs, 1):result(0 / 0) end)
  end)
end)

describe("abort", function()
  teardown(leftovers.none)

  it("cancels a task that has not started", function()
    local pool = tine.pool { workers = 1 }
    finally(function()
      pool:kill_workers()
      pool:shutdown()
    end)
    local name = os.tmpname()
    os.remove(name)
    local running = pool:submit(loop)
    local waiting = pool:submit(function() io.open(name, "w"):close() end)
    eventually(function() return running:running() end, "the first runs")
    assert.is_true(waiting:abort())
    assert.is_true(waiting:cancelled())
    assert.is_true(running:abort())
    pool:submit(math.abs, 1):result(20)
    assert.is_nil(io.open(name))
  end)

  it("is false for a finished one", function()
    local pool <close> = tine.pool { workers = 1 }
    local future = pool:submit(math.abs, -1)
    future:result(20)
    assert.is_false(future:abort())
    assert.equal(1, future:result())
  end)

  it("wakes those who wait, with cancelled", function()
    local pool <close> = tine.pool { workers = 1 }
    local future = pool:submit(loop)
    eventually(function() return future:running() end, "it runs")
    local called = 0
    future:add_done_callback(function(f)
      called = called + 1
      assert.is_true(f:cancelled())
    end)
    future:abort()
    local ok, err = future:pcall(20)
    assert.is_false(ok)
    assert.equal("cancelled", tine.kind(err))
    pool:dispatch()
    assert.equal(1, called)
    local stats = pool:stats()
    assert.equal(1, stats.cancelled)
    assert.equal(0, stats.failed)
  end)

  it("works on a task of a chunk without touching the rest", function()
    local pool <close> = tine.pool { workers = 1, task_timeout = 0.2 }
    local seen = {}
    local map = pool:map(function(n) while n == 3 do end return n end, { 1, 2, 3, 4, 5 },
      { chunksize = 5, on_error = "return" })
    for i, value, err in map do seen[i] = value or tine.kind(err) end
    assert.same({ 1, 2, "timeout", 4, 5 }, seen)
  end)
end)
