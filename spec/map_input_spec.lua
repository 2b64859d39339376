-- tine map: what a line is, its columns, blocks, and functions that take them.
local map = require "spec.support.command" "map"

local function out(arguments, input)
  local s = map.run(arguments, input)
  assert.same({ "", 0 }, { s.err, s.code })
  return s.out
end

local function numbers(from, to)
  local list = {}
  for i = from, to do list[#list + 1] = i .. "\n" end
  return table.concat(list)
end

describe("tine map", function()
  setup(map.setup)
  teardown(map.teardown)

  describe("takes FUNCTION", function()
    it("as statements too", function()
      assert.equal("ab\t12\n", out([['local a, b = _:match"(%d+) (.*)" return b, a']], "12 ab\n"))
      assert.equal("1\n3\n", out("'if _ ~= \"2\" then return _ end'", "1\n2\n3\n"))
      assert.equal("", out("'x = _'", "1\n"))
    end)

    it("and tells what is wrong with it as what it seems to be", function()
      local s = map.run("'local x = ) return x'", "1\n")
      assert.same({ "", 2 }, { s.out, s.code })
      assert.matches("^tine map: FUNCTION:1: unexpected symbol near '%)'", s.err)
      assert.matches("^tine map: FUNCTION:1: '%)' expected", map.run("'_:find(1'", "1\n").err)
    end)

    it("with the number of the line in _n, over all files", function()
      map.file("one", "a\nb\n")
      map.file("two", "c")
      assert.equal("1\ta\n2\tb\n3\tc\n", out "'_n, _' one two")
      local expected = {}
      for i = 1, 5000 do expected[i] = i .. "\n" end
      assert.is_true(out("'_n'", ("x\n"):rep(5000)) == table.concat(expected))
    end)

    it("from a file, with columns behind the line", function()
      map.file("f.lua", "return function(line, ...) return line, select('#', ...), (...) end")
      assert.equal("a b\t0\n", (out("@f.lua", "a b\n"):gsub("\t\n", "\n")))
      assert.equal("a b\t2\ta\n", out("--colsep ' ' @f.lua", "a b\n"))
    end)
  end)

  describe("has columns", function()
    it("by a pattern, trimmed", function()
      assert.equal("b\ta\n", out("--colsep , '_2, _1'", "a , b\n"))
      assert.equal("2\t1\n", out("--colsep '\\t' '_2, _1'", "1\t2\n"))
      assert.equal("3\t1\n", out("--colsep '\\s+' '_3, _1'", "1   2 \t3\n"))
      assert.equal("2\n", out("--colsep '\\|' '_2'", "1|2\n"))
      -- GNU parallel's is a regular expression; ours a Lua pattern, as its help says
      assert.equal("cYd\n", out("--colsep 'X|Y' '_2'", "aXbX|YcYd\n"))
      assert.equal("b\n", out("--colsep ' %- ' '_2'", "a - b\n"))
      assert.matches("a Lua pattern, no regular expression", out "--help", 1, true)
      assert.equal("2\n", out("-C: '_2'", "1:2\n"))
    end)

    it("by a pattern that finds what is empty, which separates none", function()
      -- It was found at the same place for ever.
      local s = map.shell("timeout 60 " .. map.program .. " map --colsep '%f[%w]' '_1' ::: 'ab cd'")
      assert.same({ out = "ab cd\n", err = "", code = 0 }, s)
    end)

    it("by no pattern whose end is wrong, which only a line that gets there shows", function()
      -- It was tried again for ever, or ended with a traceback of the program.
      for _, what in ipairs { "_1", "-x 'echo {1}'", "--dry-run -x 'echo {1}'" } do
        local s = map.shell("timeout 60 " .. map.program .. " map --colsep 'b[' " .. what, "b\n")
        assert.same({ "tine map: --colsep 'b[' is no pattern: malformed pattern (missing ']')\n", 2 },
          { s.err, s.code }, what)
      end
    end)

    it("of CSV behind a separator that would be no pattern", function()
      for _, separator in ipairs { "^", "$", "(", "[", "%", "." } do -- all but the last were refused
        assert.equal("b\n", out("--csv --colsep '" .. separator .. "' _2", "a" .. separator .. "b\n"))
      end
    end)

    it("of CSV", function()
      assert.equal('1\ta\tb "q", c\td\n2\tx\ny\t\t3\n3\t\t\t\n',
        out("--csv '_n, _1, _2, _3'", 'a,"b ""q"", c",d\r\n"x\ny",,3\n,\n'))
      assert.equal("a;b\tc\n", out("--csv --colsep ';' '_1, _2'", '"a;b";c\n'))
      assert.equal('"a\nb",2\n', out("--csv _", '"a\nb",2\n'))
    end)

    it("of which FUNCTION names some, however many there are", function()
      -- Those before them were variables, too: more than a function can have.
      local columns, names = {}, {}
      for i = 1, 300 do columns[i], names[i] = i, "c" .. i end
      local line = table.concat(columns, ",") .. "\n"
      assert.equal("300\t250\t1\t\n", out("--csv '_300, _250, _1, _301'", line))
      assert.equal("300\t250\t250\t1\n",
        out("--csv --header : 'c300, c250, _250, _n'", table.concat(names, ",") .. "\n" .. line))
      assert.equal("1\t2\n", out("--csv --header : 'select, b'", "select,b\n1,2\n"))
      local s = map.run("--csv 'return " .. "_" .. table.concat(columns, ", _") .. "'", line)
      assert.same({ "", 2 }, { s.out, s.code })
      assert.matches("too many local variables", s.err)
    end)

    it("of CSV in which a quote that opens no field is text", function()
      assert.equal('5" pipe\t3\nx\t4" bolt\nab"c\td\n', out("--csv '_1, _2'", '5" pipe,3\nx,4" bolt\n"a"b"c,d\n'))
      assert.equal('x"\ta;;b\n;"y\tc\n', out("--csv --colsep ';;' '_1, _2'", 'x";;"a;;b"\n;"y;;c\n'))
      assert.equal("a|b\tc\n", out("--csv --colsep '\\|' '_1, _2'", '"a|b"|c\n'))
    end)

    -- Of a file that a spreadsheet had saved as "CSV UTF-8", no column was called as its first line says.
    it("of CSV behind a byte order mark", function()
      local mark = "\xEF\xBB\xBF"
      map.file("marked", mark .. '"a\nb",c\n1,2\n')
      map.file("also", mark .. '"a\nb",c\n3,4\n')
      assert.equal("1\t2\n3\t4\n", out "--csv --header : '_1, c' marked also")
      local s = map.shell(([[(for c in '\357' '\273' '\277a' ',b\n1,2'; do printf "$c"; sleep 0.05; done) | %s]])
        :format(map.program .. " map --csv --header : 'a, b'"))
      assert.same({ out = "1\t2\n", err = "", code = 0 }, s)
      assert.equal("\xEF\xBB\n\n", out("--csv _", "\xEF\xBB\n\n")) -- a part of it
      assert.equal("x\n" .. mark .. "y\n", out("--csv _", "x\n" .. mark .. "y\n")) -- not before the first line
      assert.equal(mark .. "x\n", out("_", mark .. "x\n")) -- and not of CSV
    end)

    it("of CSV, and refuses quotes that are not closed", function()
      map.file("open", 'a,1\n"b\n2",2\n"c,3\nd,4\n')
      map.file("good", "e,5\n")
      for _, options in ipairs { "--csv _2", "--csv -n 1 _2" } do
        local s = map.run(options .. " open good")
        assert.same({ out = "1\n2\n5\n", code = 2,
                      err = "tine map: open:4: quotes that open in this record are not closed\n" }, s)
      end
      assert.equal(2, map.run("--csv --header : _", '"a,b\n1,2\n').code)
      assert.equal(2, map.run("--csv --colsep '" .. ("x"):rep(17) .. "' _1", "a\n").code)
    end)

    it("by name, from the first line of each file", function()
      map.file("one", "name,size\nx,2\n")
      map.file("two", "name,size\r\ny,3\r\n")
      assert.equal("x\t4\ny\t6\n", out "--csv --header : 'name, size * 2' one two")
      map.file("three", "size,name\n1,z\n")
      local s = map.run "--csv --header : name three two"
      assert.same({ out = "z\n", err = "tine map: two: its first line names other columns\n", code = 2 }, s)
    end)

    -- Of a day without sales `price` was refused as no name in Lua, while `price * 2` was not.
    it("by name, where there is no line to name them", function()
      for _, text in ipairs { "price", "'price * 2'" } do
        assert.same({ out = "", err = "", code = 0 }, map.run("--csv --header : " .. text, ""))
      end
      assert.equal(2, map.run("--csv --header : price", "name\n").code)
    end)

    it("by name also where each line is one column", function()
      map.file("one", "name\nx\n") -- was nothing at all: lines were taken for those of a function without columns
      assert.equal("x\n", out "--header : name one")
      assert.equal("xx\n", out "--header : '_ .. name' one")
    end)

    it("that tell the right line when they fail", function()
      map.file("data", 'a,"1\n2"\nb,3\n\nc,"4\n5\n6"\nd,x\n')
      local s = map.run [[--csv 'error(_1, 0)' data]]
      assert.equal("data:1: a\ndata:3: b\ndata:4: \ndata:5: c\ndata:8: d\n", s.err)
      s = map.run [[--csv --header : 'error(_1, 0)' data]]
      assert.equal("data:3: b\ndata:4: \ndata:5: c\ndata:8: d\n", s.err)
    end)

    it("of arguments", function()
      assert.equal("a x\tx\ta\t1\n", out "'_, _2, _1, _n' ::: a ::: x")
      -- Arguments have columns, too; they were not looked for there.
      assert.equal("a,b\tb\ta\nc,d\td\tc\n", out "--colsep , '_, _2, _1' ::: a,b c,d")
      assert.equal("3 1 2 1,2 3\n", out "--colsep , -x 'echo {3} {1} {2} {}' ::: 1,2 ::: 3")
      assert.equal("b,c\n", out [[--csv _2 ::: 'a,"b,c"']])
    end)

    it("in any number of lines, in order", function()
      local lines, expected = {}, {}
      for i = 1, 20000 do
        lines[i] = ('%d,"x\n%d"\n'):format(i, i)
        expected[i] = ("%d\t%d\n"):format(i, i)
      end
      assert.is_true(out("--csv '_1, _2:match\"%d+\"'", table.concat(lines)) == table.concat(expected))
    end)
  end)

  it("takes lines that end with a zero byte", function()
    assert.equal("3\n1\n0\n1\n", out("-0 '#_'", "a\nb\0c\0\0d"))
    assert.equal("[a\nb]\n[c]\n", out("-0 -x 'echo [{}]'", "a\nb\0c\0"))
    -- A crash was told with the newlines before it counted, too.
    local s = map.run([[-0 -n 3 'if _ == "crash" then os.exit(3) end']], "a\nb\nc\0ok\0crash\0")
    assert.matches("^stdin:3: ", s.err)
  end)

  describe("gives blocks with --pipe", function()
    it("of whole lines, about so large", function()
      local input = numbers(1, 50000)
      assert.is_true(out("--pipe --block 20k _", input) == input)
      local lines = 0
      for bytes, n in out("--pipe --block 20k '#_, select(2, _:gsub(\"\\n\", \"\"))'", input):gmatch "(%d+)\t(%d+)" do
        assert.is_true(tonumber(bytes) < 40000)
        lines = lines + n
      end
      assert.equal(50000, lines)
    end)

    it("of so many lines, and numbers them", function()
      assert.equal("1\t3\n2\t3\n3\t1\n", out("--pipe -N 3 '_n, select(2, _:gsub(\"\\n\", \"\"))'", numbers(1, 7)))
      assert.equal("1\t1\n", out("--pipe -N 3 '_n, #_:gsub(\"\\n\", \"\")'", "x"))
    end)

    it("each with the first line, with --header", function()
      assert.equal("h\n1\n2\nh\n3\n", out("--pipe -N 2 --header : _", "h\n1\n2\n3\n"))
    end)

    it("of one line that is longer than a block", function()
      local line = ("x"):rep(300000) .. "\n"
      assert.is_true(out("--pipe --block 1k _", line .. "y\n") == line .. "y\n")
    end)
  end)

  describe("reduces", function()
    it("what a file's map gives, in order", function()
      map.file("f.lua", [[return { map = function(l) if l ~= "3" then return l, #l end end, init = "<",
        reduce = function(acc, text, n) return acc .. text .. ":" .. n .. " " end,
        finish = function(acc) return acc .. ">", "end" end }]])
      assert.equal("<1:1 2:1 4:1 50:2 >\tend\n", out("@f.lua", "1\n2\n3\n4\n50\n"))
    end)

    it("into a table that is changed, and without a finish", function()
      map.file("f.lua", [[local t = setmetatable({}, { __tostring = function(t) return table.concat(t, " ") end })
        return { map = tonumber, init = t, reduce = function(acc, n) acc[#acc + 1] = n end }]])
      assert.equal("1 2 3\n", out("@f.lua", "1\n2\n3\n"))
    end)

    it("sums of many lines, failed ones left out", function()
      map.file("f.lua", "return { map = function(l) return assert(tonumber(l), 'no') end, init = 0, "
        .. "reduce = function(a, b) return a + b end }")
      assert.equal("50005000\n", out("@f.lua", numbers(1, 10000)))
      local s = map.run("@f.lua", "1\nx\n2\n")
      assert.same({ "3\n", 1 }, { s.out, s.code })
    end)

    it("nothing with --dry-run", function()
      -- finish was called, of what had not been reduced
      map.file("f.lua", [[return { map = tonumber, init = function() print "init" end, reduce = function() end,
        finish = function() print "finish" end }]])
      assert.equal("@f.lua 1\n@f.lua 2\n", out("--dry-run @f.lua", "1\n2\n"))
    end)

    it("and says what is wrong with the table", function()
      map.file("f.lua", "return { map = 1 }")
      assert.same({ out = "", code = 2, err = "tine map: f.lua returns a table whose field 'map' is a number, "
        .. "not a function\n" }, map.run("@f.lua", "1\n"))
    end)

    -- "bin/tine: f.lua:1: no" and a traceback of the program itself.
    it("and tells of an error as of that of a line", function()
      for _, name in ipairs { "init", "reduce", "finish" } do
        local fields = { init = "function() end", reduce = "function() end", finish = "function() end" }
        fields[name] = "function() error 'no' end"
        map.file("f.lua", ("return { map = tonumber, init = %s, reduce = %s, finish = %s }"):format(
          fields.init, fields.reduce, fields.finish))
        assert.same({ out = "", code = 1, err = ("tine map: %s of @f.lua: f.lua:1: no\n"):format(name) },
          map.run("@f.lua", "1\n"))
      end
    end)
  end)

  it("has the same random numbers with any number of workers", function()
    local one = out("-j1 -n1 --seed 7 'math.random(1000000)'", numbers(1, 300))
    assert.equal(one, out("-j3 --seed 7 'math.random(1000000)'", numbers(1, 300)))
    assert.not_equal(one, out("-j3 --seed x 'math.random(1000000)'", numbers(1, 300)))
  end)
end)
