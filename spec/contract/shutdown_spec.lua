-- All the ways in which a pool or its program ends: what still runs, what is told, what is left (nothing).
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

local SIGINT, SIGKILL, SIGTERM = 2, 9, 15

local function loop() while true do end end

describe("shutdown", function()
  teardown(leftovers.none)

  it("lets running and queued tasks finish, and waits for them", function()
    local pool = tine.pool { workers = 2 }
    local futures = {}
    for i = 1, 20 do futures[i] = pool:submit(function() os.execute "sleep 0.01" return i end) end
    pool:shutdown()
    for i = 1, 20 do
      assert.is_true(futures[i]:done())
      assert.equal(i, futures[i]:result(0))
    end
    assert.same({}, pool:workers())
  end)

  it("does not wait with wait = false", function()
    local pool = tine.pool { workers = 1 }
    local name = os.tmpname()
    local future = pool:submit(function() while io.open(name) do os.execute "sleep 0.01" end return "done" end)
    pool:shutdown { wait = false }
    assert.is_false(future:done())
    os.remove(name)
    assert.equal("done", future:result(20))
    pool:shutdown()
  end)

  it("cancels what has not started with cancel_futures", function()
    local pool = tine.pool { workers = 1 }
    local name = os.tmpname()
    local running = pool:submit(function() while io.open(name) do os.execute "sleep 0.01" end return "done" end)
    local waiting = {}
    for i = 1, 10 do waiting[i] = pool:submit(math.abs, i) end
    eventually(function() return running:running() end, "the first runs")
    local woken = 0
    for i = 1, 10 do waiting[i]:add_done_callback(function() woken = woken + 1 end) end
    pool:shutdown { wait = false, cancel_futures = true }
    for i = 1, 10 do
      assert.is_true(waiting[i]:cancelled())
      assert.equal("cancelled", tine.kind(select(2, waiting[i]:pcall(20))))
    end
    os.remove(name)
    assert.equal("done", running:result(20))
    pool:shutdown()
    assert.equal(10, woken)
  end)

  it("refuses later submits, and may be called again", function()
    local pool = tine.pool { workers = 1 }
    pool:submit(math.abs, 1)
    pool:shutdown()
    for _ = 1, 2 do
      local ok, err = pcall(pool.submit, pool, math.abs, 1)
      assert.is_false(ok)
      assert.equal("shutdown", tine.kind(err))
      pool:shutdown()
      pool:shutdown { wait = false, cancel_futures = true }
    end
    local ok, err = pcall(pool.map, pool, math.abs, { 1 })
    assert.is_false(ok)
    assert.equal("shutdown", tine.kind(err))
  end)

  it("ends a pool that was never used", function()
    local pool = tine.pool { workers = 4 }
    pool:shutdown()
    local closed <close> = tine.pool(2)
    assert.is_table(closed:stats())
  end)

  it("ends a pool whose workers are just starting", function()
    for _ = 1, 20 do
      local pool = tine.pool { workers = 4 }
      local futures = {}
      for i = 1, 4 do futures[i] = pool:submit(math.abs, -i) end
      pool:shutdown()
      for i = 1, 4 do assert.equal(i, futures[i]:result(0)) end
    end
  end)

  it("ends a pool whose workers are just being replaced", function()
    for round = 1, 20 do
      local pool = tine.pool { workers = 2, max_tasks_per_worker = 1, on_crash = "replace" }
      local futures = {}
      for i = 1, 6 do futures[i] = pool:submit(function() if i == round % 6 then os.exit(1) end return i end) end
      pool:shutdown()
      for i = 1, 6 do
        if i == round % 6 then
          assert.equal("crashed", tine.kind(futures[i]:exception(0)))
        else
          assert.equal(i, futures[i]:result(0))
        end
      end
    end
  end)

  it("is possible with full queues", function()
    local pool = tine.pool { workers = 2 }
    local futures = {}
    local text = ("x"):rep(1000)
    for i = 1, 20000 do futures[i] = pool:submit(function(s) return s end, text) end
    pool:shutdown()
    for i = 1, 20000 do assert.equal(text, futures[i]:result(0)) end
  end)

  it("may be called from a done callback", function()
    local pool = tine.pool { workers = 2 }
    local other = pool:submit(function() os.execute "sleep 0.1" return 2 end)
    local future = pool:submit(math.abs, -1)
    local called
    future:add_done_callback(function()
      pool:shutdown { wait = false }
      called = true
    end)
    assert.equal(1, future:result(20))
    assert.is_true(called)
    assert.equal(2, other:result(20))
    assert.is_false((pcall(pool.submit, pool, math.abs, 1)))
    pool:shutdown()
  end)

  it("does not wait for a background child of a task", function()
    local name = os.tmpname()
    local start = os.time()
    local pool = tine.pool { workers = 1 }
    pool:submit(function() os.execute("sleep 60 & echo $! > " .. name) end):result(20)
    pool:shutdown()
    assert.is_true(os.time() - start < 30)
    processes.signal("KILL", io.open(name):read "n")
    os.remove(name)
  end)

  it("is done for each of several pools apart", function()
    local a, b = tine.pool(1), tine.pool(1)
    assert.equal(1, a:submit(math.abs, -1):result(20))
    assert.equal(2, b:submit(math.abs, -2):result(20))
    a:shutdown()
    assert.equal(3, b:submit(math.abs, -3):result(20))
    b:shutdown()
  end)

  for method, signal in pairs { terminate_workers = SIGTERM, kill_workers = SIGKILL } do
    it("by " .. method .. " ends the workers now", function()
      local pool = tine.pool { workers = 2 }
      local busy = { pool:submit(loop), pool:submit(loop) }
      local waiting = pool:submit(math.abs, 1)
      eventually(function() return busy[1]:running() and busy[2]:running() end, "both run")
      local pids = eventually(function()
        local list = {}
        for i, worker in ipairs(pool:workers()) do list[i] = worker.pid end
        return #list == 2 and list
      end, "both pids")
      pool[method](pool)
      for _, future in ipairs { busy[1], busy[2], waiting } do
        assert.equal("broken", tine.kind(future:exception(20)))
      end
      for _, pid in ipairs(pids) do eventually(function() return not processes.alive(pid) end, signal) end
      local ok, err = pcall(pool.submit, pool, math.abs, 1)
      assert.is_false(ok)
      assert.equal("shutdown", tine.kind(err))
      pool:shutdown()
    end)
  end

  -- SIGTERM met a worker that was not yet ready to heed it, and the pool waited five seconds before it killed it.
  it("by terminate_workers ends those that are just starting, too", function()
    for _ = 1, 12 do
      local pool = tine.pool { workers = 2 }
      local future = pool:submit(loop)
      pool:terminate_workers()
      local start = tine.clock()
      pool:shutdown()
      assert.equal("broken", tine.kind(future:exception(20)))
      assert.is_true(tine.clock() - start < 4, "it was not heeded")
    end
  end)

  describe("by <close>", function()
    it("waits", function()
      local future
      do
        local pool <close> = tine.pool(1)
        future = pool:submit(function() os.execute "sleep 0.1" return "done" end)
      end
      assert.is_true(future:done())
      assert.equal("done", future:result(0))
    end)

    it("after an error cancels what has not started", function()
      local running, waiting
      local ok, err = pcall(function()
        local pool <close> = tine.pool { workers = 1 }
        running = pool:submit(function() os.execute "sleep 0.2" return "done" end)
        waiting = {}
        for i = 1, 50 do waiting[i] = pool:submit(function() os.execute "sleep 1" end) end
        eventually(function() return running:running() end, "it runs")
        error("out", 0)
      end)
      assert.is_false(ok)
      assert.equal("out", err)
      assert.equal("done", running:result(0))
      for _, future in ipairs(waiting) do assert.is_true(future:cancelled()) end
    end)

    it("after interrupted! kills the workers", function()
      local future
      local ok, err = pcall(function()
        local pool <close> = tine.pool { workers = 1 }
        future = pool:submit(loop)
        eventually(function() return future:running() end, "it runs")
        error("interrupted!", 0)
      end)
      assert.is_false(ok)
      assert.equal("interrupted!", err)
      assert.is_true(future:done())
      assert.is_false((future:pcall(0)))
    end)
  end)

  it("of a collected pool lets its tasks finish", function()
    local name = os.tmpname()
    local future
    do
      local pool = tine.pool { workers = 1 }
      for i = 1, 5 do
        future = pool:submit(function()
          os.execute "sleep 0.02"
          local file <close> = assert(io.open(name, "a"))
          file:write(i, "\n")
        end)
      end
      pool = nil -- luacheck: ignore
    end
    collectgarbage()
    collectgarbage()
    future:result(20)
    future = nil -- luacheck: ignore
    collectgarbage()
    local lines = 0
    for _ in io.lines(name) do lines = lines + 1 end
    assert.equal(5, lines)
    os.remove(name)
  end)
end)

-- Each of these programs prints the pids of its two workers when they are busy.
local BUSY = [[
  local tine = require "tine"
  io.stdout:setvbuf "line"
  local how = ...
  local function say(...)
    print(...)
    io.stdout:flush()
  end
  local tasks = {
    lua = function() say(tine.worker.pid) while true do end end,
    c = function() say(tine.worker.pid) require("system").sleep(600) end,
    child = function() say(tine.worker.pid) os.execute "exec sleep 600" end,
  }
  pool = tine.pool { workers = 2 }
  for i = 1, 2 do pool:submit(tasks[how]) end
  for i = 1, 50 do pool:submit(math.abs, i) end
  local function ready() return pool:stats().running == 2 end
  while not ready() do end
  if how ~= "none" then last = pool:submit(math.abs, 1) end
]]

describe("a program that ends", function()
  local WORK = [[
    local tine = require "tine"
    local pool = tine.pool { workers = 2 }
    for i = 1, 8 do pool:submit(function() os.execute "sleep 0.05" print "done" end) end
  ]]

  local function count(ended)
    local n = 0
    for _ in ended.out:gmatch "done" do n = n + 1 end
    return n
  end

  for _, host in ipairs { "lua5.4", "tine" } do
    local options = { tine = host == "tine" }

    describe("under " .. host, function()
      it("without shutdown lets its tasks finish", function()
        local ended = program.run(WORK, options)
        assert.equal("", ended.err)
        assert.equal(0, ended.code)
        assert.equal(8, count(ended))
      end)

      it("by os.exit with close lets its tasks finish", function()
        local ended = program.run(WORK .. "os.exit(7, true)", options)
        assert.equal("", ended.err)
        assert.equal(7, ended.code)
        assert.equal(8, count(ended))
      end)

      it("by os.exit without close ends its workers at once", function()
        for _, how in ipairs { "lua", "c", "child" } do
          local ended = program.run(BUSY .. "os.exit(5)", { tine = options.tine, args = { how } })
          assert.equal("exit", ended.how)
          assert.equal(5, ended.code)
        end
      end)

      it("with a pool that was dropped leaves nothing", function()
        local ended = program.run([[
          local tine = require "tine"
          for i = 1, 5 do tine.pool(2):submit(function() print "done" end) end
          collectgarbage()
        ]], options)
        assert.equal("", ended.err)
        assert.equal(5, count(ended))
      end)

      for _, signal in ipairs { "KILL", "TERM" } do
        for _, how in ipairs { "lua", "c", "child" } do
          it(("by SIG%s takes its workers along, busy in %s"):format(signal, how), function()
            local p = program.start(BUSY .. "last:result()", { tine = options.tine, args = { how } })
            local pids = { tonumber(p:line()), tonumber(p:line()) }
            assert.equal(2, #pids)
            p:signal(signal)
            eventually(function() return not processes.alive(pids[1]) and not processes.alive(pids[2]) end,
              "both workers end", 5)
            local ended = p:close()
            assert.equal("signal", ended.how)
            assert.equal(signal == "KILL" and SIGKILL or SIGTERM, ended.code)
          end)
        end
      end
    end)
  end

  it("by an error lets its tasks finish under plain lua5.4", function()
    if program.lua_is_tine() then return pending "plain lua5.4 does not run these specs" end
    local ended = program.run(WORK .. "error 'oh'")
    assert.equal(1, ended.code)
    assert.matches("oh", ended.err, 1, true)
    assert.equal(8, count(ended))
  end)

  it("by an uncaught error under tine ends the workers at once", function()
    local ended = program.run(BUSY .. "error 'oh'", { tine = true, args = { "lua" } })
    assert.equal(1, ended.code)
    assert.matches("oh", ended.err, 1, true)
    assert.matches("stack traceback", ended.err, 1, true)
  end)

  it("by a task's error under tine shows label and the worker's traceback", function()
    local ended = program.run([[
      local tine = require "tine"
      local pool <close> = tine.pool(1)
      local function deep() error "oh dear" end
      pool:with{ label = "the bad one" }:submit(function() deep() return 1 end):result()
    ]], { tine = true })
    assert.equal(1, ended.code)
    assert.matches("oh dear", ended.err, 1, true)
    assert.matches("the bad one", ended.err, 1, true)
    assert.matches("deep", ended.err, 1, true)
  end)

  describe("by Ctrl-C", function()
    local function interrupted(options)
      local p = program.start(BUSY .. (options.rest or "last:result()"), options)
      p:line()
      p:line()
      p:signal("INT", true)
      return p:close()
    end

    it("stops under tine with interrupted! and 130, its workers too", function()
      for _, how in ipairs { "lua", "c" } do
        local ended = interrupted { tine = true, args = { how } }
        assert.equal("exit", ended.how)
        assert.equal(130, ended.code)
        assert.matches("interrupted!", ended.err, 1, true)
      end
    end)

    it("stops under tine also while Lua runs, or inside <close>", function()
      for _, rest in ipairs { "while true do end", "do local p <close> = pool last:result() end",
                              "tine.wait{last}", "for _ in tine.as_completed{last} do end",
                              "for _ in pool:map(math.abs, {1, 2}) do end", "pool:shutdown()" } do
        local ended = interrupted { tine = true, args = { "lua" }, rest = rest }
        assert.equal(130, ended.code)
        assert.matches("interrupted!", ended.err, 1, true)
      end
    end)

    it("is no error of a task: workers that run go on when the program does", function()
      local p = program.start([[
        local tine = require "tine"
        io.stdout:setvbuf "line"
        local pool <close> = tine.pool { workers = 2 }
        local futures = {}
        for i = 1, 2 do
          futures[i] = pool:submit(function()
            print "running"
            io.stdout:flush()
            require("system").sleep(0.3)
            return "fine"
          end)
        end
        while pool:stats().running < 2 do end
        for i = 1, 2 do print(futures[i]:result()) end
      ]])
      p:line()
      p:line()
      for _, process in ipairs(p:processes()) do
        if process.pid ~= p.pid then processes.signal("INT", process.pid) end
      end
      assert.equal("fine", p:line())
      assert.equal("fine", p:line())
      assert.equal(0, p:close().code)
    end)

    it("reaches the programs that tasks start", function()
      local p = program.start([[
        local tine = require "tine"
        io.stdout:setvbuf "line"
        local pool <close> = tine.pool { workers = 1, name = "x" }
        local future = pool:submit(function()
          local _, how, signal = os.execute "echo started; exec sleep 600"
          return how, signal
        end)
        print(future:result())
      ]])
      p:line()
      local sleeper = eventually(function()
        for _, process in ipairs(p:processes()) do
          if process.name == "sleep" then return process.pid end
        end
      end, "the sleep runs")
      processes.signal("INT", sleeper)
      assert.equal("signal\t" .. SIGINT, p:line())
      assert.equal(0, p:close().code)
    end)
  end)

  it("ignoring SIGCHLD gets its results and its blame all the same", function()
    local ended = program.run([[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 2, on_crash = "replace" }
      print(pool:submit(math.abs, -1):result())
      local err = pool:submit(function() os.exit(3) end):exception()
      print(err.kind, err.exit_code)
    ]], { before = "env --ignore-signal=CHLD" })
    assert.equal("", ended.err)
    assert.equal("1\ncrashed\t3\n", ended.out)
  end)

  it("on one processor gets along", function()
    local ended = program.run([[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 2 }
      local sum = 0
      for _, n in pool:map(math.abs, { -1, -2, -3 }) do sum = sum + n end
      print(sum, tine.cpu_count())
    ]], { before = "taskset -c 0" })
    assert.equal("6\t1\n", ended.out)
  end)
end)
