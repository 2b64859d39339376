-- Processes of a pool that are stopped (SIGSTOP), or killed, while others need them: nobody waits for ever.
--
--   program ... root --- fork server --- workers
local tine = require "tine"
local posix = require "spec.support.posix"
local program = require "spec.support.program"

local PRELUDE = [[
  local tine = require "tine"
  local eventually = require "spec.support.eventually"
  local processes = require "spec.support.processes"
  local pool = tine.pool { workers = 2, on_crash = "replace" }
  local worker = pool:submit(function() return tine.worker.pid end):result()
  local server = processes.stat(worker).parent
  local root = processes.stat(server).parent
  local function send(signal, pid) assert(processes.signal(signal, pid)) end
  local function endless() while true do pcall(function() while true do end end) end end
  local function running(f) eventually(function() return f:running() end) end
  local function guard()
    return eventually(function()
      for _, pid in ipairs(processes.descendants(root)) do
        local stat = processes.stat(pid)
        if stat and stat.name == "tine:guard" then return pid end
      end
    end)
  end
]]

local function output(source) return program.output(PRELUDE .. source) end

-- Only the fork server can kill its workers, and only it hears of their deaths. One that somebody had stopped did
-- neither, and who waited for that waited for good; now the root, whose child it is, lets it go on.
describe("a fork server that is stopped", function()
  it("does not hold up the end of its pool", function()
    for call, said in pairs {
      ["shutdown { timeout = 0.1 }"] = "false", ["shutdown()"] = "true", ["kill_workers()"] = "nil",
      ["terminate_workers()"] = "nil",
    } do
      assert.equal(said .. "\ttrue\n", output([[
        local f = pool:submit(]] .. (call == "shutdown()" and "tine.sleep, 0.1" or "endless") .. [[)
        running(f)
        send("STOP", server)
        print(pool:]] .. call .. ", pool:shutdown())"), call)
    end
  end)

  it("does not hold up the end of the program", function()
    assert.equal("", output [[
      pool:submit(tine.sleep, 0.1)
      send("STOP", server)]])
  end)

  it("has tasks ended that are to be ended", function()
    assert.equal("timeout\ncancelled\n", output [[
      local f = pool:with { timeout = 0.1 }:submit(endless)
      running(f)
      send("STOP", server)
      print(tine.kind(f:exception()))
      f = pool:submit(endless)
      running(f)
      send("STOP", server)
      f:abort()
      print(tine.kind(select(2, f:pcall())))]])
  end)

  it("tells of crashes", function()
    assert.equal("crashed\n", output [[
      local f = pool:submit(endless)
      running(f)
      send("STOP", server)
      send("KILL", worker)
      print(tine.kind(f:exception()))]])
  end)

  it("starts workers", function()
    assert.equal("2\n", output [[
      running(pool:submit(tine.sleep, 0.2))
      send("STOP", server)
      print(pool:submit(function() return tine.worker.id end):result())]])
  end)

  it("ends with its program", function()
    local p = program.start(PRELUDE .. [[
      running(pool:submit(endless))
      send("STOP", root)
      send("STOP", server)
      send("CONT", root)
      print "ready"
      endless()]])
    assert.equal("ready", p:line())
    p:signal "KILL"
    p:close()
  end)
end)

-- The root forks what pools come from, and tells how a fork server has died. The program lets it go on when it needs
-- it, and looks after it every five seconds.
describe("a root that is stopped", function()
  it("makes pools", function()
    assert.equal("1\n", output [[
      send("STOP", root)
      local other <close> = tine.pool(1)
      print(other:submit(math.abs, -1):result())]])
  end)

  it("tells that a fork server has died", function()
    assert.equal("broken\ttrue\n", output [[
      local f = pool:submit(endless)
      running(f)
      send("STOP", root)
      send("KILL", server)
      local err = f:exception()
      print(tine.kind(err), tostring(err):find "killed by signal 9" ~= nil)]])
  end)

  it("is let go on with the last pool, so that it ends with the program", function()
    assert.equal("true\n", output [[
      send("STOP", root)
      print(pool:shutdown())]])
  end)

  it("does not hold up the end of a pool whose fork server is stopped, too", function()
    assert.equal("false\n", output [[
      running(pool:submit(endless))
      send("STOP", root)
      send("STOP", server)
      print(pool:shutdown { timeout = 0.1 })]])
  end)
end)

-- Then there is nobody who could let it go on. The pool ends without an answer, after ten seconds.
it("a stopped fork server without a root does not hold up its pool for ever", function()
  assert.equal("broken\ttrue\ntrue\n", output [[
    local f, other = pool:submit(endless), pool:submit(endless)
    running(f)
    running(other)
    send("KILL", root)
    send("STOP", server)
    f:abort()
    local err = other:exception()
    print(tine.kind(err), tostring(err):find "does not answer" ~= nil)
    print(pool:shutdown { timeout = 0.1 })]])
end)

-- It watches a preload, during which the fork server reads no messages.
describe("a guard", function()
  it("that is stopped does not hold up the start", function()
    assert.equal("1\n", output [[
      local gate = require "spec.support.gate"
      local wait, open = gate()
      local other <close> = tine.pool { workers = 1, preload = wait }
      send("STOP", guard())
      open()
      print(other:submit(math.abs, -1):result())]])
  end)

  -- Nobody was left to end the preload.
  it("that is killed does not hold up the end of the pool", function()
    assert.equal("false\n", output [[
      local other = tine.pool { workers = 1, preload = endless }
      other:submit(math.abs, -1)
      send("KILL", guard())
      print(other:shutdown { timeout = 0.1 })]])
  end)

  it("that is killed does not make a fork server outlive its program", function()
    local p = program.start(PRELUDE .. [[
      local other = tine.pool { workers = 1, preload = endless }
      send("KILL", guard())
      print "ready"
      endless()]])
    assert.equal("ready", p:line())
    p:signal "KILL"
    p:close()
  end)

  it("is not met by a preload that waits for its children", function()
    finally(function() os.execute("rm -r " .. posix.folder) end)
    -- It waited for the guard, and that for the end of the preload.
    local pool <close> = tine.pool { workers = 1, start_timeout = 20, preload = function()
      local system = require "spec_posix"
      os.execute "true & exit"
      if system.fork() == 0 then system.exit(0) end
      while system.wait(-1) do end
      package.loaded.waited = true
    end }
    assert.is_true(pool:submit(function() return package.loaded.waited end):result())
  end)
end)

-- It was told to leave, never did, and nothing could be run in its place.
it("a worker that is stopped, and too old, is replaced", function()
  assert.equal("1\tage\n", output [[
    local why
    local other <close> = tine.pool { workers = 1, max_worker_age = 0.2, exit_timeout = 0.1,
      on_worker_exit = function(x) why = x.reason end }
    local idle = other:submit(function() return tine.worker.pid end):result()
    send("STOP", idle)
    eventually(function() return other:workers()[1].state == "ending" end)
    print(other:submit(math.abs, -1):result(), why)]])
end)

-- The lines of a killed task were to be written first, however long nobody read them.
it("a stopped reader of what tasks print does not hold up the end of their pool", function()
  local ended = program.run [[
    local fifo = arg[1]
    if not fifo then
      fifo = os.tmpname()
      os.remove(fifo)
      os.execute(("mkfifo %s && { sleep 100 <%s & %s %s %s >%s; kill $!; rm %s; }")
        :format(fifo, fifo, arg[-1], arg[0], fifo, fifo, fifo))
      return
    end
    local tine = require "tine"
    local pool = tine.pool { workers = 1, output = "prefix" }
    pool:submit(function() while true do print(("x"):rep(100)) end end)
    local ended = pool:shutdown { timeout = 0.5 }
    -- that takes five seconds, and took as much processor time: the socket of the dead workers' notes was polled
    io.stderr:write(tostring(ended), " ", tostring(os.clock() < 2), "\n")]]
  assert.same({ "", "false true\n", 0 }, { ended.out, ended.err, ended.code })
end)

-- By faults that only the test build has.
describe("a worker that is stopped when it has just taken a call", function()
  if os.getenv "TINE_PREFIX" then return end

  -- Its time limit was to count from the call's beginning, which never came.
  it("has that ended by its time limit", function()
    local ended = program.run([[
      local tine = require "tine"
      local pool <close> = tine.pool(1)
      print(pool:submit(math.abs, -1):result())
      print(tine.kind(pool:with { timeout = 0.1 }:submit(math.abs, -2):exception()))]],
      { before = "env TINE_KILL=worker/taken:2:19" })
    assert.same({ "1\ntimeout\n", "", 0 }, { ended.out, ended.err, ended.code })
  end)

  -- The place of its call in the queue was needed again after 1,024 others, and all of them waited for it.
  it("does not hold up the other workers", function()
    local ended = program.run([[
      local tine = require "tine"
      local eventually = require "spec.support.eventually"
      local gate = require "spec.support.gate"
      local processes = require "spec.support.processes"
      local pool <close> = tine.pool(2)
      local wait, open = gate()
      local waiting = pool:submit(wait)
      eventually(function() return waiting:running() end)
      local futures = {}
      local function submit(n)
        for _ = 1, n do futures[#futures + 1] = pool:submit(math.abs, #futures) end
      end
      submit(1300) -- the other worker stops at the 1,200th
      eventually(function()
        for _, w in ipairs(pool:workers()) do
          if w.pid and processes.stat(w.pid).state == "T" then return true end
        end
      end)
      open()
      submit(1050)
      for i, f in ipairs(futures) do assert(f:result() == i - 1) end
      print "all"]],
      { before = "env TINE_KILL=worker/taken:1200:19" })
    assert.same({ "all\n", "", 0 }, { ended.out, ended.err, ended.code })
  end)
end)
