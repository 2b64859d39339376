-- Pools whose workers are on other machines: lines behind prefixes, and who waits for them. (What they look like:
-- contract/output_spec.lua, by both_spec.lua.)
local eventually = require "spec.support.eventually"
local machines = require "spec.support.machines"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

if machines.are_missing(pending) then return end

-- The most memory that a process has had, in bytes.
local function peak(pid)
  return 1024 * tonumber(processes.read(("/proc/%d/status"):format(pid)):match "VmHWM:%s*(%d+)")
end

describe("lines of tasks on other machines", function()
  local server, host
  before_each(function()
    server = machines.server()
    host = machines.host(server, "-j 2")
  end)
  after_each(machines.stop)

  local function open(go) assert(io.open(go, "w")):close() end

  -- Starts a program whose stdout is read only once the file `go` is there; in it `pool` prints behind prefixes.
  local function start(source, go)
    finally(function() open(go) end) -- it ends when a test has failed
    source = ([[
      local tine = require "tine"
      local pool <close> = tine.pool { backend = %q, output = "prefix", label = "x", connect_timeout = 30 }
      local function say(...) io.stderr:write(table.concat({ ... }, " "), "\n") end
    ]]):format(server:url()) .. source
    local before = ([[sh -c '"$0" "$@" | (until test -e %s; do sleep 0.01; done; cat)']]):format(go)
    return program.start(source, { before = before })
  end

  local function says(run, text)
    local ok = pcall(eventually, function() return run:stderr():find(text, 1, true) end, nil, 30)
    assert(ok, text .. " is not said: " .. run:stderr())
  end

  it("wait for a stdout that does not go on, and nobody else does", function()
    local go = os.tmpname()
    os.remove(go)
    local run = start([[
      local file = io.open "/proc/self/stat"
      say("pid", file:read "n")
      file:close()
      local talk = pool:submit(function()
        local line = ("y"):rep(99) .. "\n"
        for i = 1, 300000 do io.write(line) end
        return "talked"
      end)
      local quiet = pool:submit(function() return "quiet" end)
      say(quiet:result(20))
      for i = 1, 100 do assert(i == pool:with({ output = "capture" }):submit(math.abs, -i):result(20)) end
      say("others", tostring(talk:done()))
      say(talk:result(60))
    ]], go)
    says(run, "others false")
    assert.is_true(peak(tonumber(run:stderr():match "pid (%d+)")) < 30 << 20)
    assert.is_true(peak(host.pid) < 30 << 20)
    open(go)
    says(run, "talked")
    local ended = run:close()
    os.remove(go)
    local line = "[x] " .. ("y"):rep(99) .. "\n"
    assert.equal(300000 * #line, #ended.out)
    assert.is_true(ended.out == line:rep(300000))
  end)

  it("do not hold up what is to be ended", function()
    local go = os.tmpname()
    os.remove(go)
    local run = start([[
      local function talk(n) io.write((("y"):rep(99) .. "\n"):rep(n)) return "talked" end
      -- the first one is stuck in its host, the other has ended there
      local late = pool:with({ timeout = 0.5, grace = 0.1 }):submit(talk, 20000)
      say(tine.kind(late:exception(20)), "first")
      local past = pool:with { deadline = 1 }:submit(talk, 10)
      say(tine.kind(past:exception(20)), "second")
      local free = pool:submit(talk, 10)
      assert(not pcall(free.result, free, 0.05) and not free:done())
      assert(free:abort())
      local _, err = pcall(free.exception, free, 20)
      say(tine.kind(err), "third")
    ]], go)
    says(run, "timeout first")
    says(run, "timeout second")
    says(run, "cancelled third")
    open(go)
    assert.equal("exit", run:close().how)
    os.remove(go)
  end)

  -- The lines of a killed task were to be written first, however long nobody read them.
  it("do not hold up the end of their pool", function()
    local go = os.tmpname()
    os.remove(go)
    local run = start([[
      local talk = pool:submit(function() while true do print(("x"):rep(100)) end end)
      while not talk:running() do tine.sleep(0.01) end
      local began = os.clock()
      say("over", tostring(pool:shutdown { timeout = 0.5 }))
      -- that takes five seconds, and took as much processor time: two threads woke each other
      say("busy", tostring(os.clock() - began > 2))
    ]], go)
    says(run, "over false\nbusy false")
    open(go)
    assert.equal("exit", run:close().how)
    os.remove(go)
  end)

  it("that have arrived are written when the host is lost", function()
    local run = program.start(([[
      local tine = require "tine"
      local pool <close> = tine.pool { backend = %q, output = "prefix", label = "x", connect_timeout = 30 }
      local future = pool:submit(function()
        print "one"
        io.write "and a half"
        while true do tine.sleep(60) end
      end)
      io.stderr:write(tine.kind(future:exception(60)), "\n")
    ]]):format(server:url()))
    assert.equal("[x] one", run:line())
    host:kill()
    local ended = run:close()
    assert.equal("lost\n", ended.err)
    assert.is_true(ended.out == "[x] and a half\n" or ended.out == "")
  end)

  it("of an orphan hold up nothing", function()
    machines.host(server, "-j 1 --on-disconnect finish", "finish")
    local file = os.tmpname()
    local run = program.start(([[
      local tine = require "tine"
      local pool = tine.pool { backend = %q, output = "prefix" }
      pool:submit(function(path)
        print "begun"
        while not io.open(path .. ".go") do tine.sleep(0.01) end
        for i = 1, 100000 do io.write(("y"):rep(99), "\n") end
        assert(io.open(path, "w")):write("through"):close()
      end, %q)
      print(tine.sleep(600))
    ]]):format(server:url "finish", file))
    eventually(function() return run:line():find("begun", 1, true) end, "the task's first line")
    run:signal "KILL"
    pcall(run.close, run)
    open(file .. ".go")
    eventually(function() return processes.read(file) == "through" end, "a task that runs to its end", 30)
    os.remove(file)
    os.remove(file .. ".go")
  end)
end)
