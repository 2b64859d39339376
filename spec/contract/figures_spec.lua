-- pool:stats() and pool:workers(): what is measured, always.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"

local TIMES = { "count", "mean", "max", "p50", "p90", "p99", "p999" }

local function burn(seconds)
  local start = os.clock()
  while os.clock() - start < seconds do end
end

local function in_order(times)
  assert.is_true(times.p50 <= times.p90 and times.p90 <= times.p99)
  assert.is_true(times.p99 <= times.p999 and times.p999 <= times.max)
end

describe("what a pool measures", function()
  teardown(leftovers.none)

  it("is zero in one never used", function()
    local pool <close> = tine.pool { workers = 2 }
    local stats = pool:stats()
    for _, what in ipairs { "wait", "run", "round_trip" } do
      for _, field in ipairs(TIMES) do assert.equal(0, stats[what][field]) end
    end
    assert.equal(0, stats.bytes_in + stats.bytes_out)
    assert.same({}, stats.by_kind)
    assert.same({}, stats.workers)
    assert.equal(0, stats.cpu + stats.busy)
  end)

  it("counts each task once in each of its times", function()
    local pool <close> = tine.pool { workers = 2 }
    for i = 1, 30 do pool:submit(math.abs, i):result(20) end
    pool:submit(error, "no"):pcall(20)
    local stats = pool:stats()
    for _, what in ipairs { "wait", "run", "round_trip" } do
      assert.equal(31, stats[what].count)
      in_order(stats[what])
    end
    assert.equal("integer", math.type(stats.run.count))
  end)

  it("knows how long tasks have run, in chunks and alone, with and without processes", function()
    for _, workers in ipairs { 1, 0 } do
      local pool <close> = tine.pool { workers = workers }
      pool:submit(burn, 0.05):result(20)
      pool:map(burn, { 0, 0, 0.05, 0 }, { chunksize = 4 }):totable()
      local run = pool:stats().run
      assert.equal(5, run.count)
      assert.is_true(run.max >= 0.05)
      assert.is_true(run.p90 >= 0.05 * 0.97)
      assert.is_true(run.p50 < 0.05) -- those beside are not as long
      assert.is_true(run.mean >= 0.02 and run.mean <= run.max)
    end
  end)

  it("knows how long they have waited: a round trip is the wait and the run", function()
    local pool <close> = tine.pool { workers = 1 }
    local first = pool:submit(burn, 0.05)
    local second = pool:submit(math.abs, 1)
    second:result(20)
    first:result(20)
    local stats = pool:stats()
    local waited = first:times().ended - second:times().submitted -- less than 0.05 where the machine is busy
    assert.is_true(stats.wait.max >= waited * 0.97)
    assert.is_true(stats.round_trip.p50 >= waited * 0.97)
    assert.is_true(stats.round_trip.max >= stats.wait.max)
  end)

  it("leaves tasks out that no worker has begun", function()
    local pool <close> = tine.pool { workers = 1 }
    local wait, open = gate()
    finally(function() pool:kill_workers() end)
    local first = pool:submit(wait)
    eventually(function() return first:running() end, "it runs")
    assert.is_true(pool:submit(math.abs, 1):cancel())
    pool:with { deadline = 0.001 }:submit(math.abs, 1):exception(20)
    open()
    first:result(20)
    local stats = pool:stats()
    assert.equal(1, stats.run.count)
    assert.equal(1, stats.wait.count)
    assert.equal(1, stats.round_trip.count)
    assert.same({ timeout = 1 }, stats.by_kind)
  end)

  it("counts each attempt as a run, and the task as one round trip", function()
    local pool <close> = tine.pool { workers = 1 }
    pool:with { retry = { error = 2, delay = 0 } }:submit(error, "no"):pcall(20)
    local stats = pool:stats()
    assert.equal(3, stats.run.count)
    assert.equal(1, stats.round_trip.count)
    assert.same({ error = 1 }, stats.by_kind)
  end)

  it("counts a task that its worker died of", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    pool:submit(function() os.exit(1) end):exception(20)
    local stats = pool:stats()
    assert.equal(1, stats.run.count)
    assert.equal(1, stats.round_trip.count)
    assert.same({ crashed = 1 }, stats.by_kind)
  end)

  it("counts failures by their kind", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    pool:submit(error, "a"):exception(20)
    pool:submit(error, {}):exception(20)
    pool:submit(math.abs, coroutine.create(print)):exception(20)
    pool:submit(function() return coroutine.create(print) end):exception(20)
    pool:with { timeout = 0.01, grace = 0 }:submit(tine.sleep, math.huge):exception(20)
    pool:with { memory = 1 << 16 }:submit(string.rep, "x", 1 << 20):exception(20)
    assert.same({ error = 2, serialization = 2, timeout = 1, memory = 1 }, pool:stats().by_kind)
  end)

  it("counts the bytes of calls and of results", function()
    local pool <close> = tine.pool { workers = 1 }
    local text = ("x"):rep(100000)
    pool:submit(string.len, text):result(20)
    local stats = pool:stats()
    assert.is_true(stats.bytes_in >= 100000 and stats.bytes_in < 101000)
    assert.is_true(stats.bytes_out > 0 and stats.bytes_out < 1000)
    pool:submit(string.rep, "x", 100000):result(20)
    stats = pool:stats()
    assert.is_true(stats.bytes_in < 101000)
    assert.is_true(stats.bytes_out >= 100000 and stats.bytes_out < 101000)
  end)

  -- #here: cpu is of workers of this machine
  it("knows what workers have spent of the processor, ended ones too, and not what they have slept #here", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    pool:submit(tine.sleep, 0.05):result(20)
    pool:submit(burn, 0.1):result(20)
    local before = pool:stats().cpu
    assert.is_true(before >= 0.1)
    pool:submit(function() os.exit(1) end):exception(20)
    local after = pool:stats().cpu
    assert.is_true(after >= before)
    pool:submit(burn, 0.1):result(20)
    assert.is_true(pool:stats().cpu >= before + 0.1)
  end)

  it("does not count programs that tasks start", function()
    local pool <close> = tine.pool { workers = 1 }
    local spent = pool:submit(function()
      local before = os.clock()
      os.execute "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
      return os.clock() - before
    end):result(20)
    assert.is_true(pool:stats().cpu < spent + 0.1)
  end)

  -- #here: cpu is of workers of this machine
  it("is there when the pool has ended #here", function()
    local pool = tine.pool { workers = 1 }
    pool:submit(burn, 0.02):result(20)
    pool:shutdown()
    local stats = pool:stats()
    assert.equal(1, stats.run.count)
    assert.is_true(stats.cpu >= 0.02)
    assert.is_true(stats.busy > 0 and stats.busy <= 1)
    assert.same({}, stats.workers)
  end)
end)

describe("what a worker does", function()
  teardown(leftovers.none)

  -- #here: workers() lists hosts; rows_spec.lua
  it("is told while it does it: the task, and since when #here", function()
    local pool <close> = tine.pool { workers = 2 }
    local wait, open = gate()
    finally(function() pool:kill_workers() end)
    local before = tine.clock()
    local future = pool:with { label = "the long one" }:submit(wait)
    eventually(function() return future:running() and pool:workers()[1].task end, "it runs")
    local worker = pool:workers()[1]
    assert.equal("running", worker.state)
    assert.equal("the long one", worker.task.label)
    assert.equal("integer", math.type(worker.task.id))
    assert.is_true(worker.since >= before and worker.since <= tine.clock())
    local told = pool:stats().workers[1]
    assert.same(worker.task, told.task)
    assert.equal(worker.since, told.since)
    open()
    future:result(20)
    eventually(function() return pool:workers()[1].state == "idle" end, "it is idle")
    assert.is_nil(pool:workers()[1].task)
    assert.is_true(pool:stats().workers[1].since > told.since)
  end)

  -- #here: workers() lists hosts
  it("is told of the item of a chunk that it is at #here", function()
    local pool <close> = tine.pool { workers = 1 }
    local wait, open = gate()
    finally(function() pool:kill_workers() end)
    local function second(i) if i == 2 then wait() end end
    local map = pool:map(second, { 1, 2, 3 }, { chunksize = 3 })
    eventually(function()
      local worker = pool:workers()[1]
      return worker and worker.task and worker.task.label:find("[2]", 1, true)
    end, "it is at the second one")
    open()
    map:totable()
  end)

  -- #here: memory is told about once a second; rows_spec.lua
  it("has its share of time and its memory #here", function()
    local pool <close> = tine.pool { workers = 2 }
    local a, b = pool:submit(burn, 0.05), pool:submit(tine.sleep, 0.05)
    a:result(20)
    b:result(20)
    local stats = pool:stats()
    assert.equal(2, #stats.workers)
    for _, worker in ipairs(stats.workers) do
      assert.is_true(worker.busy > 0 and worker.busy <= 1)
      assert.is_true(worker.memory > 1 << 17)
      assert.is_true(processes.alive(worker.pid))
      assert.equal("string", type(worker.host))
    end
    assert.is_true(stats.busy > 0 and stats.busy <= 1)
  end)
end)
