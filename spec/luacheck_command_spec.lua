-- tine luacheck: the output and exit code of luacheck, on all processors.
-- timeout: 120
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local quote = shell.quote

local TINE = quote(os.getenv "TINE_PROGRAM" or "tine")
local FILES = "/usr/share/lua/5.4/pl" -- large enough that a worker can be killed midway

describe("tine luacheck", function()
  local has_luacheck = io.open "/usr/share/lua/5.1/luacheck/main.lua"
  if not has_luacheck then
    pending("luacheck is not installed (package lua-check)")
    return
  end
  has_luacheck:close()

  local function check(arguments)
    return shell.run(("cd / && %s luacheck --no-cache %s %s"):format(TINE, arguments, FILES))
  end

  local serial
  setup(function() serial = check "-j1" end)

  it("says in parallel what it says serially", function()
    assert.matches("Total: ", serial.out, 1, true)
    for _, arguments in ipairs { "--jobs 3", "" } do -- -j2: below
      local parallel = check(arguments)
      assert.is_true(parallel.out == serial.out)
      assert.equal(serial.err, parallel.err)
      assert.equal(serial.code, parallel.code)
    end
  end)

  it("knows which lanes it has", function()
    assert.matches("lanes: *tine %d+%.%d+%.%d+", check("--version").out:lower())
  end)

  it("starts no workers for what needs none: a wrong option, a missing file, --version", function()
    for _, arguments in ipairs { "--unknown", "--std", "/nowhere.lua", "--config /nowhere .", "--version" } do
      local trace = os.tmpname()
      os.remove(trace)
      shell.run(("cd /usr/share/lua/5.1/luacheck && TINE_TRACE=%s %s luacheck %s"):format(trace, TINE, arguments))
      assert.is_nil(io.open(trace), arguments) -- of a pool, its trace
    end
  end)

  it("refuses more workers than files may be open, as tine serve does", function()
    for _, command in ipairs { "luacheck -j 29 " .. FILES, "serve -j 29 gearman://127.0.0.1:1/x" } do
      local s = shell.run(("ulimit -n 60; %s %s"):format(TINE, command))
      assert.same({ "", 2 }, { s.out, s.code })
      assert.matches(": 29 workers at a time want more open files than are allowed (ulimit -n): at most 28 are", s.err,
        1, true)
    end
  end)

  it("says the same when a worker is killed midway", function()
    local p = program.start(("os.exit(select(3, os.execute(%q)))")
      :format(("cd /; %s luacheck --no-cache -j2 %s"):format(TINE, FILES)))
    -- A worker is what has burnt some processor time in the program's session, but for the program itself.
    local victim = eventually(function()
      for _, pid in ipairs(processes.all()) do
        local stat = processes.stat(pid)
        if stat and stat.session == p.pid and stat.name:find "^tine:" and (processes.ticks(pid) or 0) > 10 then
          return pid
        end
      end
    end, "a worker is at work")
    assert.is_true(processes.signal("KILL", victim))
    local ended = p:close()
    assert.is_true(ended.out == serial.out)
    assert.equal(serial.code, ended.code)
  end)
end)
