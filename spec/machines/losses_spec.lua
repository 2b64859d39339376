-- Pools on many machines: what is lost with a host, a server, a submitter; and that nothing runs twice.
-- timeout: 240
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local machines = require "spec.support.machines"
local pools = require "spec.support.pools"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local socket = require "socket"

if machines.are_missing(pending) then return end

-- Tasks note here that they have run.
local function diary()
  local name = os.tmpname()
  local function note(what)
    local file = assert(io.open(name, "a"))
    file:write(what, "\n")
    file:close()
  end
  local function read()
    local count = {}
    for line in io.lines(name) do count[line] = (count[line] or 0) + 1 end
    return count
  end
  return note, read
end

local function forever() while true do end end

describe("kill_workers", function()
  local server
  before_each(function() server = machines.server() end)
  after_each(machines.stop)

  it("is heard by a host though the server takes nothing at that moment", function()
    machines.host(server, "-j 1")
    local pool = tine.pool { backend = server:url(), window = 4 }
    finally(function() pool:kill_workers() end)
    local file = os.tmpname()
    local future = pool:with({ grace = 60 }):submit(function(path)
      local out <close> = assert(io.open(path, "w"))
      out:write(tine.worker.pid, "\n")
      out:flush()
      while true do pcall(function() while true do end end) end
    end, file)
    local pid = eventually(function() return tonumber(processes.read(file) or "") end, "a task that runs")
    server:signal "STOP"
    pool:submit(string.len, ("x"):rep(16 << 20)) -- more than any socket takes
    pool:kill_workers()
    assert.equal("broken", tine.kind(future:exception(20)))
    server:signal "CONT"
    eventually(function() return not processes.alive(pid) end, "the worker is killed", 20)
    pool:shutdown()
    os.remove(file)
  end)

  it("ends the workers that run the pool's tasks at once, whatever their grace, and nobody else's", function()
    machines.host(server, "-j 3")
    local pool, other = tine.pool { backend = server:url() }, tine.pool { backend = server:url() }
    finally(function()
      pool:kill_workers()
      other:kill_workers()
    end)
    local function stubborn(file)
      local out <close> = assert(io.open(file, "w"))
      out:write(tine.worker.pid, "\n")
      out:flush()
      while true do pcall(function() while true do end end) end
    end
    local function pid_in(file)
      return eventually(function()
        local text = processes.read(file)
        return text and tonumber(text)
      end, "a task that runs")
    end
    local mine, chunk, theirs = os.tmpname(), os.tmpname(), os.tmpname()
    local slow = pool:with { grace = 60 }
    local future = slow:submit(stubborn, mine)
    slow:map(stubborn, { chunk, chunk }, { chunksize = 2 })
    local kept = other:submit(stubborn, theirs)
    local pids = { pid_in(mine), pid_in(chunk) }
    local alive = pid_in(theirs)
    eventually(function() return kept:running() and future:running() end)
    pool:kill_workers()
    assert.equal("broken", tine.kind(select(2, future:pcall(5))))
    for _, pid in ipairs(pids) do eventually(function() return not processes.alive(pid) end, "its end") end
    assert.is_true(processes.alive(alive))
    assert.is_true(kept:running())
    assert.equal(1, other:submit(function() return 1 end):result(20))
  end)
end)

describe("when a host is lost", function()
  local server
  before_each(function() server = machines.server() end)
  after_each(machines.stop)

  local function open(options)
    options.backend = server:url()
    return pools.open(finally, options)
  end

  it("what it was running fails, what it had not begun goes to another", function()
    local first = machines.host(server, "-j 1")
    local pool = open {}
    local running = pool:submit(forever)
    eventually(function() return running:running() end)
    local rest = {}
    for i = 1, 5 do rest[i] = pool:submit(function(n) return n end, i) end
    first:kill()
    local _, err = running:pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.equal(first.name, err.host)
    assert.matches("127.0.0.1:" .. server.port, err.server, 1, true)
    assert.matches("losses_spec.lua.* was lost", err.message)
    machines.host(server, "-j 1")
    local lost = 0
    for i, future in ipairs(rest) do
      local ok, value = future:pcall(20)
      if ok then
        assert.equal(i, value)
      else -- it was confirmed to the first one already
        assert.equal("lost", tine.kind(value))
        lost = lost + 1
      end
    end
    assert.is_true(lost <= 2)
  end)

  it("a task with a budget is tried again elsewhere", function()
    local first = machines.host(server, "-j 1")
    local pool = open {}
    local wait, release = gate()
    local future = pool:with { retry = { lost = 2, delay = 0 } }:submit(function()
      if tine.worker.task.attempt == 1 then forever() end
      wait()
      return tine.worker.task.attempt
    end)
    eventually(function() return future:running() end)
    first:kill()
    machines.host(server, "-j 1")
    eventually(function() return future:running() end, nil, 20)
    release()
    assert.equal(2, future:result(20))
    assert.equal("lost", tine.kind(future:attempts()[1].error))
  end)

  it("one that is silent is noticed, and what it does when it comes back nobody gets", function()
    local note, read = diary()
    local first = machines.host(server, "-j 1")
    local pool = open { lost_after = 0.6 }
    local future = pool:submit(function()
      note "begun"
      forever()
    end)
    eventually(function() return read().begun end)
    first:signal "STOP"
    local _, err = future:pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.matches("has not been heard for 0.6 s", err.message)
    first:signal "CONT"
    assert.equal(3, pool:submit(function() return 3 end):result(20)) -- it serves again
    assert.same({ begun = 1 }, read())
  end)

  it("no task runs twice, however often the server would give it out again", function()
    server:kill()
    server = machines.server(nil, "") -- tries again without end
    local note, read = diary()
    local first = machines.host(server, "-j 1")
    local pool = open { lost_after = 2 }
    local future = pool:submit(function()
      note "begun"
      forever()
    end)
    eventually(function() return read().begun end)
    local second = machines.host(server, "-j 1")
    first:kill()
    local _, err = future:pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.equal(4, pool:submit(function() return 4 end):result(20))
    assert.same({ begun = 1 }, read())
    assert.is_true(second:alive())
  end)
end)

describe("when a job server is lost", function()
  after_each(machines.stop)

  it("what had begun fails, what had not waits for it", function()
    local note, read = diary()
    local server = machines.server()
    machines.host(server, "-j 1")
    local pool = pools.open(finally, { backend = server:url(), connect_timeout = 30 })
    local running = pool:submit(function()
      note "begun"
      forever()
    end)
    eventually(function() return read().begun end)
    server:kill()
    local _, err = running:pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.matches("the job server 127.0.0.1:" .. server.port .. " was lost", err.message, 1, true)
    local later = pool:submit(function() return 7 end)
    machines.server(server.port)
    assert.equal(7, later:result(30))
    assert.same({ begun = 1 }, read())
  end)

  it("another one does", function()
    local one, two = machines.server(), machines.server()
    local url = ("gearman://127.0.0.1:%d,127.0.0.1:%d/spec"):format(one.port, two.port)
    machines.host(url, "-j 2")
    local pool = pools.open(finally, { backend = url, connect_timeout = 30 })
    for i = 1, 10 do assert.equal(i, pool:submit(function(n) return n end, i):result(20)) end
    one:kill()
    local view = pool:with { retry = { lost = 5, delay = 0 } }
    for i = 1, 10 do assert.equal(i, view:submit(function(n) return n end, i):result(20)) end
  end)
end)

describe("a host with several job servers", function()
  after_each(machines.stop)

  -- It asks one for as much as it has room for; what that does not have, another one may.
  it("turns to the next when one has nothing", function()
    local slow = assert(socket.bind("127.0.0.1", 0))
    local pool
    finally(function()
      slow:close()
      if pool then pool:kill_workers() end
    end)
    local port = machines.free_port()
    local _, slow_port = slow:getsockname()
    local host = machines.start(("%s serve gearman://127.0.0.1:%d,127.0.0.1:%d/spec -j 1")
      :format(program.tine(), port, slow_port))
    slow:settimeout(20)
    local connection = assert(slow:accept())
    connection:settimeout(20)
    local asked, grabs = ""
    repeat
      asked = asked .. assert(connection:receive(1))
      local _, n = asked:gsub("%zREQ%z%z%z\30%z%z%z%z", "")
      grabs = n
    until grabs == 2 -- for one worker, and one at hand
    local server = machines.server(port)
    eventually(function() return host:log():find("connected to 127.0.0.1:" .. port, 1, true) end)
    assert(connection:send(("\0RES\0\0\0\10\0\0\0\0"):rep(grabs)))
    pool = tine.pool { backend = server:url() }
    assert.equal(1, pool:submit(function() return 1 end):result(20))
    connection:close()
  end)
end)

-- One that was stopped, or cut off without a word: its connections stay, and nothing comes.
describe("when a job server is silent", function()
  after_each(machines.stop)

  it("what was sent there and has not begun goes to another", function()
    local first, second = machines.server(), machines.server()
    local url = ("gearman://127.0.0.1:%d,127.0.0.1:%d/spec"):format(first.port, second.port)
    machines.host(url, "-j 2")
    -- a slow machine may lose more
    local pool = pools.open(finally,
      { backend = url, lost_after = 0.6, connect_timeout = 60, retry = { lost = 99, delay = 0 } })
    local function abs(n) return math.abs(n) end
    for i, n in pool:map(abs, { -1, -2, -3, -4, -5, -6 }) do assert.equal(i, n) end -- both have met the host
    first:signal "STOP"
    local futures = {}
    for i = 1, 6 do futures[i] = pool:submit(abs, -i) end
    for i, future in ipairs(futures) do assert.equal(i, future:result(30)) end
    first:signal "CONT"
    assert.equal(7, pool:submit(abs, -7):result(30))
  end)

  it("a host loses it, and comes back when it does", function()
    local server = machines.server()
    local host = machines.host(server, "-j 1")
    server:signal "STOP"
    local loss = "lost 127.0.0.1:%d+: it has not been heard for long"
    eventually(function() return host:log():find(loss) end, "its loss", 60)
    server:signal "CONT"
    local pool <close> = tine.pool { backend = server:url(), connect_timeout = 30 }
    assert.equal(1, pool:submit(math.abs, -1):result(30))
  end)
end)

describe("when nobody is there", function()
  after_each(machines.stop)

  it("pending tasks are lost in connect_timeout, with the reason, and the pool goes on", function()
    local server = machines.server()
    local pool = tine.pool { backend = server:url(), connect_timeout = 1 }
    finally(function() pool:shutdown() end)
    local futures = {}
    for i = 1, 20 do futures[i] = pool:submit(function(n) return n end, i) end
    for _, future in ipairs(futures) do
      local _, err = future:pcall(20)
      assert.equal("lost", tine.kind(err))
      assert.matches('no host has been serving "spec"', err.message)
    end
    machines.host(server, "-j 1")
    assert.equal(1, pool:submit(function() return 1 end):result(20))
  end)

  it("no patience at all ends tasks too", function()
    local server = machines.server()
    machines.host(server, "-j 1")
    local pool = tine.pool { backend = server:url(), lost_after = 0 }
    finally(function() pool:kill_workers() end)
    local futures = {}
    for i = 1, 3 do futures[i] = pool:submit(function() require "tine".sleep(1) end) end
    for _, future in ipairs(futures) do -- but for the first one they were pending for ever, by a manager that span
      local ok, err = future:pcall(20)
      assert.is_true(ok or tine.kind(err) == "lost", tostring(err)) -- a host may answer in the 10 ms that it has
    end
  end)

  it("a host of another version is named", function()
    local server = machines.server()
    local other = "tine1/spec/Lua-5.4.9-888le"
    local host = socket.connect("127.0.0.1", server.port)
    host:send("\0REQ" .. string.pack(">I4I4", 1, #other) .. other) -- CAN_DO
    eventually(function()
      local admin, found = socket.connect("127.0.0.1", server.port), false
      admin:send "workers\n"
      for line in function() return admin:receive "*l" end do
        if line == "." then break end
        found = found or line:find(other, 1, true)
      end
      admin:close()
      return found
    end, "the server knows it")
    local pool = tine.pool { backend = server:url(), connect_timeout = 1 }
    finally(function() pool:shutdown() end)
    local _, err = pool:submit(math.abs, 1):pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.matches("there is one for another (" .. other .. ")", err.message, 1, true)
    host:close()
  end)

  it("a server that is not there is named", function()
    local server = machines.server()
    server:kill()
    local pool <close> = tine.pool { backend = server:url(), connect_timeout = 0.3 }
    local _, err = pool:submit(function() end):pcall(20)
    assert.equal("lost", tine.kind(err))
    local text = ("no job server can be reached: 127.0.0.1:%d: Connection refused"):format(server.port)
    assert.matches(text, err.message, 1, true)
  end)

  -- The port of something else. It was told as hosts that are missing.
  -- The scheduler waited for room that nobody would report any more: later tasks were pending for ever.
  it("a pool whose tasks were lost since no server was there loses the next ones, and works when one comes", function()
    local server = machines.server()
    server:kill()
    local pool = tine.pool { backend = server:url(), connect_timeout = 0.5 }
    finally(function() pool:shutdown() end)
    for _ = 1, 3 do
      local _, err = pool:submit(math.abs, 1):pcall(20)
      assert.equal("lost", tine.kind(err))
      assert.matches("no job server can be reached", err.message, 1, true)
    end
    machines.host(machines.server(server.port), "-j 1")
    eventually(function() return pool:submit(math.abs, -2):pcall(20) end, "a task that is run")
  end)

  -- The time was counted on from before a host had come, unless one was there when the pool looked at the clock: the
  -- task was lost at once.
  it("connect_timeout is counted from when the last host has gone", function()
    local server = machines.server()
    local pool <close> = tine.pool { backend = server:url(), connect_timeout = 3 }
    local first = pool:with({ retry = { lost = 9, delay = 0 } }):submit(math.abs, -1)
    local host = machines.host(server, "-j 1")
    first:result(20)
    host:signal "STOP"
    local second = pool:submit(math.abs, -2)
    server:kill()
    local gone = tine.clock()
    local _, err = second:pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.is_true(tine.clock() - gone > 2.9)
  end)

  it("what takes connections and says nothing is no server", function()
    local silent = assert(socket.bind("127.0.0.1", 0))
    finally(function() silent:close() end)
    local port = select(2, silent:getsockname())
    local pool <close> = tine.pool { backend = ("gearman://127.0.0.1:%d/spec"):format(port), connect_timeout = 0.3 }
    local _, err = pool:submit(math.abs, 1):pcall(20)
    assert.equal("lost", tine.kind(err))
    local text = ("no job server can be reached: 127.0.0.1:%d: it does not answer as a job server does"):format(port)
    assert.matches(text, err.message, 1, true)
  end)

  -- As a tunnel or a balancer does whose job server is away. Each connection that was made counted as success: the next
  -- one followed at once, and the task was lost when it had been sent twenty times.
  it("what accepts connections and closes them is no server, and is not asked all the time", function()
    local port, log = machines.free_port(), os.tmpname()
    finally(function() os.remove(log) end)
    local door = machines.start(([[lua5.4 -e '
      local socket = require "socket"
      local door = assert(socket.bind("127.0.0.1", %d))
      while true do
        door:accept():close()
        local file <close> = io.open("%s", "a")
        file:write "."
      end']]):format(port, log):gsub("'", "'\\''"))
    eventually(function() return socket.connect("127.0.0.1", port) end, "a door\n" .. door:log())
    local pool <close> = tine.pool { backend = ("gearman://127.0.0.1:%d/spec"):format(port), connect_timeout = 1 }
    local _, err = pool:submit(math.abs, 1):pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.matches("no job server can be reached", err.message, 1, true)
    local host = machines.host(("gearman://127.0.0.1:%d/spec"):format(port), "-j 1 --exit-without-server 1")
    assert.equal(1, host:close())
    assert.equal("", host.said)
    assert.is_true(#processes.read(log) < 30)
  end)

  it("a host waits for its server", function()
    local server = machines.server()
    server:kill()
    local host = machines.host(server, "-j 1 --exit-without-server 0.3")
    eventually(function() return not host:alive() end)
    local text = ("cannot reach 127.0.0.1:%d, trying on: Connection refused"):format(server.port)
    local log = host:log() -- it said nothing, as long as there was no server
    assert.matches(text, log, 1, true)
    assert.equal(1, select(2, log:gsub("cannot reach", "")), log)
    assert.equal(1, host:close())
  end)
end)

describe("when the submitter is lost", function()
  after_each(machines.stop)

  -- A program that has `hang` called, which notes its worker's pid, and hangs.
  local function submitter(server, call)
    local name = os.tmpname()
    local p = program.start(([[
      local tine = require "tine"
      local pool = tine.pool { backend = %q, lost_after = 0.5 }
      local function hang(name)
        local file = assert(io.open(name, "w"))
        file:write(tine.worker.pid)
        file:close()
        while true do end
      end
      local name = %q
      %s
    ]]):format(server:url(), name, call or "pool:submit(hang, name):result()"))
    local pid
    eventually(function()
      pid = tonumber(processes.read(name))
      return pid
    end, nil, 20)
    return p, pid
  end

  it("its hosts end what they run for it, and go on", function()
    local server = machines.server()
    machines.host(server, "-j 1")
    local p, pid = submitter(server)
    assert.is_true(processes.alive(pid))
    p:signal "KILL"
    p:close()
    local pool <close> = tine.pool { backend = server:url() }
    assert.equal(2, pool:submit(function() return 2 end):result(20)) -- there is but one worker
  end)

  -- Of a chunk only what had not begun was ended: its worker was lost to everybody.
  it("its hosts end an item of a map that runs", function()
    local server = machines.server()
    machines.host(server, "-j 1")
    local p = submitter(server, "for _ in pool:map(hang, { name, name }, { chunksize = 2 }) do end")
    p:signal "KILL"
    p:close()
    local pool = pools.open(finally, { backend = server:url() })
    assert.equal(2, pool:submit(function() return 2 end):result(20))
  end)

  it("they end it too when it is silent", function()
    local server = machines.server()
    machines.host(server, "-j 1")
    local p = submitter(server)
    p:signal("STOP", true)
    finally(function()
      p:signal("KILL", true)
      p:signal("CONT", true)
      p:close()
    end)
    local pool <close> = tine.pool { backend = server:url(), connect_timeout = 30 }
    assert.equal(2, pool:submit(function() return 2 end):result(20))
  end)

  -- Loses a program whose tasks may finish, and waits until they have; its host. `call` has `begin(name)` called in a
  -- task, and then finish(name).
  local function orphans(call)
    local server, name = machines.server(), os.tmpname()
    local host = machines.host(server, "-j 1 --on-disconnect finish")
    local p = program.start(([[
      local tine = require "tine"
      local pool = tine.pool { backend = %q, event_buffer = 4 }
      local function note(name, what) assert(io.open(name, "w")):write(what):close() end
      local function begin(name)
        note(name, "begun")
        while io.open(name) do tine.sleep(0.01) end
      end
      local function finish(name) note(name, "through") end
      local name = %q
      %s
    ]]):format(server:url(), name, call))
    eventually(function() return processes.read(name) == "begun" end, "a task that has begun", 20)
    p:signal "KILL"
    p:close()
    eventually(function() return host:log():find "it has gone" end, "a host that knows", 20)
    os.remove(name)
    eventually(function() return processes.read(name) == "through" end, "a task that runs to its end", 20)
    os.remove(name)
    return host
  end

  -- Nobody was left to grant it more events than the first few.
  it("a task that may finish does, whatever it emits", function()
    orphans [[pool:submit(function(name)
      begin(name)
      for i = 1, 1000 do tine.worker.emit(i) end
      finish(name)
    end, name):result()]]
  end)

  it("nothing is kept of what such tasks give", function()
    local host = orphans [[
      local items = {}
      for i = 1, 200 do items[i] = i end
      for _ in pool:map(function(i)
        if i == 1 then begin(name) end
        if i == #items then finish(name) end
        return ("x"):rep(1 << 20)
      end, items, { chunksize = #items }) do end
    ]]
    local status = processes.read(("/proc/%d/status"):format(host.pid))
    assert.is_true(tonumber(status:match "VmHWM:%s*(%d+)") < 100 << 10, status:match "VmHWM[^\n]*")
  end)
end)

describe("tine serve", function()
  after_each(machines.stop)

  it("finishes what runs when it is asked to end, and takes nothing more", function()
    local server = machines.server()
    local host = machines.host(server, "-j 1")
    local wait, release = gate()
    local pool <close> = tine.pool { backend = server:url(), connect_timeout = 30 }
    local future = pool:submit(function()
      wait()
      return "done"
    end)
    eventually(function() return future:running() end)
    host:signal "TERM"
    eventually(function() return host:log():find "leaving" end)
    local later = pool:submit(function() return "elsewhere" end)
    assert.is_true(host:alive())
    release()
    assert.equal("done", future:result(20))
    assert.equal(0, host:close())
    machines.host(server, "-j 1")
    assert.equal("elsewhere", later:result(20))
  end)

  it("ends at once when it is asked twice", function()
    local server = machines.server()
    local host = machines.host(server, "-j 1")
    local pool = tine.pool { backend = server:url() }
    finally(function() pool:kill_workers() end)
    local future = pool:submit(forever)
    eventually(function() return future:running() end)
    host:signal "TERM"
    eventually(function() return host:log():find "leaving" end)
    host:signal "TERM"
    assert.equal(0, host:close())
    local _, err = future:pcall(20)
    assert.equal("lost", tine.kind(err))
  end)

  it("ends when it has had nothing to do", function()
    local server = machines.server()
    assert.equal(0, machines.host(server, "-j 1 --exit-when-idle 0.2"):close())
  end)

  -- A span beyond what the clock can count had passed at once.
  it("ends never when it may do nothing for centuries", function()
    local server = machines.server()
    local host = machines.host(server, "-j 1 --exit-when-idle 1e10 --exit-without-server 1e10")
    local pool = pools.open(finally, { backend = server:url() })
    assert.equal(1, pool:submit(math.abs, -1):result(20))
    assert.is_true(host:alive())
  end)

  it("ends with 1 when its initializer fails, and what it had begun is lost with the cause", function()
    local server = machines.server()
    local file = os.tmpname()
    local out = assert(io.open(file, "w"))
    out:write "error 'no licence'"
    out:close()
    local host = machines.host(server, "-j 1 --initializer " .. file)
    local pool <close> = tine.pool { backend = server:url(), connect_timeout = 5 }
    local _, err = pool:submit(function() end):pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.matches("initializer failed: .*no licence", err.message) -- what it had raised was not told
    assert.equal(1, host:close())
  end)

  it("says what is wrong with its command line", function()
    local shell = require "spec.support.shell"
    for words, text in pairs {
      ["http://x/y"] = "gearman://HOST",
      ["gearman://127.0.0.1:99x/y"] = "no job server",
      ["gearman://127.0.0.1"] = "gearman://HOST",
      [""] = "no URL",
      ["--wrong gearman://127.0.0.1/x"] = "unrecognized option",
      ["gearman://192.0.2.1/x"] = "%-%-key is needed",
    } do
      local got = shell.run(("%s serve %s"):format(program.tine(), words))
      assert.equal(2, got.code, words .. got.err)
      assert.matches(text, got.err)
    end
  end)
end)
