-- What workers have of the host, what they must not have, and what is left when pools end.
local lfs = require "lfs"
local system = require "system"
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

describe("workers", function()
  teardown(leftovers.none)

  -- The processes of a pool.
  local function family(pool)
    local pids = processes.family(pool:submit(function() return tine.worker.pid end):result(20))
    assert.is_true(#pids >= 3, "root, fork server and worker")
    return pids
  end

  local function holders(pool, path)
    local found = {}
    for _, pid in ipairs(family(pool)) do
      for number, target in pairs(processes.descriptors(pid)) do
        if target == path then found[#found + 1] = ("%d: %d"):format(pid, number) end
      end
    end
    return found
  end

  it("hold no descriptor of the host, nor does what forks them", function()
    local name = os.tmpname()
    local _ <close> = assert(io.open(name, "w"))
    local pool <close> = tine.pool { workers = 2 }
    assert.same({}, holders(pool, name))
    os.remove(name)
  end)

  it("hold none either that was open before the module was loaded", function()
    local ended = program.run [[
      local name = os.tmpname()
      local file = io.open(name, "w")
      local sink = io.popen("cat > /dev/null", "w")
      local tine = require "tine"
      local pool = tine.pool(2)
      local own = pool:submit(function() return tine.worker.pid end):result()
      local processes = require "spec.support.processes"
      for _, pid in ipairs(processes.family(own)) do
        for number, target in pairs(processes.descriptors(pid)) do
          if target == name then print("held", pid, number) end
        end
      end
      sink:write "text"
      sink:close()                                      -- cat ends only when nobody else has its pipe
      print "closed"
      os.remove(name)
      pool:shutdown()
    ]]
    assert.equal("", ended.err)
    assert.equal("closed\n", ended.out)
  end)

  it("do not hold up pipes of the host", function()
    local before = assert(io.popen("cat > /dev/null", "w"))
    local pool <close> = tine.pool { workers = 2 }
    local between = assert(io.popen("cat > /dev/null", "w"))
    pool:submit(math.abs, 1):result(20)
    local after = assert(io.popen("cat > /dev/null", "w"))
    for _, pipe in ipairs { before, between, after } do
      pipe:write "text"
      assert.is_true((pipe:close()))
    end
    assert.equal(2, pool:submit(math.abs, -2):result(20))
  end)

  it("give programs that tasks start nothing but stdin, stdout and stderr", function()
    local pool <close> = tine.pool { workers = 1 }
    local listed = pool:submit(function()
      local pipe <close> = io.popen "ls -1 /proc/self/fd"
      return pipe:read "a"
    end):result(20)
    assert.equal("0\n1\n2\n3\n", listed) -- 3 is ls's own
  end)

  it("have /dev/null for stdin, and the host's stdout and stderr", function()
    local pool <close> = tine.pool { workers = 1 }
    local pid = pool:submit(function() return tine.worker.pid end):result(20)
    local theirs, ours = processes.descriptors(pid), processes.descriptors()
    assert.equal("/dev/null", theirs[0])
    assert.equal(ours[1], theirs[1])
    assert.equal(ours[2], theirs[2])
  end)

  it("have default signals, but an empty handler for SIGINT, and ignore what the host ignores", function()
    local ended = program.run([[
      local tine = require "tine"
      local processes = require "spec.support.processes"
      local pool <close> = tine.pool(1)
      local pid = pool:submit(function() return tine.worker.pid end):result()
      for _, key in ipairs { "SigBlk", "SigIgn", "SigCgt" } do print(processes.status(pid, key)) end
    ]], { before = "env --default-signal=QUIT --ignore-signal=PIPE,HUP,USR1,CHLD --block-signal=USR2,ALRM,TERM" })
    assert.equal("", ended.err)
    local blocked, ignored, caught = ended.out:match "(%x+)\n(%x+)\n(%x+)"
    assert.equal(0, tonumber(blocked, 16))
    -- Apart from those of the C library (32, 33) and of sanitizers (SIGILL, ABRT, BUS, FPE, SEGV).
    local others = ~(1 << 31 | 1 << 32 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10)
    -- HUP, USR1, PIPE; not CHLD: tasks wait for programs, whatever the host does
    assert.equal(1 << 0 | 1 << 9 | 1 << 12, tonumber(ignored, 16) & others)
    -- SIGINT, and the signal that asks a task to end (worker/task/ask.h)
    assert.equal(1 << (2 - 1) | 1 << (61 - 1), tonumber(caught, 16) & others)
  end)

  it("have one thread each, and so has what forks them", function()
    local pool <close> = tine.pool { workers = 2 }
    for _, pid in ipairs(family(pool)) do
      assert.equal("1", processes.status(pid, "Threads"))
    end
  end)

  it("have directory, environment and mask of the moment the pool was made", function()
    local ended = program.run [[
      local tine = require "tine"
      local lfs, posix = require "lfs", require "spec.support.posix"
      lfs.chdir "/usr/share"
      posix.setenv("SPEC_VARIABLE", "set late")
      local pool <close> = tine.pool(1)
      lfs.chdir "/"
      print(pool:submit(function() return io.popen("pwd; umask"):read "a" end):result())
      print(pool:submit(os.getenv, "SPEC_VARIABLE"):result())
      os.execute("rm -r " .. posix.folder)
    ]]
    assert.equal("", ended.err)
    local mask = io.popen("umask"):read "l"
    assert.equal(("/usr/share\n%s\n\nset late\n"):format(mask), ended.out)
  end)

  it("end with lua_close: what is to be closed is", function()
    local name = os.tmpname()
    local pool = tine.pool { workers = 1 }
    pool:submit(function()
      tine.worker.state.closer = setmetatable({}, { __gc = function()
        local file <close> = assert(io.open(name, "w"))
        file:write "collected"
      end })
    end):result(20)
    pool:shutdown()
    assert.equal("collected", processes.read(name))
    os.remove(name)
  end)
end)

describe("pools", function()
  teardown(leftovers.none)

  it("leave nothing in /dev/shm, nor descriptors, mappings, threads and processes", function()
    local function shm() return io.popen("ls /dev/shm"):read "a" end
    local before = shm()
    for i = 1, 30 do
      local pool = tine.pool { workers = 1 + i % 3, on_crash = i % 2 == 0 and "replace" or "break" }
      local futures = { pool:submit(math.abs, -1), pool:submit(string.rep, "x", 300000) }
      if i % 5 == 0 then futures[3] = pool:submit(function() os.exit(1) end) end
      if i % 4 == 0 then pool:kill_workers() end
      for _, future in ipairs(futures) do future:pcall(20) end
      pool:shutdown()
    end
    leftovers.none()
    assert.equal(before, shm())
  end)

  it("that failed to start leave nothing either", function()
    for _ = 1, 10 do
      local pool = tine.pool { workers = 2, initializer = function() error "no" end }
      pool:submit(math.abs, 1):exception(20)
      pool:shutdown()
      assert.has_error(function() tine.pool { workers = 1, initargs = { coroutine.create(print) },
                                              initializer = print } end)
    end
    leftovers.none()
  end)

  it("sleep when they have nothing to do", function()
    local pool <close> = tine.pool { workers = 2 }
    for _ = 1, 50 do pool:submit(math.abs, 1):result(20) end
    local own = processes.self()
    local pids = processes.family(pool:submit(function() return tine.worker.pid end):result(20))
    pids[#pids + 1] = own

    -- How often threads of the pool's processes, and of this one apart from its main thread, woke up.
    local function switches()
      local sum = 0
      for _, pid in ipairs(pids) do
        for thread in lfs.dir(("/proc/%d/task"):format(pid)) do
          if thread:match "%d" and thread ~= tostring(own) then
            local status = processes.read(("/proc/%d/task/%s/status"):format(pid, thread)) or ""
            for n in status:gmatch "ctxt_switches:%s*(%d+)" do sum = sum + n end
          end
        end
      end
      return sum
    end
    eventually(function()
      local before = switches()
      system.sleep(0.3) -- the time watched
      return switches() == before
    end, "0.3 seconds without anybody waking up")
  end)

  it("work with few descriptors to be had", function()
    local ended = program.run([[
      local tine = require "tine"
      for round = 1, 10 do
        local pool <close> = tine.pool(4)
        for _, n in pool:map(math.abs, { -1, -2, -3, -4 }) do io.write(n, " ") end
      end
    ]], { before = "prlimit --nofile=64" })
    assert.equal("", ended.err)
    assert.equal(("1 2 3 4 "):rep(10), ended.out)
  end)

  it("do not mind a host that reaps every child", function()
    local ended = program.run [[
      local tine = require "tine"
      local posix = require "spec.support.posix"
      posix.reap_all()
      local pool = tine.pool { workers = 2, on_crash = "replace" }
      for i = 1, 5 do
        local err = pool:submit(function() os.exit(4) end):exception(20)
        print(err.kind, err.exit_code, pool:submit(math.abs, -i):result(20))
      end
      pool:shutdown()
      os.execute("rm -r " .. posix.folder)
    ]]
    assert.equal("", ended.err)
    assert.equal("crashed\t4\t1\ncrashed\t4\t2\ncrashed\t4\t3\ncrashed\t4\t4\ncrashed\t4\t5\n", ended.out)
  end)
end)
