-- How a pool's processes come to be (worker/fork/ahead.h): whichever was forked first, and when, the user cannot tell.
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

local output = program.output

-- The pids of its processes with this name.
local function named(p, name)
  local pids = {}
  for _, stat in ipairs(p:processes()) do
    if stat.name == name then pids[#pids + 1] = stat.pid end
  end
  return pids
end

describe("the workers of a pool", function()
  it("have all the same of the program", function()
    local out = output([[
      local lfs, tine, posix = require "lfs", require "tine", require "spec.support.posix"
      posix.limit(60) posix.nice(7) posix.pin() posix.ignore(10) posix.setenv("TINE_SPEC", "yes")
      assert(lfs.chdir "/tmp")
      local there = tine.buffer(8)
      local function look()
        there:add(1, 1)
        repeat tine.sleep(0.001) until there:get("i8", 1) == 3 -- each in a worker of its own
        local seen, descriptors = { lfs.currentdir(), os.getenv "TINE_SPEC", package.path, arg[0], os.setlocale() }, {}
        local status = io.open "/proc/self/status":read "a"
        for field in ("Umask Uid Gid Groups SigBlk SigIgn SigCgt CapEff CapBnd NoNewPrivs Cpus_allowed"):gmatch "%S+" do
          seen[#seen + 1] = status:match("\n(" .. field .. ":[^\n]*)")
        end
        for line in io.lines "/proc/self/limits" do
          if not line:find "realtime timeout" then seen[#seen + 1] = line end -- that is a mark of ours
        end
        local stat = io.open "/proc/self/stat":read "a":match "%) (.*)"
        seen[#seen + 1] = table.concat({ stat:match "%S+ %S+ (%S+) (%S+)" }, " ") -- process group and session
        for name in lfs.dir "/proc/self/fd" do
          local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target") or ""
          if not target:find "^/proc" then descriptors[#descriptors + 1] = target:gsub("%d+", "N") end
        end
        table.sort(descriptors)
        return table.concat(seen, "\n") .. "\n" .. table.concat(descriptors, "\n")
      end
      local pool <close> = tine.pool(3)
      local futures = {}
      for i = 1, 3 do futures[i] = pool:submit(look) end
      local first = futures[1]:result()
      for i = 2, 3 do assert(futures[i]:result() == first, first .. "\n---\n" .. futures[i]:result()) end
      print(first)
    ]], { before = "env --ignore-signal=HUP" })
    assert.matches("^/tmp\nyes\n", out)
    assert.matches("Max open files +60 ", out)
  end)

  it("load no more of the library than their tasks use", function()
    local out = output [[
      local tine = require "tine"
      local function loaded()
        local names = {}
        for name in pairs(package.loaded) do
          if name:find "^tine" then names[#names + 1] = name end
        end
        table.sort(names)
        return table.concat(names, " ")
      end
      local pool <close> = tine.pool(1)
      print(pool:submit(function() return tine.worker.id .. ": " .. loaded() end):result())
      print(pool:submit(function()
        local doubled = tine.worker.pool:map(function(n) return 2 * n end, { 1, 2 }):totable()
        return table.concat(doubled, " ") .. " " .. tostring(package.loaded["tine.map"] ~= nil)
      end):result())
    ]]
    assert.equal("1: tine tine.core\n2 4 true\n", out)
  end)
end)

describe("the arg of workers", function()
  it("is the program's, holes and other values included", function()
    local out = output([[
      local tine = require "tine"
      local function look()
        local seen = {}
        for k, v in pairs(arg) do seen[#seen + 1] = ("%s=%s"):format(k, v) .. (math.type(v) or "") end
        table.sort(seen)
        return table.concat(seen, " ")
      end
      arg = { [-2] = "lua", [-1] = "-x", [0] = "script", "a", 2, 2.5, true, [6] = "after a hole", x = 0.1, y = 1 / 0 }
      local here = look()
      for _, options in ipairs { { workers = 1 }, { workers = 1, start_method = "spawn" }, { workers = 0 } } do
        local pool <close> = tine.pool(options)
        local there = pool:submit(look):result()
        assert(there == here, there)
      end
      print "the same"
    ]])
    assert.equal("the same\n", out)
  end)
end)

describe("what is forked ahead of a program's first pool", function()
  -- A program that has loaded the library, and goes on with `source` when `go` is called.
  local function start(source)
    local name = os.tmpname()
    os.remove(name)
    finally(function() os.remove(name) end)
    local p = program.start([[
      local tine = require "tine"
      print "ready"
      repeat until io.open(...)
    ]] .. source, { args = { name } })
    assert.equal("ready", p:line())
    return p, function() assert(io.open(name, "w")):close() end
  end

  local function ended(p)
    local how = p:close()
    assert.equal("", how.err)
    return ("%s %d: %s"):format(how.how, how.code, how.out)
  end

  it("ends when no pool is made", function()
    local p, go = start ""
    eventually(function() return #named(p, "tine:root") == 1 and #named(p, "tine:ahead") == 0 end, "the root alone")
    go()
    assert.equal("exit 0: ", ended(p))
  end)

  it("is not missed when it has been killed", function()
    local p, go = start [[
      local pool <close> = tine.pool(2)
      print(pool:submit(math.abs, -1):result(), pool:submit(math.abs, -2):result())
    ]]
    for _, pid in ipairs(named(p, "tine:ahead")) do processes.signal("KILL", pid) end
    eventually(function() return #named(p, "tine:ahead") == 0 end, "none is there any more")
    go()
    assert.equal("exit 0: 1\t2\n", ended(p))
  end)

  it("goes with a program that is killed", function()
    local p = start ""
    p:signal "KILL"
    assert.equal("signal 9: ", ended(p))
  end)
end)
