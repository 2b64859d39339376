-- The host program, compared with lua5.4: same output, same messages, same exit codes.
local shell = require "spec.support.shell"
local quote = shell.quote

local TINE = os.getenv "TINE_PROGRAM"

local SCRIPTS = {
  ["args.lua"] = 'print(...) print(arg[0], #arg, arg[1], arg[-1] ~= nil) return 5',
  ["fails.lua"] = 'local function f() error("boom") end\nf()',
  ["table.lua"] = 'error({})',
  ["text.lua"] = 'error(setmetatable({}, { __tostring = function() return "as text" end }))',
  ["number.lua"] = 'error(12)',
  ["nothing.lua"] = 'error()',
  ["syntax.lua"] = 'x = = 1',
  ["exit.lua"] = 'os.exit(7)',
  ["closing.lua"] = [[
local x <close> = setmetatable({}, { __close = function() print "closed" end })
setmetatable({}, { __gc = function() print "collected" end })
error "x"]],
  ["coroutine.lua"] = 'coroutine.wrap(function() error "inside" end)()',
  ["shebang.lua"] = '#!/usr/bin/env lua\nprint "ran"',
  ["overflow.lua"] = 'local function r() return 1 + r() end print(pcall(r))',
}

describe("the host program", function()
  local folder

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    for name, text in pairs(SCRIPTS) do
      local f <close> = assert(io.open(folder .. "/" .. name, "wb"))
      f:write(text)
    end
  end)

  teardown(function() os.execute("rm -r " .. folder) end)

  -- Runs a command line of `lua` with the given program in its place.
  local function run(program, command, options)
    return shell.run(("cd %s; unset LUA_PATH LUA_CPATH; %s bash -c 'exec -a lua \"$0\" \"$@\"' %s %s <%s"):format(
      quote(folder), options.environment or "", quote(program), command, options.input or "/dev/null"))
  end

  local function as_lua(command, options)
    options = options or {}
    local name = ("%s lua %s%s"):format(options.environment or "", command,
      options.input and " <" .. options.input or "")
    it("does the same for" .. name, function()
      local expected, got = run("lua5.4", command, options), run(TINE, command, options)
      got.err = got.err:gsub("  %-%-help[^\n]*\n", "") -- the one line that the usage has in addition
      assert.same(expected, got)
    end)
  end

  describe("scripts:", function()
    as_lua "args.lua 1 2 3"
    as_lua "-- args.lua x"
    for _, name in ipairs { "fails", "table", "text", "number", "nothing", "syntax", "exit", "closing", "coroutine",
                            "shebang", "overflow" } do
      as_lua(name .. ".lua")
    end
    as_lua "no_such_file.lua"
    as_lua("- a b", { input = "args.lua" })
    as_lua("", { input = "args.lua" })
    as_lua("", { input = "fails.lua" })
    as_lua("-- -", { input = "args.lua" })
  end)

  describe("options:", function()
    as_lua "-v"
    as_lua "-e 'print(1)'"
    as_lua "-e'print(arg[0])'"
    as_lua "-e 'x = 1' -e 'print(x)' args.lua"
    as_lua "-e"
    as_lua "-e -x"
    as_lua "-l"
    as_lua "-x"
    as_lua "-vx"
    as_lua "--x"
    as_lua "-lstring -e 'print(string.rep(\"a\", 3))'"
    as_lua "-l g=string -e 'print(g.rep(\"a\", 3))'"
    as_lua "-lno.such.module"
    as_lua "-W -e 'warn \"hello\"'"
    as_lua "-e 'warn \"hello\"'"
    as_lua "-E -e 'print(package.path, package.cpath)'"
    as_lua "-e 'error(\"a\", 0)'"
    as_lua "-e 'x ='"
    as_lua "-e 'arg = nil' args.lua"
    as_lua "-e 'os.exit(false, true)'"
    as_lua "-e 'print(collectgarbage \"incremental\")'"
  end)

  describe("environment:", function()
    as_lua("args.lua", { environment = "LUA_INIT='print \"init\"'" })
    as_lua("-E args.lua", { environment = "LUA_INIT='print \"init\"'" })
    as_lua("args.lua", { environment = "LUA_INIT='error \"init\"'" })
    as_lua("args.lua", { environment = "LUA_INIT=@fails.lua" })
    as_lua("args.lua", { environment = "LUA_INIT=@no_such_file" })
    as_lua("args.lua", { environment = "LUA_INIT_5_4='print(54)' LUA_INIT='print(5)'" })
  end)

  -- lua5.4 of Debian echoes what it reads here (readline), so these are written out.
  describe("interactive mode", function()
    local function session(lines)
      return shell.run(("printf '%%s' %s | %s -i"):format(quote(lines), quote(TINE)))
    end
    local banner = _VERSION .. "[^\n]*\n"

    it("prints values, and reads on as long as a statement is incomplete", function()
      local s = session "1 + 1\nx = 3\n= x\nfor i = 1, 2 do\nprint(i) end\nreturn 1, nil"
      assert.matches("^" .. banner .. "> 2\n> > 3\n> >> 1\n2\n> 1\tnil\n> \n$", s.out)
      assert.equal("", s.err)
      assert.equal(0, s.code)
    end)

    it("reports errors and goes on", function()
      local s = session "error 'e'\nx = = 1\n'on'\nx ="
      assert.matches("^stdin:1: e\nstack traceback:\n", s.err)
      assert.matches("stdin:1: unexpected symbol near '='\n", s.err)
      assert.matches("stdin:1: unexpected symbol near <eof>\n$", s.err)
      assert.matches("on\n", s.out)
      assert.equal(0, s.code)
    end)

    it("has its own prompts", function()
      local s = session "_PROMPT = '? '\n_PROMPT2 = setmetatable({}, {__tostring = function() return '! ' end})\nif\n1"
      assert.matches("> %? %? ! $", (s.out:gsub("\n$", ""):gsub("! .*", "! ")))
    end)
  end)

  it("loads C modules of Debian", function()
    local s = run(TINE, [[-e 'print(require "cjson".encode { 1 }, require "lpeg".P "a":match "a")']], {})
    assert.same({ out = "[1]\t2\n", err = "", code = 0 }, s)
  end)

  it("tells its version and its usage", function()
    assert.matches("^tine %d+%.%d+%.%d+ %(Lua 5%.4[^\n]*%)\n$", run(TINE, "--version", {}).out)
    local help = run(TINE, "--help", {})
    assert.matches("^usage: ", help.out)
    assert.equal(0, help.code)
  end)

  -- "cannot open mapp" was all that a misspelt command gave.
  it("says where commands are told, for a word that is neither command nor file", function()
    local s = run(TINE, "mapp _", {})
    assert.same({ "", 1 }, { s.out, s.code })
    assert.equal("lua: cannot open mapp: No such file or directory (and no command is called so: tine --help)\n", s.err)
  end)

  it("is stopped by Ctrl-C with 130", function()
    local program = require "spec.support.program"
    local p = program.start("print 'ready' io.stdout:flush() while true do end", { tine = true })
    assert.equal("ready", p:line())
    p:signal "INT"
    local ended = p:close()
    assert.same({ how = "exit", code = 130 }, { how = ended.how, code = ended.code })
    assert.matches("interrupted!\nstack traceback:\n", ended.err)
  end)

  it("goes on when a script catches Ctrl-C, and then fails as usual", function()
    local program = require "spec.support.program"
    local source = [[
local ok, err = pcall(function() print "ready" io.stdout:flush() while true do end end)
print(ok, err)
os.exit(err:find "interrupted!$" and 3 or 4)]]
    local p = program.start(source, { tine = true })
    assert.equal("ready", p:line())
    p:signal "INT"
    local ended = p:close()
    assert.equal(3, ended.code)
  end)

  describe("with a pool", function()
    local program = require "spec.support.program"
    local BUSY = [[
local tine = require "tine"
local pool %s = tine.pool { workers = 2 }
local busy = pool:submit(function() while true do end end)
repeat until busy:running()
]]

    -- `program.close` fails when a process is left.
    for _, host in ipairs { "tine", "lua5.4" } do
      for declaration in ("<close>, "):gmatch "([^,]*), ?" do
        it(host .. " stops at once by Ctrl-C in a wait, local pool " .. declaration, function()
          local source = BUSY:format(declaration) .. "io.write 'ready\\n' io.stdout:flush() busy:result()"
          local p = program.start(source, { tine = host == "tine" })
          assert.equal("ready", p:line())
          p:signal("INT", true)
          local ended = p:close()
          assert.matches("interrupted!\nstack traceback:\n", ended.err)
          if host == "tine" then assert.same({ "exit", 130 }, { ended.how, ended.code }) end
        end)
      end
    end

    it("ends the workers at once after an uncaught error", function()
      local ended = program.run(BUSY:format "" .. "error 'enough'", { tine = true })
      assert.same({ "exit", 1 }, { ended.how, ended.code })
      assert.matches("enough\nstack traceback:\n", ended.err)
    end)

    it("ends the workers at once at os.exit", function()
      local ended = program.run(BUSY:format "" .. "os.exit(5)", { tine = true })
      assert.same({ "exit", 5 }, { ended.how, ended.code })
    end)

    it("lets tasks finish when the script has ended", function()
      local ended = program.run([[
local pool = require "tine".pool(1)
pool:submit(function() print "done" end)]], { tine = true })
      assert.same({ "exit", 0, "done\n" }, { ended.how, ended.code, ended.out })
    end)

    it("shows the label and the worker's traceback of a task's error that nobody caught", function()
      local ended = program.run([[
local pool <close> = require "tine".pool(1)
local function culprit() local t return t.field end
pool:with { label = "my job" }:submit(culprit):result()]], { tine = true })
      assert.same({ "exit", 1 }, { ended.how, ended.code })
      assert.matches("attempt to index a nil value %(local 't'%)\nstack traceback:\n.*"
        .. "\nin task my job, whose worker says:\nstack traceback:\n.*:2: in function", ended.err)
    end)

    it("shows nothing of a task beside another error", function()
      local ended = program.run([[
local pool <close> = require "tine".pool(1)
pcall(pool:submit(error, "of a task").result)
pcall(function() pool:submit(error, "of a task"):result() end)
error "my own"]], { tine = true })
      assert.is_nil(ended.err:find "in task")
    end)
  end)
end)
