-- The recipes in examples/recipes, with the real programs.
-- timeout: 120
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
