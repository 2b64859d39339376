-- Pools without processes (workers = 0): the specs of futures, map, errors, callbacks and travel in that mode too, but
-- for those that need a feature of processes, which are listed with the reason; and what is this mode's own.
local tine = require "tine"
local program = require "spec.support.program"

local root = os.getenv "TINE_SOURCE_DIR" or "."

local FILES = {
  "spec/future_spec.lua", "spec/contract/future_contract_spec.lua", "spec/map_spec.lua",
  "spec/contract/map_contract_spec.lua", "spec/map_flow_spec.lua", "spec/errors_spec.lua", "spec/callbacks_spec.lua",
  "spec/contract/travel_spec.lua", "spec/contract/task_spec.lua", "spec/wait_spec.lua", "spec/join_spec.lua",
}

-- A piece of a test's name -> the feature of processes that it needs.
local NEEDS = {}

local function needs(reason, names)
  for _, name in ipairs(names) do NEEDS[name] = reason end
end

needs("a task that runs while the program goes on", {
  "of a pool is cancelled while it waits for a worker, always",
  "that is collected cancels what has not started",
  "left early cancels what has not started",
  "reads a quick input far ahead while tasks run",
  "reads an iterator as far as it goes with math.huge",
  "is each future's own",
  "pass interrupted! on, and the rest runs later",
  "that are due are announced by the descriptor, wherever the results were taken in",
  "is running from the moment a worker takes it up",
  "gives false when its time is over",
  [[gives nil and "full" where submit would wait]],
  "raises timeout while it is not finished, 0 and negative too",
  "runs only inside a call that waits or dispatches",
  "returns at its timeout without an error",
  [[returns with "first_completed"]],
  [[returns with "first_exception", for which cancelled is none]],
  "gives each once, as they finish",
  "raises a timeout error, after those that are done",
  "passes interrupted! of the input on at once",
  "gives results while a slow item runs",
  "unordered goes on when what comes of an item is not its result",
  "left by an error cancels too, and so does close",
  "of one big chunk left early cancels inside the chunk",
  "has a timeout for the whole iteration, from the call",
  "added inside a callback wait for those that are due",
  "run for cancelled futures too",
  "run at the end of a pool whose end was taken in by a sleep",
  "returns at the first exception, cancelled ones do not count",
  "that is interrupted stops its caller",
})
needs("a worker that dies, or is killed", {
  "in one pool hears of what happens in others, which have nothing to do",
  "kills what is left after it, and gives false",
  "cancels pending tasks at once when it is to",
  "in its initializer breaks the pool after start_timeout",
  "names the item's index in the label of an error",
  "of a crash says who, how, and what was running",
  "is there after shutdown, labels too",
  "carries the label and limit of a view",
  "is named in errors of the pool, with its place",
  "comes through from a pool inside a task",
})
needs("a process of its own", {
  "knows its worker",
  "sees no message handler, hook or extra argument",
})
needs("another environment than this spec's", {
  "becomes the worker's globals, busted's own environment too",
})

-- The environment of a spec file whose pools are all without processes.
local function environment()
  local env = {}
  function env.it(name, fn)
    for piece in pairs(NEEDS) do
      if name:find(piece, 1, true) then return end
    end
    it(name, fn)
  end
  return setmetatable(env, { __index = _ENV, __newindex = _ENV })
end

local function without_processes(pool)
  return function(options)
    local own = { workers = 0 }
    for name, value in pairs(type(options) == "table" and options or {}) do
      if name ~= "workers" then own[name] = value end
    end
    return pool(own)
  end
end

for _, file in ipairs(FILES) do
  describe(file .. " without processes", function()
    local pool = tine.pool
    setup(function() tine.pool = without_processes(pool) end)
    teardown(function() tine.pool = pool end)
    assert(loadfile(root .. "/" .. file, "t", environment()))()
  end)
end

describe("a pool without processes", function()
  it("makes none, and runs each task when it is submitted", function()
    local pool <close> = tine.pool(0)
    local f = pool:submit(function(a, b) return a + b, tine.worker.id, tine.worker.pid end, 1, 2)
    assert.equal("finished", f:state())
    local sum, id, pid = f:result()
    assert.same({ 3, 0 }, { sum, id })
    assert.equal(pid, pool:submit(function() return tine.worker.pid end):result())
    assert.same({}, pool:workers())
    assert.equal(0, pool:stats().workers_started)
  end)

  it("keeps what tasks do to their globals from the program's", function()
    local pool <close> = tine.pool(0)
    pool:submit(function() rawset(_G, "spec_here", 1) end):result()
    assert.is_nil(rawget(_G, "spec_here"))
    assert.equal(1, pool:submit(function() return rawget(_G, "spec_here") end):result())
    local other <close> = tine.pool(0)
    assert.is_nil(other:submit(function() return rawget(_G, "spec_here") end):result())
  end)

  it("has an error for os.exit", function()
    local pool <close> = tine.pool(0)
    local ok, err = pool:submit(function() os.exit(3) end):pcall()
    assert.is_false(ok)
    assert.matches("os.exit in a task of a pool without processes", err, 1, true)
  end)

  it("breaks by its initializer and its preload", function()
    for _, option in ipairs { "initializer", "preload" } do
      local pool <close> = tine.pool { workers = 0, [option] = function() error "bad start" end }
      local err = pool:submit(print):exception()
      assert.equal("broken", tine.kind(err))
      assert.matches("bad start", tostring(err.cause), 1, true)
      assert.is_false(pcall(pool.submit, pool, print))
    end
  end)

  it("has limits of time, in coroutines too", function()
    local pool <close> = tine.pool(0)
    local function spin() while true do end end -- luacheck: ignore
    for _, settings in ipairs { { timeout = 0.02 }, { deadline = 0.02 } } do
      local view = pool:with(settings)
      local err = view:submit(spin):exception()
      assert.equal("timeout", tine.kind(err))
      assert.equal("timeout", tine.kind(view:submit(function() coroutine.wrap(spin)() end):exception()))
    end
    assert.equal(1, pool:submit(math.abs, -1):result())
  end)

  -- It was asked to end when its error's text was made for the first time; then that was made again, for ever.
  it("has limits of time where it makes the text of an error that cannot travel", function()
    local pool <close> = tine.pool(0)
    local err = pool:with({ timeout = 0.02 }):submit(function()
      error(setmetatable({ coroutine.create(print) }, { __tostring = function() while true do end end }))
    end):exception()
    assert.equal("timeout", tine.kind(err))
  end)

  it("runs what callbacks submit", function()
    local pool <close> = tine.pool(0)
    local got
    pool:submit(math.abs, -1):add_done_callback(function(f) got = pool:submit(math.abs, -1 - f:result()):result() end)
    assert.equal(2, got)
  end)

  it("ends a task that sleeps, or waits for a pool of its own", function()
    -- Nothing looked at the clock while a task stood in C: it slept for as long as it liked.
    local pool <close> = tine.pool(0)
    local view = pool:with { timeout = 0.02 }
    local ok, err, traceback = view:submit(tine.sleep, 60):pcall()
    assert.same({ false, "timeout" }, { ok, tine.kind(err) })
    assert.truthy(traceback:find("sleep", 1, true), traceback)
    assert.equal("timeout", tine.kind(view:submit(function()
      local inner <close> = tine.pool(1)
      inner:with { timeout = 0.2 }:submit(tine.sleep, 60):result()
    end):exception()))
    -- what has caught that goes on, but does not sleep any more
    local began = tine.clock()
    assert.equal("timeout", tine.kind(view:submit(function() pcall(tine.sleep, 60) tine.sleep(60) end):exception()))
    assert.truthy(tine.clock() - began < 30)
  end)

  it("ends a task that runs one of a pool of its own, without processes, too", function()
    -- Only the inner one was looked at, which nobody asked: without an end, both ran for ever.
    local pool <close> = tine.pool(0)
    local view = pool:with { timeout = 0.02 }
    for _, task in ipairs { function() tine.sleep(60) end, function() while true do end end } do
      local began = tine.clock()
      assert.equal("timeout", tine.kind(view:submit(function()
        local inner <close> = tine.pool(0)
        inner:submit(task):result()
      end):exception()))
      assert.truthy(tine.clock() - began < 30)
    end
    assert.equal(1, pool:submit(math.abs, -1):result())
  end)

  it("takes what only a process can do as an option, without effect", function()
    local pool <close> = tine.pool {
      workers = 0, start_method = "spawn", on_crash = "replace", max_tasks_per_worker = 1, idle_timeout = 0.01,
      max_worker_age = 0.01, max_worker_memory = 1, exit_timeout = 1, on_worker_exit = print, max_pending = 1 }
    for i = 1, 5 do assert.equal(i, pool:submit(math.abs, -i):result()) end
    assert.equal(7, pool:with { cpu = 1, grace = 0 }:submit(math.abs, 7):result())
  end)

  it("tells a task its number and its label as errors and futures tell them", function()
    local pool <close> = tine.pool(0)
    local function own() return tine.worker.task.id, tine.worker.task.label end
    local first = pool:submit(own)
    local id, label = first:result()
    assert.equal(1, id)
    assert.truthy(label:find "#1$", label)
    assert.truthy(tostring(first):find(label, 1, true), tostring(first))
    for i, item_id, item_label in pool:map(own, { "a", "b" }) do
      assert.equal(1 + i, item_id)
      assert.truthy(item_label:find("#" .. 1 + i .. "$"), item_label)
    end
  end)

  it("has a worker of number 0, in what futures tell as well", function()
    local pool <close> = tine.pool(0)
    local future = pool:with { retry = { error = 1 } }:submit(function() error(tine.worker.id, 0) end)
    assert.equal(0, future:exception())
    assert.equal(0, future:times().worker)
    local attempts = future:attempts()
    assert.same({ 0, 0, 2 }, { attempts[1].worker, attempts[2].worker, #attempts })
    assert.equal("string", type(attempts[2].host))
  end)

  it("asks a task to end whatever its grace is: it cannot be killed", function()
    -- With grace = 0, where a worker would be killed at once, an endless task ran for ever.
    local pool <close> = tine.pool(0)
    local function endless() while true do end end
    for _, limits in ipairs { { timeout = 0.01 }, { deadline = 0.01 }, { timeout = 0 } } do
      limits.grace = 0
      local err = pool:with(limits):submit(endless):exception()
      assert.same({ "timeout", "running" }, { tine.kind(err), err.phase })
    end
  end)

  it("has no task while an errand, or its finalizer, runs for longer than that takes to be seen", function()
    -- The hook that asks tasks to end was still there, and looked into the task that was not.
    local ended = program.run [[
      local tine = require "tine"
      local function long() for _ = 1, 1e5 do end end
      local pool = tine.pool { workers = 0, finalizer = function() long() print "finalizer" end }
      pool:submit(math.abs, 1):result()
      print(pool:everywhere(function() long() end):pcall())
      pool:shutdown()
    ]]
    assert.same({ "true\nfinalizer\n", "" }, { ended.out, ended.err })
  end)

  -- It was taken away when the initializer was done, as that of a task is, so coverage and debuggers saw nothing.
  it("keeps a hook that an initializer or a preload has set, as processes do", function()
    local function watch()
      local seen = { calls = 0 }
      package.loaded["spec.seen"] = seen
      debug.sethook(function() seen.calls = seen.calls + 1 end, "c")
    end
    local function is_watched()
      local seen = package.loaded["spec.seen"]
      local before = seen.calls
      math.abs(1)
      return seen.calls > before
    end
    for _, workers in ipairs { 0, 1 } do
      for _, option in ipairs { "initializer", "preload" } do
        local pool <close> = tine.pool { workers = workers, [option] = watch }
        for _ = 1, 2 do assert.is_true(pool:submit(is_watched):result()) end
      end
      local pool <close> = tine.pool(workers)
      pool:submit(watch):result()
      assert.is_false(pool:submit(is_watched):result())
    end
  end)

  it("says so when the stack of its thread is too small for tasks of tasks, and does not crash", function()
    local ended = program.run [[
      require("luv").new_thread({ stack_size = 1 << 20 }, function()
        local tine = require "tine"
        local pool <close> = tine.pool(0)
        local function deep(n) return n == 0 and "bottom" or (tine.worker.pool:submit(deep, n - 1):result()) end
        print(pool:submit(deep, 20):result())
        print(tine.kind(pool:submit(deep, 900):exception()))
      end):join()
    ]]
    assert.same({ "bottom\nsystem\n", "" }, { ended.out, ended.err })
  end)

  -- The thread that takes in the first one's result looked at what the next one had said of its progress, just when
  -- that was written (found by ThreadSanitizer; here it is the pool's own thread, which wakes for the trace).
  it("does not look at the progress of a chunk's task while that runs", function()
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    local ended = program.run([[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 0, trace = arg[1] }
      for _ = 1, 20 do
        pool:map(function()
          for k = 1, 2000 do tine.worker.progress(k, 2000) end
        end, { 1, 2, 3, 4, 5, 6, 7, 8 }, { chunksize = 8 }):totable()
      end
      print "done"]], { args = { name } })
    assert.same({ "done\n", "", 0 }, { ended.out, ended.err, ended.code })
  end)

  it("ends in good order: finalizer, finalizers, shutdown", function()
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    local pool = tine.pool { workers = 0, finalizer = function()
      local file <close> = assert(io.open(name, "a"))
      file:write "finalizer "
    end }
    pool:submit(function(at)
      package.loaded["in order"] = setmetatable({}, { __gc = function() -- held, or it may be collected earlier
        local file <close> = assert(io.open(at, "a"))
        file:write "gc"
      end })
    end, name):result()
    pool:shutdown()
    assert.equal("finalizer gc", assert(io.open(name)):read "a")
  end)
end)
