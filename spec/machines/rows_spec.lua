-- Pools whose workers are on other machines: who has run what, in times, traces and reports.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local machines = require "spec.support.machines"
local trace_events = require "spec.support.trace_events"

if not machines.gearmand then
  pending "gearmand is not installed (package gearman-job-server)"
  return
end

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
    for _, who in ipairs { one .. ", worker 1: ", two .. ", worker 1: ", two .. ", worker 2: " } do
      assert.matches(who, report, 1, true)
    end
    local failing = pool:with { retry = { error = 1, delay = 0 } }:submit(error, "no")
    failing:pcall(20)
    local host = failing:attempts()[1].host
    assert.is_true(host == one or host == two)
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
