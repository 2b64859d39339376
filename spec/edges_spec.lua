-- The edges of the system: what a worker has of its program (worker/process/inherit.h), descriptors that others close
-- or replace (base/fd.h), ends without the help of /proc (worker/process/family.h).
-- timeout: 180
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local tine = require "tine"

local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local root = shell "id -u" == "0\n"

local output = program.output

local function only_as_root()
  if not root then pending "only root can give up rights" end
  return root
end

describe("a worker has no rights that the program has given up", function()
  local asks = [[
    local tine, posix = require "tine", require "spec.support.posix"
    local function who()
      local status = io.open("/proc/self/status"):read "a"
      return status:match "Uid:%s+(%d+)", io.open "/etc/shadow" and "reads" or "may not read",
        status:match "NoNewPrivs:%s+(%d)"
    end
    local function show()
      local ok, pool = pcall(tine.pool, { workers = 1 })
      if not ok then print("refused", tine.kind(pool), pool) return end
      local _ <close> = pool
      print(pool:submit(who):result())
    end
  ]]

  it("user and groups", function()
    if not only_as_root() then return end
    assert.equal("0\treads\t0\n65534\tmay not read\t0\n", output(asks .. [[
      show()
      posix.become(65534)
      show()
    ]]))
  end)

  it("no_new_privs", function()
    assert.matches("0\n.*1\n$", output(asks .. [[
      show()
      posix.no_new_privs()
      show()
    ]]))
  end)

  it("in a program that has other threads, too", function()
    if not only_as_root() then return end
    assert.equal("0\treads\t0\n65534\tmay not read\t0\n", output(asks .. [[
      local running = tine.pool(1) -- its manager is a thread
      running:submit(math.abs, 1):result()
      show()
      posix.become(65534)
      show()
      assert(running:submit(math.abs, -2):result() == 2)
      running:shutdown()
    ]]))
  end)

  it("a root directory is entered, or the pool is refused", function()
    if not only_as_root() then return end
    local out = output(asks .. [[
      local running = tine.pool(1)
      running:submit(math.abs, 1):result()
      local place = os.tmpname()
      os.remove(place)
      os.execute("mkdir " .. place)
      posix.chroot(place)
      local ok, err = pcall(tine.pool, 1)
      print(ok, ok or tine.kind(err), err)
      running:shutdown()
    ]])
    assert.matches("^false\tsystem\tcannot make a pool: tine%-helper.*cannot be found", out)
  end)

  it("and says which call met which limit when it may have no more processes", function()
    -- It was "cannot make a pool: Resource temporarily unavailable".
    local as_nobody = root and "setpriv --reuid=65534 --clear-groups " or ""
    local out = shell(as_nobody .. [[prlimit --nproc=0 lua5.4 -e 'print(pcall(require "tine".pool, 1))' 2>&1]])
    assert.equal("false\tcannot make a pool: fork: Resource temporarily unavailable "
      .. "(the limit of this user's processes, ulimit -u, is 0)\n", out)
  end)

  it("limits, niceness and affinity", function()
    assert.equal("50\t7\t0\n", output [[
      local tine, posix = require "tine", require "spec.support.posix"
      posix.limit(50) posix.nice(7) posix.pin()
      local pool <close> = tine.pool(1)
      print(pool:submit(function()
        local limits = io.open("/proc/self/limits"):read "a"
        local stat = io.open("/proc/self/stat"):read "a"
        local status = io.open("/proc/self/status"):read "a"
        local fields = {}
        for word in stat:match("%) (.*)"):gmatch "%S+" do fields[#fields + 1] = word end
        return limits:match "Max open files%s+(%d+)", fields[17], status:match "Cpus_allowed_list:%s+(%S+)"
      end):result())
    ]])
  end)
end)

describe("signals that the program ignores when it makes its pool", function()
  it("are ignored by workers, and by the programs of tasks", function()
    local out = output([[
      local tine = require "tine"
      require "spec.support.posix".ignore(2) -- lua5.4 handles it while a script runs
      local pool <close> = tine.pool(1)
      print(pool:submit(function()
        os.execute "kill -HUP $PPID; kill -INT $PPID; kill -QUIT $PPID"
        return os.execute "kill -HUP $$; kill -INT $$; exit 7"
      end):result())
    ]], { before = "env --ignore-signal=HUP,QUIT" })
    assert.equal("nil\texit\t7\n", out)
  end)

  it("do not keep terminate_workers from ending them", function()
    output([[
      local tine = require "tine"
      local pool = tine.pool(1)
      local future = pool:submit(function() while true do end end)
      repeat until future:running()
      pool:terminate_workers()
      assert(tine.kind(future:exception()) == "broken")
      pool:shutdown()
    ]], { before = "env --ignore-signal=TERM" })
  end)
end)

describe("descriptors of ours", function()
  it("are never standard streams", function()
    for _, how in ipairs { "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-" } do
      local name = os.tmpname()
      local script = os.tmpname()
      local file <close> = assert(io.open(script, "w"))
      file:write([[
        local tine = require "tine"
        local pool <close> = tine.pool(2)
        for i = 1, 5 do
          io.stderr:write("warning ", i, "\n")
          io.write ""
          assert(pool:submit(function(n) io.write "" io.stderr:write "y" return -n end, i):result(20) == -i)
        end
        io.open(]] .. ("%q"):format(name) .. [[, "w"):write "fine"
      ]])
      file:close()
      os.execute(("sh -c 'lua5.4 %s %s' 2>/dev/null"):format(script, how))
      local result <close> = assert(io.open(name))
      assert.equal("fine", result:read "a", how)
      os.remove(name)
      os.remove(script)
    end
  end)

  for _, how in ipairs { "close", "replace" } do
    it(("are missed when a task takes them away (%s), and nothing is written in their place"):format(how), function()
      local name = os.tmpname()
      local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
      local function task(mode, file)
        local posix = require "spec.support.posix"
        if mode == "close" then
          posix.close(3, 255)
          for _ = 1, 20 do io.open(file, "r+") end
        else
          posix.replace(3, 255, file)
        end
        return ("x"):rep(1 << 20) -- it needs a block of the heap, whose file it is not any more
      end
      local future = pool:submit(task, how, name)
      local ok, err = future:pcall(20)
      assert.is_true(ok or tostring(err):find "closed or replaced its descriptors" ~= nil, tostring(err))
      assert.equal(7, pool:submit(math.abs, -7):result(20)) -- by the next worker
      local file <close> = assert(io.open(name))
      assert.equal("", file:read "a")
      os.remove(name)
    end)

    -- All later tasks of that worker failed, or printed into nowhere.
    it(("are missed when a task takes those away (%s) that output needs"):format(how), function()
      local posix = require "spec.support.posix"
      local name = os.tmpname()
      for _, kind in ipairs { "sockets", "copies" } do
        local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
        local streams = pool:submit(function()
          local all = processes.descriptors(tine.worker.pid)
          return { [all[1]] = true, [all[2]] = true }
        end):result(20)
        local future = pool:with { output = "capture" }:submit(function()
          for number, target in pairs(processes.descriptors(tine.worker.pid)) do
            local wanted = kind == "copies" and streams[target] or kind == "sockets" and target:find "^socket:"
            if number > 2 and wanted then
              if how == "close" then posix.close(number, number) else posix.replace(number, number, name) end
            end
          end
        end)
        -- that is noticed at its end, or when the next one needs them
        local ok, err = future:pcall(20)
        if ok then ok, err = pool:with { output = "capture" }:submit(print, "lost"):pcall(20) end
        assert.is_false(ok, kind)
        assert.matches("closed or replaced its descriptors", tostring(err), 1, true)
        local after = pool:with { output = "capture" }:submit(print, "there") -- by the next worker
        after:result(20)
        assert.equal("there\n", after:output())
      end
      local file <close> = assert(io.open(name))
      assert.equal("", file:read "a")
      os.remove(name)
    end)

    it(("are missed when the program takes them away (%s), and the next pool is as good as any"):format(how), function()
      local name = os.tmpname()
      local out = output(([[
        local tine, posix = require "tine", require "spec.support.posix"
        local how, name = %q, %q
        local pool = tine.pool(2)
        pool:submit(math.abs, 1):result()
        local future = pool:submit(os.execute, "sleep 0.2")
        if how == "close" then posix.close(3, 255) else posix.replace(3, 255, name) end
        local files = {}
        for i = 1, 30 do files[i] = assert(io.open(name, "r+")) end
        print(tine.kind(select(2, future:pcall(20))))
        print(pcall(pool.submit, pool, math.abs, 1))
        pool:shutdown()
        print(os.clock() > 2) -- in some seconds: it polled what was closed
        local pool <close> = tine.pool(1)
        print(pool:submit(math.abs, -1):result(20))
      ]]):format(how, name))
      local refused = "false\tthe pool is broken: the program has closed or replaced its descriptors"
      assert.equal(("broken\n%s\nfalse\n1\n"):format(refused), out)
      local file <close> = assert(io.open(name))
      assert.equal("", file:read "a")
      os.remove(name)
    end)
  end

  it("do not go to the handlers of libraries that close them in forks", function()
    if not pcall(require, "luv") then pending "needs lua-luv" return end
    assert.equal("1\t2\n", output [[
      require "luv"
      local tine = require "tine"
      local pool <close> = tine.pool(1)
      local other <close> = tine.pool { workers = 1, start_method = "spawn" }
      print(pool:submit(math.abs, -1):result(), other:submit(math.abs, -2):result())
    ]])
  end)
end)

describe("a limit on file sizes", function()
  it("is an error, and kills nobody", function()
    local out = output([[
      local tine = require "tine"
      local ok, pool = pcall(tine.pool, 1)
      if not ok then print(tine.kind(pool)) return end
      local kinds = {}
      for _, size in ipairs { 1, 20 << 20 } do
        local good, err = pool:submit(string.len, ("x"):rep(size)):pcall()
        kinds[#kinds + 1] = good and "fine" or tine.kind(err)
      end
      print(table.concat(kinds, " "))
    ]], { before = "prlimit --fsize=8388608" })
    assert.matches("^fine %a+\n$", out)
    assert.no.matches("fine fine", out)
  end)
end)

describe("a limit of addresses", function()
  -- The root sets some of them aside for its workers, by the limit that holds when it is taken: with a lower one no
  -- worker could begin ("it cannot be set up: Cannot allocate memory"). Another root cannot be forked beside an open
  -- pool, which has a thread.
  local source = [[
    local tine = require "tine"
    local open <close> = arg[1] and tine.pool(1)
    if open then open:submit(math.abs, -1):result() end
    local pid = io.open "/proc/self/stat":read "n"
    for _, megabytes in ipairs { 400, 300 } do
      assert(os.execute(("prlimit --pid %d --as=%d"):format(pid, megabytes << 20)))
      local pool <close> = tine.pool(1)
      print(pool:submit(function()
        return io.open "/proc/self/limits":read "a":match "address space%s+(%d+)"
      end):result())
      print(#pool:submit(function() -- more than is set aside
        local t = {}
        for i = 1, 1000000 do t[i] = { i } end
        return t[#t]
      end):result())
    end
  ]]

  it("may come after the module was loaded", function()
    assert.equal("419430400\n1\n314572800\n1\n", output(source))
  end)

  -- It said "malformed message: no code has the number 537854021".
  it("is what a worker tells of that has none left for the memory where a function lies", function()
    local pool <close> = tine.pool { workers = 1, initializer = function()
      local pages = io.open "/proc/self/statm":read "n"
      local limit = pages * 4096 + (20 << 20)
      assert(os.execute(("prlimit --pid %d --as=%d"):format(require "tine".worker.pid, limit)))
    end }
    local large = pool:submit(function(text) return #text end, ("x"):rep(50 << 20)):exception()
    assert.matches("memory", tostring(large))
    local err = pool:submit(function() return 1 end):exception()
    assert.equal("serialization", tine.kind(err))
    assert.matches("the code of a function cannot be read: Cannot allocate memory", tostring(err))
  end)

  it("may come when there are pools", function()
    assert.equal("419430400\n1\n314572800\n1\n", output(source, { args = { "open" } }))
  end)
end)

describe("an end by force", function()
  -- Programs in a mount namespace of their own, whose /proc is gone or another one's.
  local function in_namespace(change, source)
    local ended = program.run(source, { before = ("unshare -m sh -c '%s; exec \"$@\"' sh"):format(change) })
    assert.equal("", ended.err)
    return ended.out
  end
  local uses_force = [[
    local tine = require "tine"
    local name = os.tmpname()
    local pool <close> = tine.pool { workers = 1 }
    for round = 1, 2 do
      local future = pool:with { timeout = round == 1 and 0.2 or nil }:submit(function(name)
        os.execute("echo $$ > " .. name .. "; exec sleep 1000")
      end, name)
      local pid
      repeat
        local file <close> = io.open(name)
        pid = file:read "l"
      until pid
      if round == 2 then future:abort() end
      local ok, err = future:pcall()
      print(ok, tine.kind(err))
      local clock = os.time()
      repeat until not os.execute("kill -0 " .. pid .. " 2>/dev/null") or os.time() > clock + 20
      print(os.execute("kill -0 " .. pid .. " 2>/dev/null"))
      io.open(name, "w"):close()
    end
    os.remove(name)
  ]]

  it("needs no /proc", function()
    if not only_as_root() then return end
    local out = in_namespace("umount -l /proc", uses_force)
    assert.equal("false\ttimeout\nnil\texit\t1\nfalse\tcancelled\nnil\texit\t1\n", out)
  end)

  it("does not believe a /proc of other processes", function()
    if not only_as_root() then return end
    local out = in_namespace("unshare -pf mount -t proc proc /proc", uses_force)
    assert.equal("false\ttimeout\nnil\texit\t1\nfalse\tcancelled\nnil\texit\t1\n", out)
  end)

  it("tells of a fork server how it died, and in which step", function()
    for how, pattern in pairs { ["os.exit(3)"] = "died in its preload: exit code 3",
                                ["os.execute 'kill -SEGV $PPID'"] = "died in its preload: killed by signal 11" } do
      local pool = tine.pool { workers = 1, preload = load(how) }
      local ok, err = pcall(function() return pool:submit(math.abs, -1):result() end)
      assert.is_false(ok)
      assert.matches(pattern, tostring(err))
    end
  end)
end)

describe("the end of a pool", function()
  it("waits for no background program of a task", function()
    local pool = tine.pool(1)
    local pid = pool:submit(function()
      local pipe <close> = io.popen "sleep 1000 >/dev/null & echo $!"
      return pipe:read "n"
    end):result()
    pool:shutdown()
    assert.is_true(processes.alive(pid))
    os.execute("kill " .. pid)
    eventually(function() return not processes.alive(pid) end)
  end)

  it("is the root's, in a program that waits for all children of its descendants", function()
    output [[
      local tine, posix = require "tine", require "spec.support.posix"
      posix.subreaper()
      local pool = tine.pool(1)
      pool:submit(math.abs, 1):result()
      pool:shutdown()
      pool = nil
      while posix.wait(-1) do end
    ]]
  end)
end)
