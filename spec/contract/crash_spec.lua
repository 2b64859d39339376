-- Workers that die unasked: who is blamed, what else is lost, and what goes on.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"

local SIGKILL, SIGSEGV, SIGTERM = 9, 11, 15

local function die(signal) os.execute(("kill -%s %d"):format(signal, tine.worker.pid)) while true do end end
local function leave(code) os.exit(code) end

describe("a worker that dies", function()
  teardown(leftovers.none)

  -- A task that runs until `release` is called.
  local function gate()
    local name = os.tmpname()
    return function() while io.open(name) do os.execute "sleep 0.01" end end, function() os.remove(name) end
  end

  local function idle_worker(pool)
    return eventually(function()
      for _, worker in ipairs(pool:workers()) do
        if worker.state == "idle" and worker.pid then return worker end
      end
    end, "an idle worker")
  end

  -- #here: a crash on another machine breaks no pool
  describe('with on_crash = "break" #here', function()
    it("breaks the pool: every unfinished future and the next submit", function()
      local pool = tine.pool { workers = 1 }
      local done = pool:submit(math.abs, -1)
      assert.equal(1, done:result(20))
      local hold, release = gate()
      local held = pool:submit(hold)
      local killer = pool:with({ label = "the killer" }):submit(die, "KILL")
      local waiting = pool:submit(math.abs, -2)
      release()
      held:result(20)
      local err = killer:exception(20)
      assert.equal("broken", tine.kind(err))
      assert.equal("broken", tine.kind(waiting:exception(20)))
      assert.equal(1, done:result())
      local ok, refused = pcall(pool.submit, pool, math.abs, 1)
      assert.is_false(ok)
      assert.equal("broken", tine.kind(refused))
      pool:shutdown()
    end)

    it("is the default, and blames the task in every error", function()
      local pool = tine.pool { workers = 1 }
      local pid = pool:submit(function() return tine.worker.pid end):result(20)
      local hold, release = gate()
      pool:submit(hold)
      local killer = pool:with({ label = "the killer" }):submit(die, "KILL")
      local waiting = pool:submit(math.abs, -2)
      release()
      for _, future in ipairs { killer, waiting } do
        local err = future:exception(20)
        assert.equal("broken", err.kind)
        assert.equal(pid, err.pid)
        assert.equal(SIGKILL, err.signal)
        assert.is_nil(err.exit_code)
        assert.equal("the killer", err.task.label)
        assert.matches("crash_spec.lua", err.task.source, 1, true)
        assert.equal("integer", math.type(err.task.line))
        local text = tostring(err)
        assert.matches(tostring(pid), text, 1, true)
        assert.matches("the killer", text, 1, true)
        assert.matches("crash_spec.lua:" .. err.task.line, text, 1, true)
      end
      assert.not_equal(killer:exception(), waiting:exception()) -- each has an object of its own
      pool:shutdown()
    end)

    it("tells the exit code of a task that leaves", function()
      for _, code in ipairs { 0, 3 } do
        local pool = tine.pool { workers = 1 }
        local err = pool:submit(leave, code):exception(20)
        assert.equal("broken", err.kind)
        assert.equal(code, err.exit_code)
        assert.is_nil(err.signal)
        pool:shutdown()
      end
    end)

    -- The one by which a worker that cannot even have its link says so is anybody's.
    it("tells the exit code of an initializer that leaves", function()
      for _, code in ipairs { 3, 71 } do
        local pool = tine.pool { workers = 1, initializer = leave, initargs = { code } }
        local _, err = pcall(function() return pool:submit(math.abs, 1):result(20) end)
        assert.equal("broken", err.kind)
        assert.matches("exit code " .. code, tostring(err), 1, true)
        pool:shutdown()
      end
    end)

    it("breaks the pool also when it was idle", function()
      local pool = tine.pool { workers = 1 }
      pool:submit(math.abs, 1):result(20)
      processes.signal("KILL", idle_worker(pool).pid)
      eventually(function()
        local ok, err = pcall(pool.submit, pool, math.abs, 1)
        return not ok and tine.kind(err) == "broken"
      end, "submit raises broken")
      pool:shutdown()
    end)

    it("keeps what was finished before", function()
      local pool = tine.pool { workers = 1 }
      local futures = {}
      for i = 1, 100 do futures[i] = pool:submit(math.abs, -i) end
      local killer = pool:submit(die, "KILL")
      for i = 1, 100 do assert.equal(i, futures[i]:result(20)) end
      assert.equal("broken", killer:exception(20).kind)
      pool:shutdown()
    end)
  end)

  describe('with on_crash = "replace"', function()
    local pool
    before_each(function() pool = tine.pool { workers = 2, on_crash = "replace" } end)
    after_each(function() pool:shutdown() end)

    it("fails only the task it was running", function()
      local futures = {}
      for i = 1, 60 do
        futures[i] = i % 20 == 10 and pool:submit(die, "KILL") or pool:submit(math.abs, -i)
      end
      for i = 1, 60 do
        if i % 20 == 10 then
          local err = futures[i]:exception(20)
          assert.equal("crashed", err.kind)
          assert.equal(SIGKILL, err.signal)
        else
          assert.equal(i, futures[i]:result(20))
        end
      end
      local stats = pool:stats()
      assert.equal(os.getenv "TINE_SPEC_BACKEND" and 0 or 3, stats.workers_lost) -- those of hosts are theirs
      assert.equal(57, stats.finished)
      assert.equal(3, stats.failed)
    end)

    it("tells signals, exit codes, pid and label apart", function()
      local cases = {
        { die, "KILL", signal = SIGKILL }, { die, "SEGV", signal = SIGSEGV }, { die, "TERM", signal = SIGTERM },
        { leave, 0, exit_code = 0 }, { leave, 77, exit_code = 77 }, { leave, true, exit_code = 0 },
      }
      for i, case in ipairs(cases) do
        local label = "case " .. i
        local err = pool:with({ label = label }):submit(case[1], case[2]):exception(20)
        assert.equal("crashed", err.kind)
        assert.equal(case.signal, err.signal)
        assert.equal(case.exit_code, err.exit_code)
        assert.equal(label, err.task.label)
        assert.equal("integer", math.type(err.pid))
        assert.is_false(processes.alive(err.pid))
        assert.matches(tostring(err.pid), tostring(err), 1, true)
        assert.matches(label, tostring(err), 1, true)
      end
    end)

    -- #here: how many workers of a host were lost is its own business (workers_lost)
    it("is replaced when it was idle, and no task notices #here", function()
      assert.equal(1, pool:submit(math.abs, -1):result(20))
      processes.signal("KILL", idle_worker(pool).pid)
      for i = 1, 50 do assert.equal(i, pool:submit(math.abs, -i):result(20)) end
      eventually(function() return pool:stats().workers_lost == 1 end, "the loss is counted")
      assert.equal(0, pool:stats().failed)
    end)

    it("can happen a hundred times in a row", function()
      for i = 1, 100 do
        assert.equal("crashed", pool:submit(leave, 1):exception(20).kind)
        if i % 10 == 0 then assert.equal(i, pool:submit(math.abs, -i):result(20)) end
      end
    end)

    it("runs each task at most once", function()
      local name = os.tmpname()
      local futures = {}
      for i = 1, 40 do
        futures[i] = pool:submit(function(n)
          local file <close> = assert(io.open(name, "a"))
          file:write(n, "\n")
          file:close()
          if n % 8 == 0 then os.exit(1) end
        end, i)
      end
      tine.wait(futures, { timeout = 20 })
      local times = {}
      for line in io.lines(name) do times[tonumber(line)] = (times[tonumber(line)] or 0) + 1 end
      for i = 1, 40 do assert.equal(1, times[i]) end
      os.remove(name)
    end)

    it("loses the rest of a map's chunk to no one", function()
      local seen = {}
      local iterator, state, control = pool:map(function(n)
        if n == 5 then os.exit(9) end
        return n * n
      end, { 1, 2, 3, 4, 5, 6, 7, 8 }, { chunksize = 8, on_error = "return" })
      for i, square, err in iterator, state, control do
        seen[i] = square or err
      end
      for i = 1, 8 do
        if i == 5 then
          assert.equal("crashed", tine.kind(seen[i]))
          assert.equal(9, seen[i].exit_code)
        else
          assert.equal(i * i, seen[i])
        end
      end
    end)
  end)

  describe("again and again at its start", function()
    it("breaks the pool instead of starting for ever", function()
      local name = os.tmpname()
      local pool = tine.pool { workers = 1, on_crash = "replace", initializer = function()
        local file <close> = assert(io.open(name, "a"))
        file:write "start\n"
        file:close()
        os.exit(5)
      end }
      local err = pool:submit(math.abs, 1):exception(20)
      assert.equal("broken", err.kind)
      local starts = 0
      for _ in io.lines(name) do starts = starts + 1 end
      assert.is_true(starts <= 3, starts)
      local ok, refused = pcall(pool.submit, pool, math.abs, 1)
      assert.is_false(ok)
      assert.equal("broken", tine.kind(refused))
      pool:shutdown()
      os.remove(name)
    end)
  end)

  describe("in its initializer", function()
    it("by an error: the pool is broken, with the cause", function()
      for _, mode in ipairs { "break", "replace" } do
        local function initializer() error { why = "no licence" } end
        local pool = tine.pool { workers = 2, on_crash = mode, initializer = initializer }
        for _ = 1, 3 do -- submit itself may hear of it, but not the first one
          local ok, future = pcall(function() return pool:submit(math.abs, 1) end)
          local err = ok and future:exception(20) or future
          assert.equal("broken", tine.kind(err))
          assert.same({ why = "no licence" }, err.cause)
          assert.matches("initializer", tostring(err), 1, true)
        end
        assert.is_false((pcall(pool.submit, pool, math.abs, 1)))
        pool:shutdown()
      end
    end)

    it("in a later worker: the same", function()
      local name = os.tmpname()
      local pool = tine.pool { workers = 1, max_tasks_per_worker = 1, initializer = function()
        local file = io.open(name)
        if not file then error("the file is gone", 0) end
        file:close()
      end }
      assert.equal(1, pool:submit(math.abs, -1):result(20))
      os.remove(name)
      local err = pool:submit(math.abs, -1):exception(20)
      assert.equal("broken", tine.kind(err))
      assert.equal("the file is gone", err.cause)
      pool:shutdown()
    end)

    it("and preload's error is like that of an initializer", function()
      -- It runs before there is a task: submit itself may be the first to hear of it.
      local function broken_by(preload)
        local pool <close> = tine.pool { workers = 1, preload = preload }
        local ok, future = pcall(function() return pool:submit(math.abs, 1) end)
        local err = ok and future:exception(20) or future
        assert.equal("broken", tine.kind(err))
        return err
      end
      local err = broken_by(function() error("no data", 0) end)
      assert.equal("no data", err.cause)
      assert.matches("no data", tostring(err), 1, true)
      assert.matches("no.such.module", tostring(broken_by({ "no.such.module" }).cause), 1, true)
    end)
  end)

  -- #here: that is the host: losses_spec.lua
  it("together with the fork server is a broken pool #here", function()
    local pool = tine.pool { workers = 1 }
    local pid = pool:submit(function() return tine.worker.pid end):result(20)
    local hold, release = gate()
    local future = pool:submit(hold)
    eventually(function() return future:running() end, "the task runs")
    processes.signal("KILL", processes.stat(pid).parent)
    assert.equal("broken", tine.kind(future:exception(20)))
    release()
    eventually(function() return not processes.alive(pid) end, "the worker ends too")
    pool:shutdown()
  end)

  it("leaves a background child of its task behind, and nobody waits for it", function()
    local name = os.tmpname()
    local pool = tine.pool { workers = 1, on_crash = "replace" }
    local err = pool:submit(function()
      os.execute("sleep 60 >/dev/null 2>&1 & echo $! > " .. name)
      os.exit(1)
    end):exception(10)
    assert.equal("crashed", err.kind)
    assert.equal(1, pool:submit(math.abs, -1):result(10))
    pool:shutdown()
    processes.signal("KILL", io.open(name):read "n")
    os.remove(name)
  end)
end)
