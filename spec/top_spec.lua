-- tine top: pools of running programs, seen from outside.
local tine = require "tine"
local dkjson = require "dkjson"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

local TINE <const> = "'" .. program.tine() .. "'"

local function top(format, ...) return shell.run(TINE .. " top " .. format:format(...)) end

-- A program that has done nothing to be looked at: two workers, one task in a loop, one in C, one that waits for them.
local BUSY <const> = [[
  local tine = require "tine"
  local pool = tine.pool { workers = 2, name = "a busy one" }
  local function deeper(n) if n == 0 then while true do end end deeper(n - 1) return n end
  pool:submit(string.rep, "x", 3):result()
  pool:submit(error, "that went wrong"):pcall()
  local a = pool:with { label = "the looping one" }:submit(deeper, 2)
  local b = pool:with { label = "the sleeping one" }:submit(tine.sleep, math.huge)
  local c = pool:submit(math.abs, 1)
  repeat until a:running() and b:running()
  print "ready"
  while true do end -- it does not come to Tine any more
]]

local function start_busy()
  local p = program.start(BUSY)
  assert.equal("ready", p:line())
  eventually(function()
    local pools = dkjson.decode(top("--json %d", p.pid).out).pools
    return pools[1].workers[1].task and pools[1].workers[2].task
  end, "both tasks are seen")
  return p
end

local function stop(p)
  processes.signal("KILL", p.pid)
  p:close()
end

local function pools_of(pid)
  local s = top("--json %d", pid)
  assert.equal(0, s.code, s.err)
  return dkjson.decode(s.out).pools
end

local function task_called(pool, label)
  for _, worker in ipairs(pool.workers) do
    if worker.task and worker.task.label == label then return worker.task.id, worker end
  end
  error("no worker runs " .. label)
end

describe("tine top", function()
  local p
  setup(function() p = start_busy() end)
  teardown(function() stop(p) leftovers.none() end)

  it("tells of a program that did nothing for it and is busy, as one JSON object", function()
    local pools = pools_of(p.pid)
    assert.equal(1, #pools)
    local pool = pools[1]
    assert.equal(p.pid, pool.pid)
    assert.equal("a busy one", pool.name)
    assert.equal(2, #pool.workers)
    assert.equal(2, pool.stats.running)
    assert.equal(1, pool.stats.pending)
    assert.equal(1, pool.stats.by_kind.error)
    assert.same(pool.workers, pool.stats.workers)
    local _, worker = task_called(pool, "the looping one")
    assert.equal("running", worker.state)
    assert.is_true(worker.since <= tine.clock() and worker.since > tine.clock() - 3600)
    assert.is_true(worker.memory > 0)
    assert.equal("that went wrong", pool.failed[1].error)
  end)

  it("has the statistics that pool:stats() has, by the same names", function()
    local function names(t, into, prefix)
      for name, value in pairs(t) do
        if name ~= "by_kind" and math.type(name) == nil then
          into[prefix .. name] = true
          if type(value) == "table" and name ~= "workers" then names(value, into, prefix .. name .. ".") end
        end
      end
      return into
    end
    local pool <close> = tine.pool(1)
    pool:submit(math.abs, 1):result(20)
    local own, other = pool:stats(), pools_of(p.pid)[1].stats
    assert.same(names(own, {}, ""), names(other, {}, ""))
    own.workers[1].task, other.workers[1].task = nil, nil
    assert.same(names(own.workers[1], {}, ""), names(other.workers[1], {}, ""))
  end)

  it("tells it as text", function()
    local s = top("%d --once", p.pid) -- it was "one pid at most"
    assert.equal(0, s.code)
    assert.matches('pid ' .. p.pid .. '  pool "a busy one"', s.out, 1, true)
    assert.matches("1 pending, 2 running, 1 finished, 1 failed (error 1), 0 cancelled", s.out, 1, true)
    assert.matches("the looping one #%d+\n", s.out)
    assert.matches("the sleeping one #%d+\n", s.out)
    assert.matches("failed .- ago: error #2: that went wrong", s.out)
    assert.matches("  run +p50 [%d.]+ %a+ +p90", s.out)
  end)

  it("says when it cannot be printed", function()
    for _, how in ipairs { "--once %d >/dev/full", "--json %d >&-", "--help >/dev/full" } do
      local s = top(how, p.pid)
      assert.equal(2, s.code)
      assert.matches("^tine top: write error: ", s.err)
    end
  end)

  it("tells it at once, also where its output is no terminal", function()
    local s = top("%d </dev/null", p.pid)
    assert.equal(0, s.code)
    assert.matches("the looping one", s.out)
  end)

  it("finds the pools of this user without a pid", function()
    local s = top "--json"
    assert.equal(0, s.code)
    local found = false
    for _, pool in ipairs(dkjson.decode(s.out).pools) do found = found or pool.pid == p.pid end
    assert.is_true(found)
  end)

  it("tells where a task is in its Lua code", function()
    local task = task_called(pools_of(p.pid)[1], "the looping one")
    for _ = 1, 3 do -- the task notices nothing, and can be looked at again
      local s = top("--traceback %d %d", task, p.pid)
      assert.equal(0, s.code, s.err)
      assert.matches("task " .. task .. ", the looping one\n", s.out, 1, true)
      local lines = 0
      for _ in s.out:gmatch ":3: in [^\n]*" do lines = lines + 1 end
      assert.equal(3, lines, s.out)
    end
  end)

  it("says of one that stands in C that it does", function()
    local task = task_called(pools_of(p.pid)[1], "the sleeping one")
    local s = top("--traceback %d %d", task, p.pid)
    assert.equal(0, s.code, s.err)
    assert.matches("it stands in a system call of a C function", s.out)
  end)

  it("ends with 1 for a task that nobody runs", function()
    local s = top("--traceback 999999 %d", p.pid)
    assert.same({ out = "", err = "tine top: no worker runs task 999999\n", code = 1 }, s)
  end)

  it("shows it on a terminal until q is pressed, and leaves that as it was", function()
    if not os.execute "command -v script >/dev/null" then return pending "script(1), which makes one" end
    local command = ("stty cols 60 rows 24; stty -g; %s top %d; stty -g"):format(program.tine(), p.pid)
    local s = shell.run(("printf q | TERM=xterm script -qec '%s' /dev/null"):format(command))
    assert.equal(0, s.code, s.out)
    assert.matches("the looping one", s.out)
    local before, screen, after = s.out:match "([%x:]+)\r?\n(\27%[%?1049h.*\27%[%?1049l)([%x:]+)\r?\n"
    assert.is_truthy(before)
    assert.equal(before, after)
    for line in screen:gsub("\27%[[%d;?]*%a", "\n"):gmatch "[^\r\n]+" do assert.is_true(#line <= 60, line) end
  end)

  -- The terminal was left without echo, showing what had been there.
  it("leaves a terminal as it was when it is ended by a signal", function()
    if not os.execute "command -v script >/dev/null" then return pending "script(1), which makes one" end
    local name = os.tmpname()
    finally(function() os.remove(name) end)
    for signal, code in pairs { TERM = 143, HUP = 129 } do
      os.remove(name)
      local command = [[stty -g; sh -c "echo pid \$\$; exec %s top %d"; echo code $?; stty -g]]
      command = command:format(program.tine(), p.pid)
      local terminal = io.popen(("TERM=xterm script -qefc '%s' %s >/dev/null"):format(command, name), "w")
      eventually(function()
        local file <close> = io.open(name)
        return file and file:read "a":find("the looping one", 1, true)
      end, "it is shown")
      processes.signal(signal, math.tointeger(shell.contents(name):match "pid (%d+)"))
      terminal:close()
      local before, rest = shell.contents(name):match "([%x:]+)\r?\npid(.*)"
      local ended, after = rest:match "\27%[%?1049lcode (%d+)\r?\n([%x:]+)\r?\n"
      assert.equal(code, math.tointeger(ended))
      assert.equal(before, after)
    end
  end)

  -- In the shell of an editor there was a heap of escape sequences each second.
  it("tells it at once on a dumb terminal", function()
    if not os.execute "command -v script >/dev/null" then return pending "script(1), which makes one" end
    local s = shell.run(("printf q | TERM=dumb script -qec '%s top %d' /dev/null"):format(program.tine(), p.pid))
    assert.equal(0, s.code, s.out)
    assert.matches("the looping one", s.out)
    assert.is_nil(s.out:find "\27")
  end)

  -- Ctrl-Z was a key that meant nothing.
  it("gives the terminal back at Ctrl-Z, and takes it again when it goes on", function()
    if not os.execute "command -v script >/dev/null" then return pending "script(1), which makes one" end
    local name = os.tmpname()
    local terminal = io.popen(("TERM=xterm script -qefc 'bash --norc --noprofile -i' %s >/dev/null"):format(name), "w")
    terminal:setvbuf "no"
    finally(function()
      if io.type(terminal) == "file" then terminal:write "qexit\n" end -- something has failed
      os.remove(name)
    end)
    local seen = 0
    local function shows(text)
      eventually(function()
        local _, last = shell.contents(name):find(text, seen + 1, true)
        seen = last or seen
        return last
      end, text .. " is shown")
    end
    terminal:write(("%s top %d\n"):format(program.tine(), p.pid))
    shows "the looping one"
    terminal:write "\26"
    shows "\27[?1049l"
    shows "Stopped"
    terminal:write "fg\n"
    shows "\27[?1049h"
    shows "the looping one"
    terminal:write "q"
    shows "\27[?1049l"
    terminal:write "exit\n"
    assert.is_true(terminal:close())
  end)
end)

describe("tine top of many pools", function()
  teardown(leftovers.none)

  local it = os.execute "command -v script >/dev/null" and it or pending -- it makes terminals

  local POOLS <const> = [[
    local tine = require "tine"
    for i = 1, 4 do
      local pool = tine.pool { workers = 2, name = "pool " .. i }
      local labelled = pool:with { label = "task of " .. i }
      local a, b = labelled:submit(tine.sleep, math.huge), labelled:submit(tine.sleep, math.huge)
      repeat until a:running() and b:running()
      _G[i] = { pool, a, b }
    end
    print "ready"
    while true do end
  ]]

  local p, name, terminal, seen
  before_each(function()
    p, name, seen = program.start(POOLS), os.tmpname(), 0
    assert.equal("ready", p:line())
    local command = ("tty; stty cols 80 rows 24; exec %s top -d 600 %d"):format(program.tine(), p.pid)
    terminal = io.popen(("TERM=xterm script -qefc '%s' %s >/dev/null"):format(command, name), "w")
    terminal:setvbuf "no"
  end)
  after_each(function()
    terminal:write "qq"
    local ended = terminal:close()
    os.remove(name)
    stop(p)
    assert.is_true(ended)
  end)

  -- Waits until what was written since the last time has this pattern.
  local function shows(pattern)
    eventually(function()
      local _, last = shell.contents(name):find(pattern, seen + 1)
      seen = last or seen
      return last
    end, pattern .. " is shown")
  end

  -- A pool had eight lines at least, its workers came last, and what did not fit was seen by nobody.
  it("shows each worker that is chosen", function()
    shows "q quit"
    for i = 1, 4 do
      terminal:write "jj"
      shows("\27%[7m[^\n]*task of " .. i .. " #%d+\27%[m")
    end
  end)

  -- After up to its delay what stood there was what the terminal had made of the lines for another size.
  it("is drawn anew in a terminal of another size, also where a task is", function()
    shows "q quit"
    local tty = shell.contents(name):match "/dev/%S+"
    local function resize(columns) shell.ok("stty -F %s cols %d", tty, columns) end
    resize(20)
    shows "up/down choose a wor\27%[K"
    resize(100)
    terminal:write "jt"
    shows "any key goes back"
    resize(8)
    shows "any key \27%[K"
  end)

  -- Characters may take two columns, and a line of them went on in the next row.
  it("has lines that end at the edge, which is given back", function()
    shows "\27%[%?7l"
    shows "q quit"
    terminal:write "q"
    shows "\27%[%?7h"
  end)
end)

describe("tine top has nothing to show", function()
  teardown(leftovers.none)

  it("of a program that is stopped: 1, at once", function()
    local stopped = start_busy()
    finally(function() stop(stopped) end)
    processes.signal("STOP", stopped.pid)
    eventually(function() return processes.stat(stopped.pid).state == "T" end, "it stops")
    local start = tine.clock()
    local message = ("tine top: process %d is stopped: it cannot answer until it goes on\n"):format(stopped.pid)
    assert.same({ out = "", err = message, code = 1 }, top("--once %d", stopped.pid))
    local s = shell.run("sh -c 'exec " .. TINE .. " top --once $$' ") -- nor are others held up by it
    assert.equal(1, s.code)
    assert.is_true(tine.clock() - start < 2.5)
  end)

  it("of a process that is not there, or has no pool: 1", function()
    assert.same({ out = "", err = "tine top: there is no process 4194303\n", code = 1 }, top "4194303")
    local s = shell.run("sh -c 'exec " .. TINE .. " top $$' ")
    assert.equal(1, s.code)
    assert.matches("tine top: process %d+ has no pool that can be seen\n", s.err)
  end)

  it("of another user's process: 2", function()
    if not os.execute "test $(id -u) = 0 && command -v setpriv >/dev/null" then
      return pending "root, and setpriv"
    end
    local pool <close> = tine.pool(1)
    pool:submit(math.abs, 1):result(20)
    local pid = processes.self()
    local s = shell.run(("setpriv --reuid=65534 --clear-groups %s top %d"):format(TINE, pid))
    assert.equal(2, s.code)
    assert.matches("another user's", s.err)
    assert.equal("", s.out)
    assert.equal(0, top("--json %d", pid).code) -- it is there
  end)

  it("when it is called wrongly: 2 and how to", function()
    for _, words in ipairs { "x", "1 2", "--nonsense", "--traceback x", "--delay 0" } do
      local s = top(words)
      assert.equal(2, s.code, words)
      assert.matches("usage: tine top", s.err)
    end
    local s = top "--help"
    assert.equal(0, s.code)
    assert.matches("Exit codes", s.out)
  end)
end)

describe("a pool that is looked at", function()
  teardown(leftovers.none)

  it("goes on as if it were not", function()
    local p <const> = program.start [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 2 }
      local function count(n) local k = 0 for _ = 1, n do k = k + 1 end return k end
      local first = pool:submit(count, 3e7)
      local task
      repeat
        for _, worker in ipairs(pool:workers()) do task = task or worker.task end -- either of them
      until task
      print(task.id)
      local sum = 0
      for _, k in pool:map(count, { 1e6, 1e6, 1e6, 1e6 }) do sum = sum + k end
      print(sum, first:result())
    ]]
    local task = p:numbers()[1]
    for _ = 1, 5 do top("--traceback %d %d", task, p.pid) end
    assert.same({ 4000000, 30000000 }, p:numbers())
    assert.equal(0, p:close().code)
  end)

  it("is not held up by those who connect and say nothing, or nonsense", function()
    local pool <close> = tine.pool(1)
    pool:submit(math.abs, 1):result(20)
    local pid = processes.self()
    local name
    for line in io.lines "/proc/net/unix" do name = line:match("@(tine/" .. pid .. "/%x+)$") or name end
    local quiet = assert(io.popen(([[exec python3 -c 'import os, socket, time
sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(4)]
for i, s in enumerate(sockets):
  s.connect(chr(0) + "%s")
  if i %% 2: s.send(b"nonsense")
print(os.getpid(), flush=True)
time.sleep(60)']]):format(name), "r"))
    local speaker = quiet:read "n"
    eventually(function() return top("--json %d", pid).code == 0 end, "it answers")
    processes.signal("KILL", speaker)
    quiet:close()
  end)

  it("is seen when it has no processes", function()
    local pool <close> = tine.pool { workers = 0 }
    pool:submit(math.abs, 1):result()
    local found = dkjson.decode(top("--json %d", processes.self()).out).pools
    assert.equal(1, #found)
    assert.equal(1, found[1].stats.finished)
    local text = top("--json %d", processes.self()).out
    for _, name in ipairs { "workers", "failed" } do -- empty lists are no objects
      assert.matches('"' .. name .. '":[]', text, 1, true)
    end
  end)

  it("leaves no socket behind, in a forked child neither", function()
    local p <const> = program.start [[
      local tine = require "tine"
      local posix = require "spec.support.posix"
      local pool <close> = tine.pool(1)
      pool:submit(math.abs, 1):result()
      if posix.fork() == 0 then tine.sleep(math.huge) end
      print "forked"
      tine.sleep(math.huge)
    ]]
    p:line()
    processes.signal("KILL", p.pid)
    eventually(function()
      for line in io.lines "/proc/net/unix" do
        if line:find("@tine/" .. p.pid .. "/", 1, true) then return false end
      end
      return true
    end, "its socket is gone")
    os.execute("kill -9 -" .. p.pid)
    p:close()
  end)

  it("costs a program that has no descriptor for it next to nothing", function()
    -- Who had called went on calling, and the manager thread went on trying, as fast as it could.
    local go = os.tmpname()
    os.remove(go)
    local p = program.start(([[
      local tine, posix, system = require "tine", require "spec.support.posix", require "system"
      local pool = tine.pool(1)
      pool:submit(math.abs, 1):result()
      posix.limit(64)
      local taken = {}
      repeat
        local file = io.open "/dev/null"
        taken[#taken + 1] = file
      until not file
      local before = os.clock()
      print "ready" io.stdout:flush()
      repeat system.sleep(0.01) until os.rename("%s", "%s.seen")
      print(os.clock() - before)
      taken = nil
      collectgarbage()
      os.execute("rm -r " .. posix.folder)
      pool:shutdown()
    ]]):format(go, go))
    finally(function() p:signal "KILL" end)
    assert.equal("ready", p:line())
    assert.matches("has no pool that can be seen", top("--once %d", p.pid).err, 1, true)
    io.open(go, "w"):close()
    assert.is_true(tonumber(p:line()) < 1) -- it was asked for three seconds
    p:close()
    os.remove(go .. ".seen")
  end)
end)
