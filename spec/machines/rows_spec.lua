-- Pools whose workers are on other machines: who has run what, in times, traces and reports.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local machines = require "spec.support.machines"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local trace_events = require "spec.support.trace_events"

if machines.are_missing(pending) then return end

describe("the workers of other machines", function()
  local server, hosts
  setup(function()
    server = machines.server()
    hosts = { machines.host(server, "-j 1"), machines.host(server, "-j 2") }
  end)
  teardown(machines.stop)

  -- Tasks until all three workers have run some; which hosts and workers these were.
  local function use_all(pool)
    local seen, n = {}, 0
    eventually(function()
      local futures = {}
      for i = 1, 6 do futures[i] = pool:submit(function() tine.sleep(0.02) return tine.worker.id end) end
      for _, future in ipairs(futures) do
        local id, times = future:result(20), future:times()
        assert.equal(id, times.worker)
        local who = ("%s worker %d"):format(times.host, id)
        n = n + (seen[who] and 0 or 1)
        seen[who] = true
      end
      return n == 3
    end, "all workers run something", 20)
    return seen
  end

  it("are told apart by their host", function()
    local pool <close> = tine.pool { backend = server:url(), window = 6 }
    local seen = use_all(pool)
    local one, two = hosts[1].name, hosts[2].name
    assert.same({ [one .. " worker 1"] = true, [two .. " worker 1"] = true, [two .. " worker 2"] = true }, seen)
    local report = pool:report()
    assert.matches("with at most 3 workers", report, 1, true) -- it said 4, a guess
    assert.equal("tine.pool (tine, workers on other machines, open)", tostring(pool))
    for _, who in ipairs { one .. ", worker 1: ", two .. ", worker 1: ", two .. ", worker 2: " } do
      assert.matches(who, report, 1, true)
    end
    local failing = pool:with { retry = { error = 1, delay = 0 } }:submit(error, "no")
    failing:pcall(20)
    local host = failing:attempts()[1].host
    assert.is_true(host == one or host == two)
    pool:shutdown() -- a report at the end of the program named none of them, and the guess was back
    report = pool:report()
    assert.matches("with at most 3 workers", report, 1, true)
    assert.matches(two .. ", worker 2: ", report, 1, true)
  end)

  -- host and id of each, as a set
  local function names(rows)
    local set = {}
    for _, row in ipairs(rows) do set[("%s worker %d"):format(row.host, row.id)] = true end
    return set
  end

  it("have a row each in statistics, with what they run", function()
    local pool <close> = tine.pool { backend = server:url(), window = 6 }
    local all = use_all(pool)
    local rows = pool:stats().workers
    assert.same(all, names(rows))
    local tasks, busy = 0, 0
    for _, row in ipairs(rows) do
      tasks, busy = tasks + row.tasks, busy + row.busy
      assert.is_true(processes.alive(row.pid))
      assert.equal("idle", row.state)
      assert.is_nil(row.task)
      assert.is_true(row.since <= tine.clock())
    end
    assert.equal(pool:stats().finished, tasks)
    assert.is_true(busy > 0.1)
    local wait, go = gate()
    local future = pool:with({ label = "the long one" }):submit(function() wait() return tine.worker.pid end)
    local row = eventually(function()
      for _, worker in ipairs(pool:stats().workers) do
        if worker.task then return worker end
      end
    end, "a worker that runs something", 20)
    assert.equal("running", row.state)
    assert.same({ id = row.task.id, label = "the long one" }, row.task)
    eventually(function() -- how much memory they have is told now and then
      for _, worker in ipairs(pool:stats().workers) do
        if worker.memory < 1 << 20 then return pool:submit(math.abs, 1):result(20) == 0 end
      end
      return true
    end, "all memory is known", 20)
    go()
    assert.equal(row.pid, future:result(20))
    assert.is_true(pool:stats().busy > 0)
  end)

  it("are listed below their hosts by pool:workers()", function()
    local pool <close> = tine.pool { backend = server:url(), window = 6 }
    local all, found, tasks = use_all(pool), {}, 0
    for _, host in ipairs(pool:workers()) do
      assert.equal(host.slots, #host.workers)
      tasks = tasks + host.tasks
      for _, row in ipairs(host.workers) do
        assert.equal(host.host, row.host)
        assert.equal("number", type(row.pid))
        tasks = tasks - row.tasks
      end
      for name in pairs(names(host.workers)) do found[name] = true end
    end
    assert.same(all, found)
    assert.equal(0, tasks)
  end)

  it("go with their host", function()
    local other = machines.host(server, "-j 2", "other")
    local pool <close> = tine.pool { backend = server:url "other" }
    local future = pool:submit(tine.sleep, 600)
    eventually(function() return pool:stats().workers[1] end, "a row")
    other:kill()
    assert.equal("lost", tine.kind(future:exception(20)))
    eventually(function() return #pool:stats().workers == 0 end, "no row is left", 20)
  end)

  it("have a row each in tine top", function()
    local pool <close> = tine.pool { name = "far away", backend = server:url(), window = 6 }
    use_all(pool)
    local json = shell.ok("%s top --json %d", program.tine(), processes.self())
    for _, host in ipairs(hosts) do assert.matches(('"host":"%s"'):format(host.name), json, 1, true) end
    local text = shell.ok("%s top --once %d", program.tine(), processes.self())
    assert.matches("3 (0 running) on 2 hosts with 3 slots", text, 1, true)
    for _, host in ipairs(hosts) do assert.matches(host.name .. " +%d+ +%d+ idle", text) end
    assert.equal(2, select(2, text:gsub("\n " .. hosts[2].name .. " ", "")))
  end)

  it("have a row each in a trace", function()
    local file = os.tmpname()
    do
      local pool <close> = tine.pool { backend = server:url(), window = 6, trace = file }
      use_all(pool)
    end
    local rows = {}
    for name, events in pairs(trace_events.read(file).rows) do
      if events[1] and events[1].cat == "task" then rows[(name:gsub("^pool %d+ ", ""))] = true end
    end
    local one, two = hosts[1].name, hosts[2].name
    assert.same({ [one .. " worker 1"] = true, [two .. " worker 1"] = true, [two .. " worker 2"] = true }, rows)
  end)
end)
