-- tine busted: what busted says when it runs the same files by itself.
-- timeout: 120
local busted = require "spec.support.command" "busted"
local comma_locale = require "spec.support.comma"
local shell = require "spec.support.shell"

local function lua() return os.getenv "TINE_SANITIZE" ~= "" and busted.program or "lua5.4" end

-- Busted itself, in one process.
local function serial(arguments)
  busted.file("serial.lua", [[require "busted.runner" { standalone = false }]])
  return busted.shell(lua() .. " serial.lua " .. arguments)
end

-- Without what is never the same twice.
local function normal(text)
  return (text:gsub("%d+%.?%d* seconds", "T"):gsub("%(%d+%.%d+ ms", "(T"):gsub("0x%x+", "ADDRESS")
    :gsub("serial%.lua", "busted"):gsub("total%)%s*$", "total)"))
end

local function same(arguments)
  local one, many = serial(arguments), busted.run("-j2 " .. arguments)
  assert.equal(normal(one.out), normal(many.out), arguments)
  assert.equal(normal(one.err), normal(many.err), arguments)
  assert.equal(one.code, many.code, arguments)
end

describe("tine busted", function()
  setup(function()
    busted.setup()
    os.execute(("mkdir -p %s/spec/deep %s/other"):format(busted.folder, busted.folder))
    busted.file("spec/a_spec.lua", [[
describe("a", function()
  local n = 0
  setup(function() print "setup of a" end)
  before_each(function() n = n + 1 end)
  it("one", function() print "in one" assert.equal(1, n) end)
  it("fails #bad", function() assert.same({ 1, 2 }, { 1, 3 }) end)
  pending("later")
  it("pends", function() pending "not yet" end)
  describe("inner", function()
    it("errs", function() error "boom" end)
    it("errs with a table", function() error {} end)
  end)
end)
describe("second", function() it("x", function() io.stderr:write "to stderr\n" left = true end) end)]])
    busted.file("spec/b_spec.lua", [[
it("top", function() assert.truthy(arg[-1]) assert.is_nil(left) end)
describe("b", function() setup(function() error "in setup" end) it("never", function() end) end)]])
    busted.file("spec/deep/c_spec.lua", [[
describe("c", function() for i = 1, 20 do it("case " .. i, function() assert.is_true(i ~= 7) end) end end)]])
    busted.file("other/d_test.lua", "describe('d', function() it('fine', function() assert(helped) end) end)")
    busted.file("helper.lua", "helped = true")
    busted.file("conf", [[
return { _all = { helper = "helper.lua" }, default = { ROOT = { "other" }, pattern = "_test" } }]])
  end)
  teardown(busted.teardown)

  it("prints what busted prints, in its order", function()
    for _, output in ipairs { "plainTerminal", "utfTerminal", "TAP", "gtest -v", "plainTerminal -v" } do
      same("-o " .. output)
    end
  end)

  it("gives the events that handlers make files of", function()
    local function tests(command)
      local text = command.out:match "{.*}"
      local list = require "dkjson".decode(text)
      local names = {}
      for _, kind in ipairs { "successes", "failures", "errors", "pendings" } do
        for _, test in ipairs(list[kind]) do
          names[#names + 1] = ("%s %s %s %s"):format(kind, test.name, test.element.trace.currentline,
            tostring(test.message))
        end
      end
      return table.concat(names, "\n")
    end
    assert.equal(tests(serial "-o json spec/deep"), tests(busted.run "-j2 -o json spec/deep"))
    serial "-o junit -Xoutput one.xml"
    busted.run "-j2 -o junit -Xoutput many.xml"
    local function cases(name)
      local list = {}
      for test in busted.contents(name):gmatch "name=['\"]([^'\"]*)" do list[#list + 1] = test end
      table.sort(list)
      return list
    end
    assert.same(cases "one.xml", cases "many.xml")
    assert.is_true(#cases "one.xml" > 25)
  end)

  it("takes busted's options", function()
    for _, arguments in ipairs {
      "--filter=fails", "--tags=bad", "--exclude-tags=bad", "--filter-out=case", "--list", "spec/b_spec.lua spec/deep",
      "--shuffle --seed=3", "--sort", "--no-keep-going", "--repeat=2", "-C spec .", "-e 'print \"hello\"' spec/deep",
      "--no-recursive", "--suppress-pending", "--defer-print", "-o plainTerminal -p _none", "--none", "-f conf",
      "-o plainTerminal no/such/file", "--version", "--helper=helper.lua -p _test other", "--helper=none.lua",
    } do
      same("-o TAP " .. arguments)
    end
  end)

  it("reads .busted", function()
    busted.file(".busted", busted.contents "conf")
    same "-o TAP"
    os.remove(busted.folder .. "/.busted")
    assert.matches("ok 1 %- d fine", busted.run("-f conf -o TAP").out)
  end)

  it("is busted by another Lua where that is asked for", function()
    local s = busted.run "--lua=lua5.4 -o TAP spec/deep"
    assert.matches("ok 1 %- c case 1\n", s.out)
    assert.same({ "", 1 }, { s.err, s.code })
  end)

  it("goes on after a file that crashes its process, and blames the test", function()
    busted.file("spec/0_spec.lua", "describe('crash', function() it('before', function() end) it('exits', function()"
      .. " print 'last words' io.stdout:flush() os.exit(7) end) end)")
    local s, tap = busted.run "-j2", busted.run "-j2 -o TAP"
    os.remove(busted.folder .. "/spec/0_spec.lua")
    assert.matches("ok 1 %- crash before\nlast words\nnot ok 2 %- crash exits\n# spec/0_spec.lua @ 1\n", tap.out)
    assert.matches("ok %d+ %- c case 20\n", tap.out)
    assert.equal(1, s.code)
    assert.matches("23 successes / 2 failures / 4 errors / 2 pending", s.out, 1, true)
    assert.matches("last words\n", s.out, 1, true)
    assert.matches("died while it was running spec/0_spec.lua: exit code 7\n"
      .. "while it was running: crash exits (spec/0_spec.lua:1)", s.out, 1, true)
  end)

  -- All that a file had done before its process died was lost with it.
  it("tells how tests ended before a crash, wherever that is", function()
    busted.file("crash_spec.lua", [[
if os.getenv "WHERE" == "load" then os.exit(7) end
describe("a", function()
  it("passes", function() end)
  it("fails", function() assert.equal(1, 2) end)
  teardown(function() if os.getenv "WHERE" == "teardown" then os.exit(7) end end)
end)
describe("b", function()
  if os.getenv "WHERE" == "block" then os.exit(7) end
  setup(function() if os.getenv "WHERE" == "setup" then os.exit(7) end end)
  describe("in", function() it("dies", function() os.execute("kill -9 " .. io.open "/proc/self/stat":read "n") end) end)
  it("is not reached", function() end)
end)]])
    local function run(where, options)
      return busted.shell(("WHERE=%s %s busted %s crash_spec.lua"):format(where, busted.program, options)).out
    end
    for where, ending in pairs {
      load = "not ok 1 - suite crash_spec.lua\n",
      teardown = "ok 1 - a passes\nnot ok 2 - a fails\nnot ok 3 - a\n",
      block = "ok 1 - a passes\nnot ok 2 - a fails\nnot ok 3 - b\n",
      setup = "ok 1 - a passes\nnot ok 2 - a fails\nnot ok 3 - b\n",
      nowhere = "ok 1 - a passes\nnot ok 2 - a fails\nnot ok 3 - b in dies\n",
    } do
      local out = run(where, "-o TAP"):gsub("#[^\n]*\n", ""):gsub("1%.%.%d+\n", "")
      assert.equal(ending, out, where)
    end
    assert.matches("killed by signal 9 (Killed)\nwhile it was running: b in dies (crash_spec.lua:10)", run("", ""),
      1, true)
    local split = run("", "-j2 --split -o TAP"):gsub("#[^\n]*\n", "")
    assert.equal("ok 1 - a passes\nnot ok 2 - a fails\nnot ok 3 - b in dies\n1..3\n", split)
    assert.matches("3 tests from crash_spec.lua", run("", "-o gtest"), 1, true) -- what had begun ends, too
  end)

  -- Nothing was open then, and the program failed itself.
  it("tells of a death behind all tests of a file", function()
    busted.file("late_spec.lua", [[
describe("a", function() it("passes", function() end) end)
require "busted".subscribe({ "suite", "end" }, function() os.exit(7) end)]])
    local s = busted.run "-j2 -o TAP late_spec.lua"
    assert.matches("^ok 1 %- a passes\nnot ok 2 %- suite late_spec.lua\n# late_spec.lua @ 1\n"
      .. "# Failure message: worker %d+ %(pid %d+%) died while it was running late_spec.lua: exit code 7\n1%.%.2\n",
      s.out)
    assert.same({ "", 1 }, { s.err, s.code })
  end)

  -- It was told before the tests.
  it("tells with --split of a death in the teardown of the file's only block behind its tests", function()
    busted.file("end_spec.lua", [[
describe("a", function()
  for i = 1, 3 do it("passes " .. i, function() print(i) end) end
  teardown(function() os.exit(7) end)
end)]])
    local out = busted.run "-j2 --split -o TAP end_spec.lua".out:gsub("#[^\n]*\n", "")
    assert.equal("1\nok 1 - a passes 1\n2\nok 2 - a passes 2\n3\nok 3 - a passes 3\nnot ok 4 - a\nnot ok 5 - a\n1..5\n",
      out)
  end)

  it("says what a file that cannot be loaded says", function()
    busted.file("spec/1_spec.lua", "it('x', function(")
    same ""
    busted.file("spec/1_spec.lua", "error 'at load'")
    same "--shuffle --seed=1" -- and the seed
    os.remove(busted.folder .. "/spec/1_spec.lua")
  end)

  it("fails without tests", function()
    local s = busted.run "--filter=none_of_that_name spec/deep"
    assert.same({ "tine busted: no tests\n", 1 }, { s.err, s.code })
  end)

  it("runs the blocks of a file apart with --split, and gives them in order", function()
    busted.file("split_spec.lua", [[
it("first", function() print "first" end)
for i = 1, 7 do
  describe("block " .. i, function()
    it("passes", function() print(i) end)
    it("fails", function() assert.not_equal(3, i) end)
  end)
end
pending "last"]])
    local one, many = serial "-o TAP split_spec.lua", busted.run "-j3 --split -o TAP split_spec.lua"
    assert.equal(one.out, many.out)
    assert.equal(one.code, many.code)
    busted.file("meet_spec.lua", [[
local function meet(me, other)
  os.execute("touch " .. me)
  assert(os.execute(("until test -e %s; do sleep 0.01; done"):format(other)))
end
describe("a", function() it("meets b", function() meet("a", "b") end) end)
describe("b", function() it("meets a", function() meet("b", "a") end) end)]])
    assert.matches("2 successes / 0 failures", busted.run("-j2 --split meet_spec.lua").out, 1, true)
  end)

  -- luacheck's longest file, 90 % of its time, is one describe: --split had nothing to take apart.
  it("runs what is in a file's only block apart with --split", function()
    busted.file("split_spec.lua", [[
describe("all", function()
  describe("of it", function()
    local ready
    setup(function() ready = true end)
    for i = 1, 5 do
      it("passes " .. i, function() print(i) assert.truthy(ready) end)
      it("fails " .. i, function() assert.not_equal(3, i) end)
    end
    describe("block", function() it("passes", function() end) it("fails", function() error "oh" end) end)
    pending "last"
    teardown(function() error "at the end" end)
  end)
end)]])
    local one = serial "-o TAP split_spec.lua"
    for _, jobs in ipairs { 3, 2, 2 } do -- the times of the last run deal them out
      local many = busted.run("-j" .. jobs .. " --split -o TAP split_spec.lua")
      assert.equal(one.out, many.out)
      assert.equal(one.code, many.code)
    end
    busted.file("only_spec.lua", [[
local function meet(me, other)
  os.execute("touch only." .. me)
  assert(os.execute(("until test -e only.%s; do sleep 0.01; done"):format(other)))
end
describe("all", function()
  it("a meets b", function() meet("a", "b") end)
  it("b meets a", function() meet("b", "a") end)
end)]])
    assert.matches("2 successes / 0 failures", busted.run("-j2 --split only_spec.lua").out, 1, true)
    busted.file("split_spec.lua", [[
describe("all", function() it("is alone", function() end) end)
it("is beside it", function() end)]])
    assert.matches("2 successes / 0 failures", busted.run("-j2 --split split_spec.lua").out, 1, true)
    busted.file("split_spec.lua", [[describe("all", function() it("is alone", function() end) end)]])
    assert.matches("1 success / 0 failures", busted.run("-j2 --split split_spec.lua").out, 1, true)
  end)

  local function same_split(file, options)
    local one = serial("-o TAP " .. (options or "") .. file)
    for _ = 1, 2 do -- the second time by the times of the first
      local many = busted.run("-j3 --split -o TAP " .. (options or "") .. file)
      assert.same({ one.out, one.code }, { many.out, many.code })
    end
    return one
  end

  -- Where such a hook failed before the unit had begun, only what came from the first part was told: the others' errors
  -- were lost, and with them the failure of the run.
  it("tells with --split of each error in a hook of the common block", function()
    local one = same_split(busted.file("split_spec.lua", [[
describe("all", function()
  before_each(function() error "in before_each" end)
  for i = 1, 7 do it("never " .. i, function() end) end
end)]]))
    assert.equal(7, select(2, one.out:gsub("not ok %d+ %- all before_each", "")))
    same_split(busted.file("split_spec.lua", [[
describe("all", function()
  pending "first, and no test"
  lazy_setup(function() error "in lazy_setup" end)
  lazy_setup(function() error "in lazy_setup" end)
  for i = 1, 5 do it("never " .. i, function() end) end
end)]]))
    same_split(busted.file("split_spec.lua", [[
for i = 1, 5 do it("passes " .. i, function() end) end
after_each(function() error "in after_each" end)
teardown(function() error "in teardown" end)]]))
    same_split(busted.file("split_spec.lua", [[
describe("all", function()
  lazy_teardown(function() error "in lazy_teardown" end) -- not run in the first part, which has no test
  describe("of no test", function() end)
  it("passes", function() end)
  it("passes, too", function() end)
  strict_teardown(function() error "in strict_teardown" end)
end)]]))
  end)

  it("stops with --split --no-keep-going at the first failure in the file's order", function()
    local one = same_split(busted.file("split_spec.lua", [[
describe("all", function()
  for i = 1, 9 do it("passes, or not, " .. i, function() print(i) assert.is_true(i % 4 ~= 0) end) end
  teardown(function() error "at the end" end)
end)]]), "--no-keep-going ")
    assert.equal(3, select(2, one.out:gsub("%f[^\n\0]ok ", "")))
  end)

  -- A setup that cannot be run in two processes at once failed in one part; that was not told, and its tests were
  -- missing in a run that had succeeded.
  it("tells with --split of a setup that fails in one part", function()
    busted.file("split_spec.lua", [[
describe("all", function()
  setup(function()
    local pid = io.open "/proc/self/stat":read "n"
    assert(os.execute "mkdir only_once 2>/dev/null", "it is there, process " .. pid)
  end)
  for i = 1, 4 do it("passes " .. i, function() end) end
end)]])
    local s = busted.run "-j3 --split split_spec.lua"
    assert.matches(" / 0 failures / 2 errors / 0 pending", s.out, 1, true)
    assert.equal(2, select(2, s.out:gsub("split_spec.lua:%d: it is there, process", "")))
    assert.equal(1, s.code)
  end)

  -- Tests that came in another order in each part, or under other names, were missing, or there twice.
  it("does not take apart with --split what is not the same in each process", function()
    same_split(busted.file("split_spec.lua", [[
randomize()
for i = 1, 6 do it("passes " .. i, function() end) end]]), "--seed=5 ")
    same_split(busted.file("split_spec.lua", [[
describe("all", function()
  randomize(7)
  setup(function() end)
  for i = 1, 6 do describe("block " .. i, function() it("passes", function() end) end) end
end)]]))
    busted.file("split_spec.lua", [[
local pid = io.open "/proc/self/stat":read "n"
for i = 1, 4 do it(("process %d, %d of 4"):format(pid, i), function() end) end
for i = 1, pid % 5 do it("of some", function() end) end]])
    local s = busted.run "-j3 --split -o TAP split_spec.lua"
    local pid = s.out:match "process (%d+)"
    assert.equal(4, select(2, s.out:gsub("process " .. pid .. ", %d of 4", "")))
    assert.equal(pid % 5, select(2, s.out:gsub("of some", "")))
  end)

  -- It was told as one of the inner block.
  it("names the block whose hook fails, also where it fails for a test of an inner block", function()
    busted.file("hook_spec.lua", [[
after_each(function() error "of the file" end)
describe("outer", function()
  lazy_setup(function() error "of outer" end)
  describe("inner", function() it("x", function() end) end)
end)
describe("next", function() it("y", function() end) end)]])
    same "-o TAP hook_spec.lua"
  end)

  it("remembers how long files took, in the user's cache", function()
    busted.shell(("XDG_CACHE_HOME=$PWD/cache %s busted"):format(busted.program))
    local text = shell.ok("cat %s/cache/tine/busted/*", busted.folder)
    for _, name in ipairs { "spec/a_spec.lua", "spec/b_spec.lua", "spec/deep/c_spec.lua" } do
      assert.matches("\t" .. name .. "\n", text, 1, true)
    end
    assert.equal(1, busted.shell(("XDG_CACHE_HOME=/dev/null HOME= %s busted"):format(busted.program)).code)
  end)

  -- They had commas then, and the next run, which reads them before there is such a locale, knew none.
  it("remembers that with points, whatever locale a helper has set", function()
    local locale = comma_locale()
    if not locale then return pending "a locale with a decimal comma" end
    busted.file("locale.lua", ("os.setlocale %q"):format(locale))
    busted.file("quick_spec.lua", "it('passes', function() end)")
    local s = busted.shell(("XDG_CACHE_HOME=$PWD/points %s busted --helper=locale.lua quick_spec.lua")
      :format(busted.program))
    assert.matches(": 0,%d+ seconds", s.out)
    assert.matches("^0%.%d+\tquick_spec.lua\n", shell.ok("cat %s/points/tine/busted/*", busted.folder))
  end)

  -- A folder where its file should be ended the run with a traceback; a relative path made one in the current folder.
  it("does without a cache that it cannot use", function()
    busted.file("fine_spec.lua", "it('passes', function() end)")
    local command = busted.program .. " busted -o TAP fine_spec.lua"
    busted.shell("XDG_CACHE_HOME=$PWD/odd " .. command)
    local s = busted.shell("cd odd/tine/busted && f=$(echo *) && rm \"$f\" && mkdir \"$f\" && cd ../../.. && "
      .. "XDG_CACHE_HOME=$PWD/odd " .. command)
    assert.same({ out = "ok 1 - passes\n1..1\n", err = "", code = 0 }, s)
    assert.equal(0, busted.shell("mkdir home; XDG_CACHE_HOME=relative HOME=$PWD/home " .. command).code)
    assert.equal("home/.cache/tine\n", busted.shell("ls -d relative home/.cache/tine 2>/dev/null").out)
  end)

  -- Penlight's 18 files take 0.2 s together, and took 18 workers three times as long.
  it("runs short files together by the times of the last run, and finds the one that crashes", function()
    os.execute(("mkdir -p %s/short"):format(busted.folder))
    for i = 1, 8 do
      busted.file(("short/%d_spec.lua"):format(i), ([[
describe("%d", function()
  it("is told of", function() print(%d) io.stderr:write "beside\n" assert.is_nil(left) left = true end)
  it("fails or dies", function()
    if %d == 5 and os.getenv "DIE" then os.exit(7) end
    assert.not_equal(3, %d)
  end)
end)
io.open("pids", "a"):write(io.open "/proc/self/stat":read "n", "\n"):close()]]):format(i, i, i, i))
    end
    local function workers()
      local all, n = {}, 0
      for pid in busted.contents "pids":gmatch "%d+" do
        if not all[pid] then all[pid], n = true, n + 1 end
      end
      os.remove(busted.folder .. "/pids")
      return n
    end
    local one = serial "-o TAP short"
    for _, expected in ipairs { 8, 4 } do
      os.remove(busted.folder .. "/pids")
      local many = busted.run "-j2 -o TAP short"
      assert.same({ one.out, one.err, one.code }, { many.out, many.err, many.code })
      assert.is_true(workers() <= expected)
    end
    local s = busted.shell(("DIE=1 %s busted -j2 short"):format(busted.program))
    assert.matches("14 successes / 1 failure / 1 error / 0 pending", s.out, 1, true)
    assert.matches("exit code 7\nwhile it was running: 5 fails or dies (short/5_spec.lua:3)", s.out, 1, true)
    assert.equal(1, s.code)
  end)

  -- Each file had three descriptors: of 400 files 78 were run, where 256 may be open.
  it("runs more files than it may have open", function()
    os.execute(("mkdir -p %s/many"):format(busted.folder))
    for i = 1, 60 do busted.file(("many/%d_spec.lua"):format(i), "it('x', function() print 'y' end)") end
    local s = busted.shell(("ulimit -n 120; %s busted -j2 many"):format(busted.program))
    assert.matches("60 successes / 0 failures / 0 errors / 0 pending", s.out, 1, true)
    assert.same({ 60, "", 0 }, { select(2, s.out:gsub("y\n", "")), s.err, s.code })
    s = busted.shell(("ulimit -n 120; %s busted -j 14 many"):format(busted.program)) -- as many workers as there can be
    assert.same({ 60, "", 0 }, { select(2, s.out:gsub("y\n", "")), s.err, s.code })
    s = busted.shell(("ulimit -n 120; %s busted -j 15 many"):format(busted.program))
    assert.same({ "", 2 }, { s.out, s.code })
    assert.matches("tine busted: 15 spec files at a time want more open files than are allowed (ulimit -n): "
      .. "at most 14 are possible", s.err, 1, true)
  end)

  it("starts no workers for what one process does", function()
    for _, option in ipairs { "--version", "--list spec/deep", "-h" } do
      assert.equal(0, busted.shell("TINE_TRACE=pool.json " .. busted.program .. " busted " .. option).code, option)
      assert.is_nil(io.open(busted.folder .. "/pool.json"), option) -- of a pool, its trace
    end
    same "--filter-out -l spec/deep" -- it is no option there
  end)

  -- It started them first, and then said what was wrong.
  it("starts no workers when the command line is wrong", function()
    for _, option in ipairs { "--unknown", "--repeat often", "--lang", "-f nowhere", "-C nowhere", "nowhere",
                              "--helper=nowhere.lua", "-t a --exclude-tags a", "-j x" } do
      local s = busted.shell("TINE_TRACE=pool.json " .. busted.program .. " busted " .. option)
      assert.is_true(s.code > 0 and #s.out + #s.err > 0, option)
      assert.is_nil(io.open(busted.folder .. "/pool.json"), option)
      if option ~= "-j x" then same(option) end
    end
  end)

  it("says what keeps it from running tests", function()
    -- It was told as an error of the first file, as the table that it was raised as.
    local s = busted.shell("TMPDIR=/dev/null " .. busted.program .. " busted spec/deep")
    assert.same({ "tine busted: cannot hold what tests write: /dev/null: Not a directory\n", 2 }, { s.err, s.code })
    assert.matches("^%s*0 successes / 0 failures / 0 errors", s.out)
  end)

  -- As Penlight does while it looks for lfs: that was missing, it said, with exit code 1.
  it("is stopped by Ctrl-C with 130, also where a library takes that for an error of its own", function()
    os.execute(("mkdir -p %s/caught/busted"):format(busted.folder))
    busted.file("caught/busted/compatibility.lua", [[
pcall(function()
  io.popen "kill -INT $PPID":close()
  while true do end
end)
error "no lfs"]])
    local s = busted.shell("LUA_PATH='caught/?.lua;;' " .. busted.program .. " busted spec/deep")
    assert.same({ out = "", err = "", code = 130 }, s)
  end)

  it("finds its files from the folder that -C names", function() same "-C spec deep" end)

  -- It was cut off, and the run was a success.
  it("fails where what tests write cannot be held", function()
    local small = "unshare -rm sh -c 'mount -t tmpfs -o size=64k tmpfs other 2>/dev/null && %s'"
    if not busted.shell(small:format "echo yes").out:find "yes" then return pending "a disk of its own" end
    local program = busted.program:gsub("'", "")
    for _, writes in ipairs { [[print(("x"):rep(200000))]], [[io.stderr:write(("x"):rep(200000))]],
                              [[os.execute "yes | head -c 200000 2>/dev/null"]] } do
      busted.file("chatty_spec.lua", ([[it("writes", function() %s end)]]):format(writes))
      local s = busted.shell(small:format(("TMPDIR=$PWD/other %s busted -o TAP chatty_spec.lua"):format(program)))
      assert.equal(1, s.code)
      assert.matches("what its tests have written cannot be held: ", s.out, 1, true)
    end
  end)

  it("ends with 2 where /proc does not lead workers to its files", function()
    local s = busted.shell(("unshare -rpf --kill-child %s busted spec/deep"):format(busted.program))
    if s.err:find "^unshare: " then return pending "a pid namespace of its own" end
    assert.matches("^tine busted: workers cannot open a file of this program: /proc/1/fd/%d+: [^\n]+\n$", s.err)
    assert.equal(2, s.code)
  end)

  it("refuses a wrong number of workers", function()
    local s = busted.run "-j x"
    assert.same({ "", 2 }, { s.out, s.code })
    assert.matches("^tine busted: option '%-j' needs a number", s.err)
    assert.matches("^tine busted: option '%-j' needs at most 4095 workers", busted.run("-j5000").err)
  end)
end)

-- TINE_BUSTED_SUITES: folders of checkouts with a spec suite of busted, such as Penlight's, separated by colons.
describe("tine busted, over the suite of", function()
  local folders = os.getenv "TINE_BUSTED_SUITES" or ""
  if folders == "" then
    pending("others: TINE_BUSTED_SUITES names no checkouts")
    return
  end
  for folder in folders:gmatch "[^:]+" do
    it(folder .. " finds what busted finds", function()
      local runner = os.tmpname()
      local file <close> = assert(io.open(runner, "w"))
      file:write [[require "busted.runner" { standalone = false }]]
      file:flush()
      local one = shell.run(("cd %s && %s %s -o TAP"):format(shell.quote(folder), lua(), runner))
      local many = shell.run(("cd %s && %s busted -o TAP"):format(shell.quote(folder), busted.program))
      os.remove(runner)
      assert.equal(normal(one.out), normal(many.out))
      assert.equal(one.code, many.code)
    end)
  end
end)
