-- pool:stats() and pool:workers(): the counts add up at every moment.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"

describe("statistics", function()
  teardown(leftovers.none)

  local function adds_up(stats)
    assert.equal(stats.submitted, stats.pending + stats.running + stats.finished + stats.failed + stats.cancelled)
    return stats
  end

  it("are zero in a pool never used, which has no workers", function()
    local pool <close> = tine.pool { workers = 3 }
    local stats = pool:stats()
    for _, count in ipairs { "submitted", "pending", "running", "finished", "failed", "cancelled", "workers_started",
                             "workers_lost" } do
      assert.equal(0, stats[count])
    end
    assert.same({}, pool:workers())
  end)

  it("add up while tasks come and go", function()
    local pool <close> = tine.pool { workers = 2, on_crash = "replace" }
    local futures = {}
    for i = 1, 300 do
      if i % 50 == 0 then
        futures[i] = pool:submit(function() os.exit(1) end)
      elseif i % 7 == 0 then
        futures[i] = pool:submit(error, "no")
      else
        futures[i] = pool:submit(math.abs, -i)
      end
      if i % 5 == 0 then futures[i]:cancel() end
      adds_up(pool:stats())
    end
    for i = 1, 300 do
      futures[i]:pcall(20)
      adds_up(pool:stats())
    end
    local cancelled, failed = 0, 0
    for i = 1, 300 do
      local ok, err = futures[i]:pcall(20)
      if tine.kind(err) == "cancelled" then cancelled = cancelled + 1 elseif not ok then failed = failed + 1 end
    end
    local stats = adds_up(pool:stats())
    assert.equal(300, stats.submitted)
    assert.equal(0, stats.pending + stats.running)
    assert.equal(cancelled, stats.cancelled)
    assert.equal(failed, stats.failed)
  end)

  it("count a running task as running, the others as pending", function()
    local pool <close> = tine.pool { workers = 1, grace = 20 }
    local future = pool:submit(function() while true do end end)
    finally(function() pool:kill_workers() end)
    for _ = 1, 3 do pool:submit(math.abs, 1) end
    eventually(function() return future:running() end, "it runs")
    local stats = adds_up(pool:stats())
    assert.equal(1, stats.running)
    assert.equal(3, stats.pending)
    assert.equal("running", eventually(function() return pool:stats().workers[1] end, "a worker").state)
    future:abort()
    pool:submit(math.abs, 1):result(20)
    stats = adds_up(pool:stats())
    assert.equal(1, stats.cancelled)
    assert.equal(4, stats.finished)
    assert.equal(os.getenv "TINE_SPEC_BACKEND" and 0 or 1, stats.workers_started) -- it listens, and its worker goes on
  end)

  it("count a task whose arguments cannot travel as failed", function()
    local pool <close> = tine.pool { workers = 1 }
    pool:submit(math.abs, coroutine.create(print)):exception(20)
    local stats = adds_up(pool:stats())
    assert.equal(1, stats.submitted)
    assert.equal(1, stats.failed)
  end)

  it("count the items of a map, chunked or not", function()
    local pool <close> = tine.pool { workers = 2 }
    local items = {}
    for i = 1, 100 do items[i] = i end
    for _, size in ipairs { 1, 7, 100 } do
      local before = pool:stats()
      pool:map(function(n) if n % 10 == 0 then error "ten" end end, items, { chunksize = size, on_error = "return" })
        :totable()
      local after = adds_up(pool:stats())
      assert.equal(100, after.submitted - before.submitted)
      assert.equal(90, after.finished - before.finished)
      assert.equal(10, after.failed - before.failed)
    end
  end)
end)

describe("the list of workers", function()
  teardown(leftovers.none)

  -- #here: which worker takes a task is the host's business; workers() lists hosts
  it("grows on demand, an idle one is used first #here", function()
    local pool <close> = tine.pool { workers = 4 }
    for i = 1, 20 do
      assert.equal(i, pool:submit(math.abs, -i):result(20))
      eventually(function() return pool:workers()[1].state == "idle" end, "the worker is idle")
    end
    assert.equal(1, #pool:workers())
    assert.equal(1, pool:stats().workers_started)
  end)

  -- A worker tells how its task ended, and only then looks up from it: the list said "running" of it for a moment.
  -- #here: workers() lists hosts
  it("has no worker running whose task has ended #here", function()
    local pool <close> = tine.pool { workers = 1 }
    for _ = 1, 200 do
      pool:submit(tine.sleep, 0.001):result(20)
      assert.equal("idle", pool:workers()[1].state)
    end
  end)

  it("has a task whose label is empty", function()
    local pool = tine.pool { workers = 1 }
    finally(function()
      pool:kill_workers()
      pool:shutdown()
    end)
    local future = pool:with { label = "" }:submit(function() while true do end end)
    eventually(function() return future:running() end, "it runs")
    local worker = pool:stats().workers[1]
    assert.equal("running", worker.state)
    assert.equal("", worker.task.label)
  end)

  -- Between taking a call from the queue and saying that it runs, a worker was "idle" while its future was running.
  -- #here: workers() lists hosts; rows_spec.lua
  it("has a running worker from the moment that a future is running #here", function()
    for _ = 1, 100 do
      local pool <close> = tine.pool { workers = 1 }
      finally(function() pool:kill_workers() end)
      local future = pool:submit(tine.sleep, math.huge)
      while not future:running() do end
      assert.equal("running", pool:workers()[1].state)
      pool:kill_workers()
    end
  end)

  it("never grows beyond `workers`", function()
    local pool <close> = tine.pool { workers = 3 }
    local futures = {}
    for i = 1, 100 do futures[i] = pool:submit(function() return tine.worker.pid end) end
    local pids = {}
    for _, future in ipairs(futures) do pids[future:result(20)] = true end
    assert.is_true(processes.count(pids) <= 3)
    assert.is_true(#pool:workers() <= 3)
    assert.is_true(pool:stats().workers_started <= 3)
  end)

  -- #here: workers() lists hosts; rows_spec.lua
  it("tells id, pid, state and number of tasks #here", function()
    local pool <close> = tine.pool { workers = 1 }
    local pid
    for _ = 1, 5 do pid = pool:submit(function() return tine.worker.pid end):result(20) end
    local worker = eventually(function()
      local list = pool:workers()
      return list[1].state == "idle" and list[1]
    end, "it is idle")
    assert.same({ id = 1, pid = pid, state = "idle", tasks = 5 }, worker)
    assert.is_true(processes.alive(pid))
  end)

  it("shows max_tasks_per_worker at work: in good order, with a backlog and one worker", function()
    local pool <close> = tine.pool { workers = 1, max_tasks_per_worker = 3 }
    local futures, tasks_of, order = {}, {}, {}
    for i = 1, 30 do futures[i] = pool:submit(function() return tine.worker.pid end) end
    for i = 1, 30 do
      local pid = futures[i]:result(20)
      if not tasks_of[pid] then order[#order + 1] = pid end
      tasks_of[pid] = (tasks_of[pid] or 0) + 1
    end
    assert.equal(10, #order)
    for _, pid in ipairs(order) do assert.equal(3, tasks_of[pid]) end
    local stats = pool:stats()
    assert.equal(0, stats.workers_lost)
    assert.equal(30, stats.finished)
    eventually(function() return not processes.alive(order[1]) end, "the first one is gone")
  end)

  -- #here: the pool of a worker there is its host's
  it("shows the pool's name in the title of its processes #here", function()
    local pool <close> = tine.pool { workers = 1, name = "spectest" }
    local pid = pool:submit(function() return tine.worker.pid end):result(20)
    local title = processes.read(("/proc/%d/cmdline"):format(pid)) .. processes.stat(pid).name
    assert.matches("spectest", title, 1, true)
  end)
end)
