-- pool:report(): what a pool has done, for a person.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"

local function burn(seconds)
  local start = os.clock()
  while os.clock() - start < seconds do end
end

describe("a report", function()
  teardown(leftovers.none)

  it("names the pool, counts its tasks and says what the time went to", function()
    local pool <close> = tine.pool { workers = 2, name = "reported" }
    for i = 1, 10 do pool:submit(math.abs, i):result(20) end
    local text = pool:report()
    assert.matches('^pool "reported": 10 tasks in [%d.]+ %a+ with at most 2 workers\n', text)
    assert.matches("10 finished, 0 failed, 0 cancelled, 0 running, 0 pending", text)
    for _, what in ipairs { "running tasks", "waiting for tasks", "starting", "encoding calls",
                            "waiting for a worker" } do
      assert.matches("  " .. what .. " +[%d.]+ %a+  ", text)
    end
    for _, what in ipairs { "wait", "run", "round trip" } do assert.matches("\n  " .. what .. " +[%d.]+ %a+ ", text) end
    assert.matches("\nAdvice\n  [^\n]+\n$", text)
  end)

  it("names the five slowest tasks, the slowest first", function()
    local pool <close> = tine.pool(1)
    local seconds = { 0.05, 0.05, 0.05, 0.4, 0, 0.05, 0.05, 0.05 } -- far apart, for a busy machine
    for i, s in ipairs(seconds) do pool:with { label = "task " .. i }:submit(burn, s):result(20) end
    local list = {}
    for label in pool:report():match "The slowest\n(.-)\n\n":gmatch "  (task %d)" do list[#list + 1] = label end
    assert.equal(5, #list)
    assert.equal("task 4", list[1])
    assert.is_nil(table.concat(list):find("task 5", 1, true))
  end)

  it("names the last tasks that failed, the last first, with their errors", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    for i = 1, 4 do pool:with { label = "bad " .. i }:submit(error, "went wrong " .. i):pcall(20) end
    pool:with { label = "bad 5" }:submit(error, {}):pcall(20)
    pool:with { label = "bad 6" }:submit(function() os.exit(3) end):pcall(20)
    pool:with { label = "bad 7" }:submit(math.abs, coroutine.create(print)):pcall(20)
    local text = pool:report():match "The last that failed\n(.-)\n\n"
    assert.matches("^  bad 7: serialization: argument 1[^\n]*\n  bad 6: crashed: worker 1[^\n]*exit code 3\n", text)
    assert.matches("\n  bad 5: error: %(an error that is no text%)\n  bad 4: error: went wrong 4\n", text)
    assert.matches("\n  bad 3: error: went wrong 3$", text)
  end)

  -- Of sixteen calls one was timed, and counted for sixteen, though no other may follow: a single large call took many
  -- times as long as the pool was old, and there was advice against that.
  it("knows how long encoding takes of a few calls", function()
    local pool <close> = tine.pool(1)
    local large = {}
    for i = 1, 300000 do large[i] = i end
    pool:submit(function() end, large)
    local share = pool:report():match "encoding calls +[%d.]+ %a+ +(%d+) %%"
    assert.is_true(tonumber(share) <= 100, share)
  end)

  it("gives advice that follows from the figures", function()
    local few <close> = tine.pool(1)
    for _ = 1, 10 do
      local futures = {}
      for i = 1, 200 do futures[i] = few:submit(math.abs, i) end
      tine.wait(futures)
    end
    assert.matches("send many at once, by pool:map", few:report(), 1, true)

    local heavy <close> = tine.pool(1)
    for _ = 1, 3 do heavy:submit(string.len, ("x"):rep(1 << 20)):result(20) end
    assert.matches("each call carries 1.0 MiB: what is the same for many goes once, by pool:share", heavy:report(),
      1, true)

    local idle <close> = tine.pool(2)
    local a, b = idle:submit(burn, 0), idle:submit(burn, 0)
    a:result(20) b:result(20)
    tine.sleep(0.6)
    assert.matches("workers had nothing to do for %d+ %% of their time", idle:report())

    local dying <close> = tine.pool { workers = 1, on_crash = "replace" }
    dying:submit(function() os.exit(1) end):pcall(20)
    assert.matches("1 worker died", dying:report(), 1, true)
  end)

  it("says that nothing stands out, or that there is too little to go by", function()
    local pool <close> = tine.pool(1)
    assert.matches("Advice\n  too few tasks have run to say anything\n$", pool:report())
  end)

  it("can be had while tasks run, after the end, and without processes", function()
    local pool = tine.pool(1)
    local future = pool:submit(tine.sleep, math.huge)
    finally(function() pool:kill_workers() end)
    repeat until future:running()
    assert.matches("1 running", pool:report())
    future:abort()
    future:pcall(20)
    pool:shutdown()
    assert.matches('1 cancelled', pool:report())
    local here <close> = tine.pool { workers = 0 }
    here:submit(burn, 0.01):result(20)
    assert.matches("1 finished", here:report())
  end)

  it("is of a pool", function()
    local pool <close> = tine.pool(1)
    assert.error_matches(function() pool.report(3) end, "tine.pool expected")
  end)
end)
