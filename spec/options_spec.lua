-- Arguments and options: every wrong one is refused at the caller's line, before anything starts.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"

describe("wrong options", function()
  teardown(leftovers.none)

  local function refused(pattern, fn, ...)
    local args = table.pack(...)
    local ok, err = pcall(function()
      local _ = fn(table.unpack(args, 1, args.n))
    end)
    assert.is_false(ok)
    assert.equal("string", type(err))
    assert.matches("^[^:]*options_spec.lua:%d+: bad argument #1 to 'fn' %(", err)
    assert.matches(pattern, err, 1, true)
  end

  it("of tine.pool name the option and what is wanted", function()
    for _, case in ipairs {
      { { workers = -1 }, "must be an integer of 1 or more, or 0 for a pool without processes, got -1" },
      { { workers = 1.5 }, "got 1.5" },
      { { workers = "two" }, [[got "two"]] },
      { { workers = 5000 }, "option 'workers' must be at most 4095, got 5000" },
      { { worker = 2 }, "unknown option 'worker', did you mean 'workers'?" },
      { { wrokers = 2 }, "did you mean 'workers'?" },
      { { max_task_per_worker = 2 }, "did you mean 'max_tasks_per_worker'?" },
      { { [1] = 2 }, "option names are strings, got a number" },
      { { frobnicate = 2 }, "known are: workers, initializer" },
      { { foo = 2 }, "known are: workers, initializer" }, -- not "did you mean 'cpu'?"
      { { on_crash = "restart" }, [[option 'on_crash' must be "break" or "replace", got "restart"]] },
      { { on_crash = "replace\0" }, [[must be "break" or "replace", got "replace" with a zero byte behind it]] },
      { { start_method = "thread" }, [[must be "fork" or "spawn"]] },
      { { globals = true }, [[must be "named" or "none", got boolean]] },
      { { initializer = 12 }, "option 'initializer' must be a function, got 12" },
      { { initargs = 12 }, "option 'initargs' must be a list" },
      { { initargs = { n = -1 } }, "option 'initargs': field 'n' must be an integer of 0 or more" },
      { { initargs = { n = "3" } }, "option 'initargs': field 'n' must be an integer of 0 or more" },
      { { initializer = print, initargs = { n = 1.5 } }, "option 'initargs': field 'n' must be an integer" },
      { { initializer = print, initargs = { n = 1 << 40 } }, "option 'initargs' has too many values" },
      { { preload = { 12 } }, "option 'preload' must be a list of module names" },
      { { task_timeout = 0 / 0 }, "option 'task_timeout' must be a number of seconds" },
      { { spin = "long" }, "option 'spin' must be a number of seconds" },
      { { name = 12 }, "option 'name' must be a string" },
      { { max_pending = 0 }, "option 'max_pending' must be an integer of 1 or more" },
      { { on_callback_error = "log" }, "option 'on_callback_error' must be a function" },
      { -1, "got -1" },
      { 2.5, "got 2.5" },
      { "two", "table or number of workers expected, got string" },
      { true, "got boolean" },
    } do
      refused(case[2], tine.pool, case[1])
    end
  end)

  it("of wait and as_completed", function()
    local f = tine.future()
    local function refuses(pattern, fn, ...)
      local ok, err = pcall(fn, ...)
      assert.is_false(ok)
      assert.matches(pattern, err, 1, true)
    end
    refuses("table expected", tine.wait)
    refuses("table expected", tine.wait, f)
    refuses("item 2 is no future but a number", tine.wait, { f, 2 })
    refuses("item 1 is no future", tine.as_completed, { "x" })
    refuses("did you mean 'return_when'", tine.wait, { f }, { returnwhen = "all_completed" })
    refuses([["all_completed", "first_completed" or "first_exception"]], tine.wait, { f }, { return_when = "any" })
    refuses("option 'timeout'", tine.wait, { f }, { timeout = "x" })
    refuses("cannot be NaN", tine.as_completed, { f }, 0 / 0)
  end)

  it("of pool methods", function()
    local pool <close> = tine.pool(1)
    local function refuses(pattern, fn)
      local ok, err = pcall(fn)
      assert.is_false(ok)
      assert.matches("options_spec.lua:%d+: ", err)
      assert.matches(pattern, err, 1, true)
    end
    refuses("did you mean 'label'", function() pool:with { lable = "x" } end)
    refuses("option 'label' must be a string", function() pool:with { label = 1 } end)
    refuses("option 'timeout' must be a number", function() pool:with { timeout = "x" } end)
    refuses("did you mean 'wait'", function() pool:shutdown { wiat = true } end)
    refuses("option 'wait' must be true or false", function() pool:shutdown { wait = 1 } end)
    refuses("#1 to 'submit' (function expected, got number", function() pool:submit(1) end)
    refuses("#1 to 'try_submit' (function expected, got number", function() pool:try_submit(1) end)
    refuses("tine.pool expected, got table", function() pool.submit({}, print) end)
    refuses("tine.future expected", function() tine.future().result(pool) end)
    assert.equal(0, pool:stats().submitted)
    assert.equal(0, pool:stats().workers_started)
    local other <close> = tine.pool(1)
    local first = other:submit(math.abs, 1)
    refuses("#1 to 'chain' (function expected, got number", function() first:chain(1) end)
  end)

  it("may be forgotten after a failure: a pool can be made", function()
    for _ = 1, 20 do pcall(tine.pool, { workers = 1, initializer = print, initargs = { coroutine.create(print) } }) end
    local pool <close> = tine.pool {}
    assert.equal(1, pool:submit(math.abs, -1):result())
  end)
end)
