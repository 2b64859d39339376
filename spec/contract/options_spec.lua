-- Bad options and arguments: the error names what is wrong, at the caller's line, before anything starts.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

describe("tine.pool", function()
  teardown(leftovers.none)

  local function refused(options)
    local ok, err = pcall(function() return tine.pool(options) end)
    assert.is_false(ok)
    assert.is_string(err)
    assert.matches("options_spec.lua:%d+: ", err)
    return err
  end

  it("refuses wrong numbers of workers", function()
    for _, wrong in ipairs { -1, 1.5, "two", 0 / 0, math.huge } do
      assert.matches("workers", refused { workers = wrong }, 1, true)
      refused(wrong)
    end
    local pool <close> = tine.pool { workers = 2.0 }
    assert.equal(1, pool:submit(math.abs, -1):result(20))
  end)

  it("names an unknown option, and the nearest known one", function()
    local err = refused { worker = 2 }
    assert.matches("worker", err, 1, true)
    assert.matches("workers", err, 1, true)
    err = refused { workers = 2, task_timout = 3 }
    assert.matches("task_timout", err, 1, true)
    assert.matches("task_timeout", err, 1, true)
    refused { [1] = 2 }
    refused { start_methods = "fork" }
  end)

  it("refuses wrong values of each option", function()
    for option, values in pairs {
      initializer = { 1, {} }, initargs = { 1, "x" }, max_tasks_per_worker = { 0, -1, 1.5, "x" },
      task_timeout = { "x", 0 / 0, {} }, start_method = { "thread", 1 }, preload = { 1, { 1 } },
      on_crash = { "ignore", 1, true }, globals = { "all", true }, max_pending = { 0, -1, 1.5, "x" },
      on_callback_error = { 1, "x" }, spin = { "x", 0 / 0 }, name = { {}, true },
    } do
      for _, value in ipairs(values) do
        local err = refused { workers = 1, [option] = value }
        assert.matches(option, err, 1, true)
      end
    end
  end)

  it("refuses names and values that a zero byte would cut off, and names in a table that are none", function()
    assert.matches("'name' must be a string without zero bytes", refused { workers = 1, name = "a\0b" }, 1, true)
    for name, value in pairs { backend = "gearman://127.0.0.1/set\0tail", key = "/dev/null\0tail" } do
      local options = { backend = "gearman://127.0.0.1/set", [name] = value } -- the tail was left out
      assert.matches(("'%s' must be"):format(name), refused(options), 1, true)
    end
    refused { ["workers\0"] = 1 }
    assert.matches("'retry': names in it are strings, got a number", refused { workers = 1, retry = { 1 } }, 1, true)
  end)

  it("tells a long wrong value by its length", function() -- it stood in the message, a megabyte
    local long = ("x"):rep(1000000)
    local err = refused { workers = 1, on_crash = long }
    assert.matches("got a string of 1000000 bytes", err, 1, true)
    local pool <close> = tine.pool { workers = 1 }
    err = select(2, pcall(pool.map, pool, math.abs, { 1 }, { on_error = long }))
    assert.matches("got a string of 1000000 bytes", err, 1, true)
  end)

  it("raises for initargs that cannot travel", function()
    local ok, err = pcall(tine.pool, { workers = 1, initializer = print, initargs = { coroutine.create(print) } })
    assert.is_false(ok)
    assert.equal("serialization", tine.kind(err))
  end)

  it("wants nothing of what the initializer, the finalizer and the preload return", function()
    -- What cannot travel, a connection or a coroutine, broke the pool: "its initializer failed: result 1".
    local function connect() return coroutine.create(print) end
    local left
    local pool = tine.pool {
      workers = 1, initializer = connect, finalizer = connect, preload = connect,
      on_worker_exit = function(exit) left = exit end,
    }
    assert.equal(1, pool:submit(math.abs, -1):result(20))
    pool:shutdown()
    assert.same({ "shutdown", 0 }, { left.reason, left.exit_code })
  end)

  it("takes initargs with nil, as n says", function()
    local pool <close> = tine.pool { workers = 1, initargs = { nil, 2, nil, n = 3 }, initializer = function(...)
      tine.worker.state.args = table.pack(...)
    end }
    assert.same({ [2] = 2, n = 3 }, pool:submit(function() return tine.worker.state.args end):result(20))
  end)

  it("takes as many initargs as submit takes arguments", function()
    local list = {}
    for i = 1, 10000 do list[i] = i end
    local pool <close> = tine.pool { workers = 1, initargs = list, initializer = function(...)
      tine.worker.state.last = select(-1, ...)
    end }
    assert.equal(10000, pool:submit(function() return tine.worker.state.last end):result(20))
  end)

  it("starts as many as there are processors by default", function()
    assert.is_true(tine.cpu_count() >= 1)
    assert.equal("integer", math.type(tine.cpu_count()))
    local pool <close> = tine.pool()
    local futures = {}
    for i = 1, 50 do futures[i] = pool:submit(function() os.execute "sleep 0.01" end) end
    tine.wait(futures)
    assert.equal(tine.cpu_count(), #pool:workers())
  end)

  it("starts no worker before there is a task", function()
    local pool <close> = tine.pool { workers = 2 }
    assert.same({}, pool:workers())
  end)

  it("preloads modules and runs a function once in the fork server", function()
    local pool <close> = tine.pool { workers = 2, max_tasks_per_worker = 1, preload = { "spec.support.sample" } }
    local pids = {}
    for _ = 1, 4 do
      local loaded_by, own = pool:submit(function()
        local sample = require "spec.support.sample"
        return sample.pid, tine.worker.pid
      end):result(20)
      assert.not_equal(loaded_by, own)
      pids[loaded_by] = true
    end
    assert.equal(1, processes.count(pids))
    local other <close> = tine.pool { workers = 1, preload = function() rawset(_G, "spec_ready", "yes") end }
    assert.equal("yes", other:submit(function() return rawget(_G, "spec_ready") end):result(20))
  end)

  it('can start by "spawn" as well', function()
    local ended = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 2, start_method = "spawn" }
      print(pool:submit(function() return io.popen("readlink /proc/$PPID/exe"):read "l" end):result())
      print(pool:submit(function(n) return n * n end, 7):result())
      print(pool:submit("spec.support.sample.hello", "you"):result())
    ]]
    assert.equal("", ended.err)
    assert.matches("/tine%-helper\n49\nhello you\n$", ended.out)
  end)

  it("holds submit back at max_pending", function()
    local pool <close> = tine.pool { workers = 1, max_pending = 3 }
    for i = 1, 40 do
      pool:submit(function() os.execute "sleep 0.002" end)
      local stats = pool:stats()
      assert.is_true(stats.pending + stats.running <= 3, i)
    end
  end)

  it("allows no spinning at all", function()
    local pool <close> = tine.pool { workers = 1, spin = 0 }
    for i = 1, 20 do assert.equal(i, pool:submit(math.abs, -i):result(20)) end
  end)

  it("has a version", function() assert.equal("0.2.0", tine.version) end)

  it("knows the kind of its errors only", function()
    for _, value in ipairs { 1, "timeout", {}, { kind = "timeout" }, print, true } do
      assert.is_nil(tine.kind(value))
    end
    assert.is_nil(tine.kind(nil))
    local pool <close> = tine.pool(1)
    pool:shutdown()
    local _, err = pcall(pool.submit, pool, math.abs, 1)
    assert.equal("shutdown", tine.kind(err))
    assert.equal("shutdown", err.kind)
    assert.is_string(err.message)
    assert.matches(err.message, tostring(err), 1, true)
  end)
end)
