-- The recipes in examples/recipes, with the real programs.
-- timeout: 120
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local quote = shell.quote

local root = os.getenv "TINE_SOURCE_DIR" or "."
local TINE = quote(os.getenv "TINE_PROGRAM" or "tine")

local function new_folder()
  local name = os.tmpname()
  os.remove(name)
  assert(os.execute("mkdir " .. name))
  return name
end

local function write(folder, name, text)
  local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
end

-- Runs a recipe in the folder with plain Lua's module path of this spec.
local function recipe(name, folder, arguments)
  return shell.run(("cd %s && %s %s/examples/recipes/%s/run.lua %s"):format(quote(folder), TINE, quote(root), name,
    arguments))
end

describe("luacheck", function()
  local FILES = "/usr/share/lua/5.4"
  local has_luacheck = io.open "/usr/share/lua/5.1/luacheck/main.lua"
  local serial

  local function check(arguments) return recipe("luacheck", "/", "--no-cache " .. arguments .. " " .. FILES) end

  if not has_luacheck then
    pending("is not installed (package lua-check)")
    return
  end
  has_luacheck:close()

  setup(function() serial = check "-j1" end)

  it("says in parallel what it says serially", function()
    assert.matches("Total: ", serial.out, 1, true)
    local parallel = check "-j2"
    assert.is_true(parallel.out == serial.out)
    assert.equal(serial.err, parallel.err)
    assert.equal(serial.code, parallel.code)
  end)

  it("knows which lanes it has", function()
    assert.matches("lanes: *tine 0%.1%.0", recipe("luacheck", "/", "--version").out:lower())
  end)

  it("says the same when a worker is killed midway", function()
    local p = program.start(("arg[0] = %q dofile(arg[0])"):format(root .. "/examples/recipes/luacheck/run.lua"),
      { tine = true, args = { "--no-cache", "-j2", FILES }, before = "env -C /" })
    -- A worker is what has burnt some processor time in the program's session.
    local victim = eventually(function()
      for _, pid in ipairs(processes.all()) do
        local stat = processes.stat(pid)
        if stat and stat.session == p.pid and pid ~= p.pid and (processes.ticks(pid) or 0) > 10 then return pid end
      end
    end, "a worker is at work")
    assert.is_true(processes.signal("KILL", victim))
    local ended = p:close()
    assert.is_true(ended.out == serial.out)
    assert.equal(serial.code, ended.code)
  end)
end)

describe("busted", function()
  local folder
  setup(function()
    folder = new_folder()
    write(folder, "one_spec.lua", [[
describe("one", function()
  it("passes", function() assert.equal(1, 1) end)
  it("leaves something behind", function() _G.left = true end)
  pending "later"
end)]])
    write(folder, "two_spec.lua", 'describe("two", function() it("is alone", function() assert.is_nil(left) end) end)')
    write(folder, "wrong_spec.lua", [[
describe("wrong", function()
  it("fails", function() assert.equal(1, 2) end)
  it("raises", function() error "oh" end)
end)]])
    write(folder, "crash_spec.lua", 'describe("crash", function() it("exits", function() os.exit(7) end) end)')
    write(folder, "syntax_spec.lua", "return return")
  end)
  teardown(function() os.execute("rm -r " .. folder) end)

  it("runs each file alone, and counts", function()
    local s = recipe("busted", folder, "-j 2 one_spec.lua two_spec.lua")
    assert.same({ out = "3 successes / 0 failures / 0 errors / 1 pending\n", err = "", code = 0 }, s)
  end)

  it("reports what fails, crashes or does not load, in the order of the files", function()
    local s = recipe("busted", folder, "-j 2 *_spec.lua")
    assert.equal(1, s.code)
    assert.matches("3 successes / 1 failures / 3 errors / 1 pending\n$", s.out)
    local crash, syntax = s.out:find "crash_spec.lua: Error: [^\n]*exit code 7", s.out:find "syntax_spec.lua: Error: "
    local fails, raises = s.out:find "wrong_spec.lua: Failure: wrong fails", s.out:find "Error: wrong raises"
    assert.is_true(crash < syntax and syntax < fails and fails < raises)
  end)

  it("finds what busted itself finds in many files", function()
    local many = new_folder()
    for i = 1, 40 do
      write(many, ("n%02d_spec.lua"):format(i), ([[
describe("n%d", function()
  for i = 1, 5 do it("case " .. i, function() assert.is_true(i ~= %d) end) end
end)]]):format(i, i % 10))
    end
    local s = recipe("busted", many, "-j 2 *_spec.lua")
    os.execute("rm -r " .. many)
    assert.matches("180 successes / 20 failures / 0 errors / 0 pending\n$", s.out)
  end)
end)

describe("jobs", function()
  local folder
  before_each(function()
    folder = new_folder()
    write(folder, "source", "hello\n")
    write(folder, "rules.lua", [[
return {
  all = { needs = { "sum" } },
  sum = { needs = { "upper", "reversed" }, run = "cat upper reversed > sum" },
  upper = { needs = { "source" }, run = "echo note; tr a-z A-Z <source >upper" },
  reversed = { needs = { "source" }, run = "rev <source >reversed" },
  late = { needs = { "fails" }, run = "touch late" },
  fails = { run = "echo oops >&2; exit 3" },
  killed = { run = "kill -9 $$" },
  left = { needs = { "meet.a", "meet.b" }, run = "touch left" },
  ["meet.a"] = { run = "mkfifo p 2>/dev/null; echo hi >p; touch meet.a" },
  ["meet.b"] = { run = "mkfifo p 2>/dev/null; read x <p; touch meet.b" },
  x = { needs = { "y" } },
  y = { needs = { "x" } },
}]])
  end)
  after_each(function() os.execute("rm -r " .. folder) end)

  local function jobs(arguments) return recipe("jobs", folder, arguments) end

  it("run in the order of their needs, and only when they must", function()
    local s = jobs "-j 2 rules.lua"
    assert.equal(0, s.code)
    assert.matches("[upper] echo note; tr a-z A-Z <source >upper\nnote\n", s.out, 1, true)
    assert.matches("%[sum%] cat upper reversed > sum\n$", s.out)
    assert.equal("HELLO\nolleh\n", shell.contents(folder .. "/sum"))
    assert.same({ out = "", err = "", code = 0 }, jobs "-j 2 rules.lua")
    assert(os.execute(("touch -d '1 minute' %s/reversed"):format(folder)))
    assert.same({ out = "[sum] cat upper reversed > sum\n", err = "", code = 0 }, jobs "-j 2 rules.lua")
  end)

  it("run at the same time", function()
    -- each of the two waits for the other
    assert.equal(0, jobs("-j 2 rules.lua left").code)
  end)

  it("stop after a failure, or with -k leave out what needs it", function()
    local s = jobs "-j 1 rules.lua late all"
    assert.equal(1, s.code)
    assert.matches("oops\n[fails] failed: exit code 3\n", s.out, 1, true)
    assert.is_nil(s.out:find("sum", 1, true))
    s = jobs "-j 1 -k rules.lua late all killed"
    assert.equal(1, s.code)
    assert.matches("[sum]", s.out, 1, true)
    assert.matches("[killed] failed: signal 9\n", s.out, 1, true)
    assert.is_nil(s.out:find("[late]", 1, true))
  end)

  it("say what is wrong with the rules", function()
    assert.same({ out = "", err = "jobs: x needs itself: x -> y -> x\n", code = 2 }, jobs "rules.lua x")
    assert.same({ out = "", err = "jobs: no rule for none\n", code = 2 }, jobs "rules.lua none")
  end)
end)
