-- tine map: what it prints, what it says on stderr, and how it ends.
local shell = require "spec.support.shell"
local quote = shell.quote

local TINE = quote(os.getenv "TINE_PROGRAM")

describe("tine map", function()
  local folder

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  teardown(function() os.execute("rm -r " .. folder) end)

  local function file(name, text)
    local f <close> = assert(io.open(folder .. "/" .. name, "wb"))
    f:write(text)
    return name
  end

  -- Runs "tine map ..." in the folder, with this standard input.
  local function map(arguments, input)
    file("input", input or "")
    return shell.run(("cd %s; %s map %s <input"):format(quote(folder), TINE, arguments))
  end

  local function numbers(from, to)
    local list = {}
    for i = from, to do list[#list + 1] = i .. "\n" end
    return table.concat(list)
  end

  describe("prints", function()
    it("what the function returns for each line, in order", function()
      assert.same({ out = "A\nB\n\nD\n", err = "", code = 0 }, map("'_:upper()'", "a\nb\n\nd"))
    end)

    it("several values separated by tabs, and nothing for nil or none", function()
      local s = map("'tonumber(_) and (_ % 2 == 0 or nil), #_'", "1\n22\nx\n")
      assert.same({ out = "\t1\ntrue\t2\n\t1\n", err = "", code = 0 }, s)
      assert.same({ out = "2\n", err = "", code = 0 }, map("'_ ~= \"x\" and _ or nil'", "x\n2\nx\n"))
      assert.same({ out = "", err = "", code = 0 }, map("'nil'", "x\n"))
      assert.same({ out = "", err = "", code = 0 }, map("''", "x\n"))
    end)

    it("nothing for no input", function()
      assert.same({ out = "", err = "", code = 0 }, map "_")
    end)

    it("lines of many files one after the other", function()
      file("one", "1\n2")
      file("two", "3\n")
      assert.same({ out = "1\n2\nin\n3\n", err = "", code = 0 }, map("_ one - two", "in\n"))
    end)

    it("any bytes as they are", function()
      local bytes = "a\0b\r\n\255\254\n" .. ("x"):rep(200000) .. "\n"
      assert.equal(bytes, map("_", bytes).out)
    end)

    for _, options in ipairs { "", "-n 1 ", "-n7 -j3 ", "-j 1 " } do
      it("long input in order, with '" .. options .. "'", function()
        local input = numbers(1, options == "-n 1 " and 3000 or 100000)
        assert.is_true(map(options .. "_", input).out == input)
      end)
    end

    it("the same lines in any order with --unordered", function()
      local s = map("--unordered '_ + 0'", numbers(1, 20000))
      local seen, n = {}, 0
      for line in s.out:gmatch "[^\n]+" do
        n = n + 1
        seen[tonumber(line)] = true
      end
      assert.equal(20000, n)
      for i = 1, 20000 do assert.is_true(seen[i]) end
    end)
  end)

  describe("takes a function", function()
    it("from a file, loaded once in each worker", function()
      file("f.lua", "#!shebang\nlocal n = 0\nreturn function(line) n = n + 1 return line .. n end")
      assert.same({ out = "a1\nb2\nc3\n", err = "", code = 0 }, map("-j1 @f.lua", "a\nb\nc\n"))
    end)

    it("with values that could not travel", function()
      file("f.lua", "local lpeg = require 'lpeg' local p = lpeg.R'09'^1 / tonumber "
        .. "return function(line) return p:match(line) end")
      assert.same({ out = "12\n", err = "", code = 0 }, map("@f.lua", "12ab\n"))
    end)

    it("and says what is wrong with it", function()
      local s = map("'x ='", "a\n")
      assert.same({ "", 2 }, { s.out, s.code })
      assert.matches("^tine map: FUNCTION:1: ", s.err)
      file("f.lua", "return 12")
      s = map("@f.lua", "a\n")
      assert.same({ "", "tine map: f.lua returns a number, not a function\n", 2 }, { s.out, s.err, s.code })
      file("f.lua", "return return")
      s = map("@f.lua", "a\n")
      assert.same({ "", 2 }, { s.out, s.code })
      assert.matches("^tine map: f.lua:1: ", s.err)
      s = map("@none.lua", "a\n")
      assert.same({ "", "tine map: cannot read none.lua: No such file or directory\n", 2 }, { s.out, s.err, s.code })
      assert.equal("tine map: cannot read .: Is a directory\n", map("@. ::: a").err)
    end)
  end)

  describe("reports", function()
    it("a line whose call fails, and goes on", function()
      file("data", "1\n2\nx\n4\n")
      assert.same({ out = "1\n2\n4\n", err = "data:3: no number: x\n", code = 1 },
        map([['tonumber(_) or error("no number: " .. _, 0)' data]]))
    end)

    it("each such line with its own number, far into the input", function()
      local s = map([[' _:find "00$" and error("hundred", 0) or nil']], numbers(1, 20000))
      local expected = {}
      for i = 100, 20000, 100 do expected[#expected + 1] = ("stdin:%d: hundred\n"):format(i) end
      assert.same({ out = "", err = table.concat(expected), code = 1 }, s)
    end)

    it("errors that are no text", function()
      file("data", "1\n")
      assert.same("data:1: (error object is a table value)\n", map("'error {}' data").err)
      assert.same("data:1: (error object is a nil value)\n", map("'error()' data").err)
    end)

    it("a line that kills its worker, and no other", function()
      local s = map([['_ == "1500" and os.exit(3) or _']], numbers(1, 3000))
      assert.equal(1, s.code)
      assert.matches('^stdin:1500: worker %d+ %(pid %d+%) died while it was running _ == "1500" [^\n]+: exit code 3\n$',
        s.err) -- not: running tine.cli.map.work.block
      assert.equal((numbers(1, 3000):gsub("\n1500\n", "\n")), s.out)
    end)

    it("files that cannot be read, with 2, and reads the others", function()
      file("data", "1\n")
      local s = map("_ none data .")
      assert.same({
        out = "1\n", code = 2,
        err = "tine map: none: No such file or directory\ntine map: .: Is a directory\n",
      }, s)
      assert.equal(2, map("'error()' none data").code)
    end)

    it("files of which none can be read, and wrong usage, before it starts any worker", function()
      -- the last two started workers first
      for _, line in ipairs { "_ none", "-x cat none", "--pipe _ none none", "--csv --header : _1 none", "-j x _",
                              "--unknown _", "'(' a", "@none a", "_ .", "--results /dev/null/x _ data" } do
        local s = shell.run(("cd %s; TINE_TRACE=pool.json %s map %s"):format(quote(folder), TINE, line))
        assert.same({ "", 2 }, { s.out, s.code }, line)
        assert.not_equal("", s.err, line)
        assert.is_nil(io.open(folder .. "/pool.json"), line) -- of a pool, its trace
      end
      assert.same({ out = "", err = "", code = 0 }, map("--header : name", "")) -- an empty file is no trouble
    end)

    it("wrong usage with 2", function()
      for arguments, message in pairs {
        [""] = "FUNCTION is missing",
        ["-j 0 _"] = "option '%-j' needs a number",
        ["-j 5000 _"] = "option '%-j' needs at most 4095 workers",
        ["-n x _"] = "option '%-n' needs a number",
        ["-j"] = "option '%-j' needs a number",
        ["--none _"] = "unrecognized option '%-%-none'",
        ["-z _"] = "unrecognized option '%-z'",
        ["_ --tag"] = "'%-%-tag' is behind an operand",
        ["_ -j 2"] = "'%-j' is behind an operand",
        ["-x echo data --joblog=log"] = "'%-%-joblog=log' is behind an operand",
        ["_ --tag ::: a"] = "'%-%-tag' is behind an operand",
      } do
        local s = map(arguments, "a\n")
        assert.same({ "", 2 }, { s.out, s.code })
        assert.matches("^tine map: " .. message, s.err)
        assert.matches("usage: tine map", s.err)
      end
    end)

    it("output that cannot be written", function()
      local s = shell.run("seq 3 | " .. TINE .. " map _ >/dev/full")
      assert.same({ "tine map: write error: No space left on device\n", 2 }, { s.err, s.code })
    end)

    it("its progress on stderr", function()
      local s = map("--progress _", numbers(1, 1000))
      assert.equal(numbers(1, 1000), s.out)
      assert.matches("1000 lines, 0%.0 MB, ", s.err)
      assert.equal(0, s.code)
    end)
  end)

  it("ends quietly when nobody reads on", function()
    local s = shell.run("yes | (" .. TINE .. " map _; echo $? >&2) | head -n 1")
    assert.same({ out = "y\n", err = "141\n", code = 0 }, s)
  end)

  -- It wrote again and again, for ever.
  it("ends as quietly where SIGPIPE is blocked, or cannot end it as the first process of a container", function()
    for _, how in ipairs { "env --block-signal=PIPE", "unshare -rpf --kill-child" } do
      local s = shell.run(("yes | (timeout -s KILL 60 %s %s map _; echo $? >&2) | head -n 1"):format(how, TINE))
      if s.err:find "^unshare: " then return pending "a pid namespace of its own" end
      assert.same({ out = "y\n", err = "141\n", code = 0 }, s)
    end
  end)

  it("passes endless input in constant memory", function()
    if (os.getenv "TINE_SANITIZE" or "") ~= "" then
      pending "a sanitizer's shadow memory does not fit under the limit"
      return
    end
    -- 100 MB under a limit of address space for data that a reader of it all would exceed
    local s = shell.run("yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | head -c 100000000 | "
      .. "(ulimit -d 60000; " .. TINE .. " map '#_ ~= 48 and _ or nil')")
    assert.equal(0, s.code, s.err)
  end)

  it("tells its usage", function()
    local s = map "--help"
    assert.equal(0, s.code)
    assert.matches("^usage: tine map %[options%]", s.out)
  end)
end)
