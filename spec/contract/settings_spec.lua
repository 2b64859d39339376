-- Settings of tasks: pool:with{...}, and the same names in tine.pool's options; wrong ones are told at once.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"

describe("settings", function()
  teardown(leftovers.none)

  local GOOD = {
    { label = "x" }, { timeout = 1 }, { timeout = math.huge }, { timeout = 5 }, { deadline = 10 }, { grace = 0 },
    { grace = math.huge }, { priority = -5 }, { priority = math.maxinteger }, { priority = 3.0 }, { group = "a\0b" },
    { retry = 0 }, { retry = 3 }, { retry = {} }, { memory = 1 << 30 }, { memory = math.huge }, { cpu = 10 },
    { retry = { error = 1, crashed = 2, timeout = 3, lost = 4, delay = 0, factor = 1, max_delay = 1, jitter = 0,
                when = function() return true end } },
    { output = "inherit", output_limit = 100 }, { output = "capture", output_limit = 0 }, { output = "prefix" },
    { output_limit = math.huge },
    { seed = 1 },
    { seed = -1 }, { seed = "text" },
  }

  it("are taken by pool:with and tine.pool, and tasks run", function()
    for _, options in ipairs(GOOD) do
      local pool <close> = tine.pool(setmetatable({ workers = 1 }, { __index = options }))
      assert.equal(3, pool:with(options):submit(math.abs, -3):result(20))
    end
    for _, options in ipairs(GOOD) do
      options.workers = 1
      local pool <close> = tine.pool(options)
      assert.equal(3, pool:submit(math.abs, -3):result(20))
    end
  end)

  local WRONG = {
    { { timeout = "1" }, "option 'timeout' must be a number of seconds, got \"1\"" },
    { { deadline = 0 / 0 }, "option 'deadline' must be a number of seconds" },
    { { grace = {} }, "option 'grace' must be a number of seconds, got table" },
    { { priority = 1.5 }, "option 'priority' must be an integer, got 1.5" },
    { { priority = "1" }, "option 'priority' must be an integer, got \"1\"" },
    { { group = 1 }, "option 'group' must be a text, got 1" },
    { { group = ("x"):rep(70000) }, "option 'group' must be at most 65535 bytes" },
    { { retry = -1 }, "option 'retry' must be an integer of 0 or more, got -1" },
    { { retry = 1.5 }, "option 'retry' must be an integer of 0 or more, got 1.5" },
    { { retry = "3" }, "option 'retry' must be a count, or a table of budgets, got \"3\"" },
    { { retry = { errors = 1 } }, "unknown option 'retry.errors', did you mean 'retry.error'?" },
    { { retry = { crashed = "x" } }, "option 'retry.crashed' must be an integer of 0 or more, got \"x\"" },
    { { retry = { delay = 0 / 0 } }, "option 'retry.delay' must be a number of seconds" },
    { { retry = { max_delay = true } }, "option 'retry.max_delay' must be a number of seconds, got boolean" },
    { { retry = { factor = -1 } }, "option 'retry.factor' must be a number of 0 or more, got -1" },
    { { retry = { jitter = 2 } }, "option 'retry.jitter' must be a number from 0 to 1, got 2" },
    { { retry = { when = 1 } }, "option 'retry.when' must be a function, got 1" },
    { { memory = "1G" }, "option 'memory' must be a number of bytes, got \"1G\"" },
    { { memory = 0 }, "option 'memory' must be a number of bytes, got 0" },
    { { cpu = "x" }, "option 'cpu' must be a number of seconds, got \"x\"" },
    { { output = "file" }, "option 'output' must be \"inherit\", \"capture\" or \"prefix\", got \"file\"" },
    { { output = true }, "option 'output' must be \"inherit\", \"capture\" or \"prefix\", got boolean" },
    { { output_limit = -1 }, "option 'output_limit' must be a number of bytes, got -1" },
    { { output_limit = "1M" }, "option 'output_limit' must be a number of bytes, got \"1M\"" },
    { { output_limit = 1.5 }, "option 'output_limit' must be a number of bytes, got 1.5" },
    { { seed = {} }, "option 'seed' must be an integer or a text, got table" },
    { { seed = 1.5 }, "option 'seed' must be an integer or a text, got 1.5" },
    { { prioritty = 1 }, "unknown option 'prioritty', did you mean 'priority'?" },
    { { label = 1 }, "option 'label' must be a string without zero bytes, got 1" },
    { { label = "a\0b" }, "option 'label' must be a string without zero bytes, got \"a" }, -- C's end
  }

  it("that are wrong are argument errors at the caller's line, and the pool goes on", function()
    local pool <close> = tine.pool { workers = 1 }
    for _, case in ipairs(WRONG) do
      local line = debug.getinfo(1, "l").currentline + 1
      local ok, err = pcall(function() pool:with(case[1]) end)
      assert.is_false(ok)
      assert.matches(case[2], err, 1, true)
      assert.matches("settings_spec.lua:" .. line .. ": bad argument #1 to ", err, 1, true)
      line = debug.getinfo(1, "l").currentline + 1
      ok, err = pcall(function() tine.pool(case[1]) end)
      assert.is_false(ok)
      assert.matches(case[2], err, 1, true)
      assert.matches("settings_spec.lua:" .. line .. ": bad argument #1 to ", err, 1, true)
    end
    assert.equal(3, pool:submit(math.abs, -3):result(20))
  end)

  it("that count may be math.huge, as times and bytes may: no limit", function()
    for _, option in ipairs {
      "max_pending", "max_pending_bytes", "max_tasks_per_worker", "max_worker_memory", "event_buffer", "retry",
    } do
      local pool <close> = tine.pool { workers = 1, [option] = math.huge }
      for i = 1, 3 do assert.equal(i, pool:try_submit(math.abs, -i):result(20)) end
      local ok, err = pcall(tine.pool, { workers = 1, [option] = -math.huge })
      assert.is_false(ok)
      assert.matches("option '" .. option .. "' must be an integer of ", err, 1, true)
    end
    local pool <close> = tine.pool(1)
    local future = pool:with({ retry = { error = math.huge, delay = 0 } }):submit(function()
      if tine.worker.task.attempt < 20 then error "not yet" end
      return tine.worker.task.attempt
    end)
    assert.equal(20, future:result(20))
  end)

  it("of a pool have one name for the run-time limit at a time", function()
    local ok, err = pcall(tine.pool, { timeout = 1, task_timeout = 1 })
    assert.is_false(ok)
    assert.matches("options 'timeout' and 'task_timeout' are one", err, 1, true)
  end)

  it("of a view hold over those of its pool, and of a view's view over that", function()
    local pool <close> = tine.pool { workers = 1, timeout = 0.05, label = "of the pool" }
    assert.equal("timeout", tine.kind(pool:submit(tine.sleep, 20):exception(20)))
    assert.matches("of the pool", tostring(pool:submit(tine.sleep, 20):exception(20)), 1, true)
    local view = pool:with { timeout = math.huge, label = "of the view" }
    assert.is_nil(view:submit(tine.sleep, 0.2):exception(20))
    local inner = view:with { priority = 1 }
    assert.is_nil(inner:submit(tine.sleep, 0.2):exception(20))
    assert.matches("of the view", tostring(inner:with { timeout = 0.01 }:submit(tine.sleep, 20):exception(20)), 1, true)
  end)

  -- Views that were used lately are known by their addresses; other views, or values that are none, come to lie there.
  it("are those of each view, however many are in use, come and go", function()
    local pool <close> = tine.pool { workers = 1 }
    local views = {}
    for round = 1, 10 do
      for i = round % 2 + 1, 200, 2 do views[i] = pool:with { label = ("view %d of round %d"):format(i, round) } end
      collectgarbage()
      local values = {}
      for i = 1, 200 do values[i] = tine.future() end
      for i = 1, 200 do
        local view = views[i] or pool
        local label = tostring(view):match "view %d+ of round %d+"
        local future = view:submit(math.abs, -1)
        if label then assert.matches(label, tostring(future), 1, true) end
        assert.has_error(function() view.submit(values[i], math.abs, -1) end)
      end
    end
  end)
end)
