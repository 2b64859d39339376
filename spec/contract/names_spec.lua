-- luacheck: globals names_limit names_helper names_over
-- A name stands only for what the worker really gets under it; see docs/travel.md.
local new_modules = require "spec.support.modules"
local tine = require "tine"
local with_pool = require "spec.support.pools".with

local TIMEOUT = 60

describe("names", function()
  local modules = new_modules "names_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  -- A new module with that source: what `require` gives, its name, its file.
  local function module(source) return modules:add(finally, source) end

  local shapes = [[
    local M = { list = { 1, 2 }, EMPTY = {}, handlers = { plain = function() return "plain" end } }
    local private = { __tostring = function() return "private" end }
    local Class = {}
    Class.__index = Class
    function Class:area() return self.side ^ 2 end
    M.Class = Class
    M.NONE = setmetatable({}, private)
    M.kinds = { A = setmetatable({ "a" }, private), B = setmetatable({ "b" }, private) }
    function M.new(side) return setmetatable({ side = side }, Class) end
    function M.twice(x) return M.one(x) .. M.one(x) end
    function M.one(x) return "one" .. x end
    function M.is_none(x) return x == M.NONE end
    local function make(n) return function() return n end end
    M.make = make
    M.two = make(2)
    M.upper = string.upper
    function M.counter() M.n = (M.n or 0) + 1 return M.n end
    return M
  ]]

  describe("of Lua's own functions", function()
    it("are those that a new state gives them", function()
      local old_upper = string.upper
      finally(function() string.upper = old_upper end) -- luacheck: ignore
      string.upper = string.lower -- luacheck: ignore
      with_pool(function(run)
        assert.equal("ABC", run(old_upper, "abc"))
        assert.equal("abc", run(string.lower, "ABC"))
        assert.is_true(rawequal(old_upper, (run(function() return old_upper end))))
      end)
    end)

    it("go with what the program has put in their place", function()
      local old, old_type = os.time, type
      finally(function() os.time, _G.type = old, old_type end) -- luacheck: ignore
      os.time = function() return 42 end -- luacheck: ignore
      with_pool(function(run)
        local time, t, o = os.time, os, "os"
        assert.equal(42, run(time))
        assert.equal(42, run(function() return os.time() end))
        assert.equal(42, run(function() return t.time() end))
        assert.equal(42, run(function() return _G.os.time() end))
        assert.equal(42, run(function() local lib = os return lib.time() end))
        assert.equal(42, run(function(lib) return lib.time() end, os))
        assert.equal(42, run(load "return os.time()"))
        os.time = old -- luacheck: ignore
        assert.not_equal(42, run(load "return os.time()"))
        assert.not_equal(42, run(function() return t.time(), o end))
        rawset(_G, "type", function() return "mine" end)
        local got = run(load "return type(1)")
        rawset(_G, "type", old_type)
        assert.equal("mine", got)
        assert.equal("number", run(load "return type(1)"))
      end)
    end)

    it("that were taken away are away in the task, too", function()
      local old = os.execute
      finally(function() os.execute = old end) -- luacheck: ignore
      os.execute = nil -- luacheck: ignore
      with_pool(function(run)
        assert.is_nil(run(load "return os.execute"))
        os.execute = old -- luacheck: ignore
        assert.equal("function", run(load "return type(os.execute)"))
      end)
    end)

    it("are joined by data that the program has changed", function()
      local pi, pattern = math.pi, utf8.charpattern
      finally(function() math.pi, utf8.charpattern = pi, pattern end) -- luacheck: ignore
      with_pool(function(run)
        local f = load "return math.pi, utf8.charpattern"
        assert.same({ pi, pattern }, { run(f) })
        math.pi, utf8.charpattern = 3, "x" -- luacheck: ignore
        assert.same({ 3, "x" }, { run(f) })
        math.pi, utf8.charpattern = pi, pattern -- luacheck: ignore
        assert.same({ pi, pattern }, { run(f) })
      end)
    end)

    -- Only the types of what a library holds besides functions and numbers were looked at again.
    it("are joined by the latest data, whichever of its fields a task reads", function()
      local pattern = utf8.charpattern
      finally(function() utf8.charpattern, utf8.flag = pattern, nil end) -- luacheck: ignore
      local u = utf8
      local ways = {
        function(k) return utf8[k] end,
        function(k) local lib = utf8 return lib[k] end,
        function(k) return u[k] end,
        load "local k = ... local lib = utf8 return lib[k]",
      }
      with_pool(function(run)
        local function look(k, wanted)
          for i, way in ipairs(ways) do
            for _ = 1, 4 do
              local got = run(way, k)
              assert(got == wanted and math.type(got) == math.type(wanted), ("%s, way %d: %s"):format(k, i, got))
            end
          end
        end
        look("charpattern", pattern)
        for _, value in ipairs { "changed", "again", pattern } do
          utf8.charpattern = value -- luacheck: ignore
          look("charpattern", value)
        end
        for _, value in ipairs { true, false, true, 0, 0.0, 0, 1 << 53, (1 << 53) + 1, "a", "b", ("long"):rep(50) } do
          utf8.flag = value -- luacheck: ignore
          look("flag", value)
        end
      end)
    end)

    it("are joined by methods of strings that the program has added", function()
      local meta = getmetatable ""
      string.shout = function(s) return s .. "!" end -- luacheck: ignore
      meta.__call = function(s, x) return s .. x end
      finally(function() string.shout, meta.__call = nil, nil end) -- luacheck: ignore
      with_pool(function(run)
        assert.equal("a!", run(function(s) return s:shout() end, "a"))
        local function call(s) return s "b" end
        for _ = 1, 5 do assert.equal("ab", run(call, "a")) end
        assert.is_nil(run(load "return string.shout2"))
      end)
      string.shout, meta.__call = nil, nil -- luacheck: ignore
      with_pool(function(run) assert.is_nil(run(load "return ('').shout")) end)
    end)

    it("stand for the files of io, whatever io holds", function()
      local out, temporary = io.stdout, io.tmpfile()
      finally(function() io.stdout = out temporary:close() end) -- luacheck: ignore
      io.stdout = temporary -- luacheck: ignore
      with_pool(function(run, pool)
        assert.equal("file", run(io.type, out))
        local err = pool:submit(function() return temporary:seek() end):exception(TIMEOUT)
        assert.matches("userdata %(FILE%*%)", tostring(err))
      end)
    end)
  end)

  describe("of a module's functions", function()
    it("are not those of functions that the program has put there", function()
      local m = module(shapes)
      m.one = function(x) return "mine" .. x end
      m.added = function() return m.one "+" end
      m.handlers.mine = function() return "registered" end
      m.Class.perimeter = function(self) return 4 * self.side end
      m.more = { deep = function() return "deep" end }
      with_pool(function(run)
        assert.equal("mine1", run(m.one, 1))
        assert.equal("mine+", run(m.added))
        assert.equal("mine1mine1", run(function() return m.twice(1) end))
        assert.equal("registered", run(function() return m.handlers.mine() end))
        assert.equal("registered", run(m.handlers.mine))
        assert.equal("deep", run(function() return m.more.deep() end))
        assert.equal(12, run(function(s) return s:perimeter() end, m.new(3)))
        -- and the worker's module is as it was
        local name = package.loaded
        assert.equal("table", type(name))
      end)
    end)

    it("are seen changed by that call alone", function()
      local m, name = module(shapes)
      with_pool(function(run)
        local one = m.one
        m.one = function() return "mine" end
        assert.equal("mine", run(function() return m.one() end))
        assert.equal("one1", run(function() return require(name).one(1) end))
        m.one = one
        assert.equal("one1", run(function() return m.one(1) end))
        m.twice = nil
        assert.is_nil(run(function() return m.twice end))
        assert.equal("function", run(function() return type(require(name).twice) end))
        local ok = pcall(run, function() m.two = 1 error "x" end)
        assert.is_false(ok)
      end)
    end)

    -- What was sent before must not decide: each is sent until it is known.
    local function settled(run, ...)
      local result
      for _ = 1, 4 do result = run(...) end
      return result
    end

    it("are seen changed behind another function, and behind another module", function()
      local m, name = module(shapes)
      local outer = module("local m = require '" .. name .. "' local M = {} "
        .. "function M.go(x) return m.twice(x) end return M")
      local tasks = { function(x) return m.twice(x) end, m.twice, function(x) return outer.go(x) end, outer.go }
      local one = m.one
      with_pool(function(run)
        for _ = 1, 2 do
          for i, task in ipairs(tasks) do assert.equal("one1one1", settled(run, task, 1), i) end
          m.one = function() return "mine" end
          for i, task in ipairs(tasks) do assert.equal("minemine", settled(run, task, 1), i) end
          m.one = one
        end
        m.handlers.mine = function() return "handled" end
        assert.equal("handled", run(function() return m.handlers.mine() end))
        m.handlers.mine = nil
        assert.is_nil(run(function() return m.handlers.mine end))
      end)
    end)

    it("are seen changed behind another module when none of its own is left", function()
      local m, name = module "local M = {} function M.get() return 'own' end return M"
      local outer = module("local m = require '" .. name .. "' local M = {} "
        .. "function M.go() return m.get() end return M")
      m.get = function() return "mine" end
      with_pool(function(run)
        for _ = 1, 2 do assert.equal("mine", run(outer.go)) end
        for _ = 1, 2 do assert.equal("mine", run(function() return outer.go() end)) end
      end)
    end)

    it("are seen changed in their private classes", function()
      local m = module [[
        local M, Class = {}, {}
        Class.__index = Class
        Class.__tostring = function(o) return "a " .. o.n end
        function Class:get() return self.n end
        function M.new(n) return setmetatable({ n = n }, Class) end
        return M
      ]]
      local class = getmetatable(m.new(1))
      local printed = function() return tostring(m.new(1)) end
      with_pool(function(run)
        assert.equal("a 1", settled(run, printed))
        local old = class.__tostring
        class.__tostring = function(o) return "another " .. o.n end
        function class:double() return m.new(2 * self.n) end
        assert.equal("another 1", settled(run, printed))
        assert.equal(6, settled(run, function(o) return o:double():get() end, m.new(3)))
        assert.equal(8, settled(run, function() return m.new(4):double():get() end))
        class.__tostring, class.double = old, nil
        assert.equal("a 1", settled(run, printed))
        assert.is_nil(run(function() return m.new(1).double end))
      end)
    end)

    it("keep the program's other names for what it has replaced", function()
      local m = module(shapes)
      local cjson = require "cjson"
      local encode = cjson.encode
      finally(function() cjson.encode, cjson.old_encode = encode, nil end)
      cjson.old_encode, cjson.encode = encode, function(x) return "mine" .. cjson.old_encode(x) end
      m.old_one, m.one = m.one, function(x) return "mine" .. m.old_one(x) end
      with_pool(function(run)
        assert.equal("mine[1]", run(function(t) return cjson.encode(t) end, { 1 }))
        assert.equal("mineone1mineone1", run(function() return m.twice(1) end))
      end)
    end)

    it("reach Lua's own functions as the program has them, sent before or not", function()
      local m = module "local M = {} function M.now() return os.time() end return M"
      local old = os.time
      finally(function() os.time = old end) -- luacheck: ignore
      local task = function() return m.now() end
      with_pool(function(run)
        assert.equal("integer", math.type(settled(run, task)))
        os.time = function() return "never" end -- luacheck: ignore
        assert.equal("never", run(task))
        assert.equal("never", run(m.now))
        os.time = old -- luacheck: ignore
        assert.equal("integer", math.type(run(task)))
      end)
    end)

    it("do not follow functions to other names", function()
      local m = module(shapes)
      local one, new = m.one, m.new
      m.one, m.new = m.new, m.one
      with_pool(function(run)
        assert.equal("one1", run(one, 1))
        assert.equal(4.0, run(function() return new(2):area() end))
        assert.equal("one1", run(function() return m.new(1) end))
      end)
    end)

    it("do not stand for other closures of the same code", function()
      local m = module(shapes)
      assert.equal(2, m.two())
      local three = m.make(3)
      with_pool(function(run)
        assert.equal(2, run(m.two))
        assert.is_true(rawequal(m.two, (run(function() return m.two end))))
        assert.equal(3, run(three))
        m.two = three
        assert.equal(3, run(m.two))
        assert.equal(3, run(function() return m.two() end))
      end)
    end)

    it("that are stubs and spies of a test go along", function()
      local m = module(shapes)
      local spy = require "luassert.spy"
      local original = m.one
      m.one = spy.new(function(x) return "spied" .. x end)
      with_pool(function(run)
        assert.equal("spied1", run(function() return m.one(1) end))
        local result, calls = run(function() local r = m.one(1) return r, #m.one.calls end)
        assert.same({ "spied1", 1 }, { result, calls })
        assert.equal(0, #m.one.calls)
      end)
      m.one = original
    end)

    -- The worker's own function ran instead: of what the program had changed before its first task nobody knew what it
    -- had taken the place of.
    it("are not those that the program has taken away, whenever it did", function()
      local source = [[
        local M = {}
        local function quick() return "quick" end
        M.quick = quick
        function M.slow() return "slow" end
        function M.best() return M.quick and M.quick() or M.slow and M.slow() or "none" end
        return M
      ]]
      local replaced, removed = module(source), module(source)
      replaced.quick = function() return "mine" end
      removed.quick = nil
      with_pool(function(run)
        assert.equal("mine", run(function() return replaced.best() end))
        replaced.quick = nil
        assert.equal("slow", run(function() return replaced.best() end))
        assert.equal("slow", run(function() return removed.best() end))
        removed.slow = nil
        assert.equal("none", run(function() return removed.best() end))
        assert.equal("none", run(removed.best))
      end)
    end)

    -- With more than 1,024 fields it was only looked at when the clock had moved on, by some milliseconds.
    it("are seen changed at once in a large module", function()
      local m = module [[
        local M = {}
        for i = 1, 3000 do M["code" .. i] = i end
        function M.kind() return "original" end
        function M.ask() return M.kind() end
        return M
      ]]
      with_pool(function(_, pool)
        local futures = {}
        for i = 1, 50 do
          m.kind = function() return i end
          futures[i] = pool:submit(function() return m.ask() end)
        end
        for i, future in ipairs(futures) do assert.equal(i, future:result(TIMEOUT)) end
      end)
    end)

    it("keep the state of the worker's module", function()
      local m = module(shapes)
      with_pool(function(run)
        assert.equal(1, run(m.counter))
        assert.equal(2, run(m.counter))
        assert.equal(3, run(function() return m.counter() end))
        assert.is_nil(m.n)
      end)
    end)
  end)

  describe("of modules", function()
    it("are not those of other files", function()
      local m, name, file = module "return { f = function(x) return 'old' .. x end, g = function() return 1 end }"
      local f <close> = assert(io.open(file, "w"))
      f:write "return { f = function(x) return 'new' .. x end, g = function() return 1 end }"
      f:close()
      with_pool(function(run)
        assert.equal("old1", run(m.f, 1))
        assert.equal("old1", run(function() return m.f(1) end))
        assert.equal("new1", run(function() return require(name).f(1) end))
      end)
    end)

    it("are not those of files that were changed, for a pool made before either", function()
      local m, _, file = module "return { f = function(x) return 'old' .. x end }"
      with_pool(function(run)
        local other <close> = tine.pool(1)
        for _ = 1, 3 do assert.equal("old1", run(m.f, 1)) end
        local f <close> = assert(io.open(file, "w"))
        f:write "return { f = function(x) return 'newer' .. x end }"
        f:close()
        assert.equal("old1", run(m.f, 1))
        assert.equal("old1", other:submit(m.f, 1):result(TIMEOUT))
        assert.equal("old1", other:submit(function() return m.f(1) end):result(TIMEOUT))
      end)
    end)

    it("are not those of files that were changed between two tasks", function()
      local m, name, file = module "return { f = function(x) return 'old' .. x end }"
      with_pool(function(run)
        assert.equal("old1", run(m.f, 1))
        local f <close> = assert(io.open(file, "w"))
        f:write "\nreturn { f = function(x) return 'new' .. x end, more = 1 }"
        f:close()
        assert.equal("old2", run(m.f, 2))
        package.loaded[name] = nil
        m = require(name)
        local ok, err = pcall(run, m.f, 1) -- the worker has the old one: an error, or a copy of the new one
        if ok then return assert.equal("new1", err) end
        assert.equal("serialization", tine.kind(err))
        assert.matches("module '" .. name .. "' is another one in this process", tostring(err))
        assert.matches(file, tostring(err), 1, true)
      end)
      with_pool(function(run) assert.equal("new1", run(m.f, 1)) end)
    end)

    it("are not those of another folder's or path's", function()
      local m, name = module "return { f = function() return 'first' end }"
      local other = modules.dir .. "/other"
      os.execute("mkdir -p " .. other)
      local f <close> = assert(io.open(("%s/%s.lua"):format(other, name), "w"))
      f:write "return { f = function() return 'second' end }"
      f:close()
      local old = package.path
      package.path = other .. "/?.lua;" .. package.path
      finally(function() package.path = old end)
      with_pool(function(run)
        assert.equal("first", run(m.f))
        assert.equal("first", run(function() return m.f() end))
      end)
    end)

    it("are not those of fakes in package.loaded", function()
      local m, name = module(shapes)
      assert.equal("one1", m.one(1))
      package.loaded[name] = { one = function(x) return "fake" .. x end, EMPTY = {} }
      local fake = require(name)
      with_pool(function(run)
        assert.equal("fake1", run(fake.one, 1))
        assert.equal("fake1", run(function() return fake.one(1) end))
        assert.equal("one1", run(m.one, 1))
      end)
    end)

    it("work from relative paths, before and after a change of directory", function()
      local script = modules.dir .. "/relative.lua"
      local f <close> = assert(io.open(script, "w"))
      f:write(([[
        package.path = "./?.lua;" .. %q .. package.path
        local tine, lfs = require "tine", require "lfs"
        local m = require "relative_module"
        local pool <close> = tine.pool(1)
        lfs.chdir "/"
        local function same() return m == require "relative_module" and "y" or "n" end
        io.write(pool:submit(m.f):result(), pool:submit(same):result())
        local other <close> = tine.pool(1)
        io.write(other:submit(m.f):result(), other:submit(function() return m.f() end):result())
      ]]):format(package.path .. ";"))
      f:close()
      local g <close> = assert(io.open(modules.dir .. "/relative_module.lua", "w"))
      g:write "return { f = function() return 'f' end }"
      g:close()
      local p = io.popen(("cd %s && lua5.4 relative.lua 2>&1"):format(modules.dir))
      assert.equal("fyff", p:read "a")
      p:close()
    end)
  end)

  describe("of what a module recognizes", function()
    it("stand for it on both sides", function()
      local m = module(shapes)
      with_pool(function(run)
        for _, v in ipairs { m.NONE, m.EMPTY, m.list, m.kinds, m.kinds.A, m.kinds.B, m.Class, getmetatable(m.NONE) } do
          assert.is_true(rawequal(v, (run(function(x) return x end, v))))
        end
        assert.is_true(run(m.is_none, m.NONE))
        assert.is_true(run(function(t) return t.x == m.NONE and t.list[1] == m.kinds.B end,
          { x = m.NONE, list = { m.kinds.B } }))
        assert.equal(m.Class, getmetatable(run(m.new, 1)))
        assert.is_true(rawequal(m.kinds.A, run(function() return { m.kinds.A } end)[1]))
        assert.equal("private", tostring(run(function() return m.NONE end)))
      end)
    end)

    it("are its data as long as they are the same", function()
      local m, name = module(shapes)
      m.list[1] = 10
      with_pool(function(run)
        local list = m.list
        assert.equal(10, run(function() return list[1] end))
        assert.is_false(run(function() return list == require(name).list end))
        m.list[1] = 1
        assert.is_true(run(function() return list == require(name).list end))
        run(function() require(name).list[1] = 5 end)
        assert.equal(1, run(function() return list[1] end))
        assert.equal(5, run(function() return m.list[1] end))
      end)
    end)
  end)

  describe("of globals", function()
    it("are found however they are read", function()
      rawset(_G, "names_limit", 7)
      rawset(_G, "names_helper", function() return names_limit end)
      finally(function() rawset(_G, "names_limit", nil) rawset(_G, "names_helper", nil) end)
      with_pool(function(run)
        assert.equal(7, run(load "return _G.names_limit"))
        assert.equal(7, run(load "return _G.names_helper()"))
        assert.equal(7, run(load(string.dump(load "return names_helper()", true))))
        assert.equal(7, run(load "return (function() return _G.names_limit end)()"))
        local many = {}
        for i = 1, 70000 do many[i] = "x = " .. i .. ".25" end
        local ok, f = pcall(load, "local x " .. table.concat(many, " ") .. " return names_limit")
        if ok and f then assert.equal(7, run(f)) end
        assert.equal(7, run(load "local g = _G local x = 1 x = x + 1 return g.names_limit, x"))
        assert.equal(7, run(load "local e = _ENV return e.names_helper()"))
        local texts = {}
        for i = 1, 300 do texts[i] = "'text " .. i .. "'" end
        assert.equal(307, run(load("local t = { " .. table.concat(texts, ", ") .. " } return #t + _G.names_helper()")))
        assert.is_nil(run(load "return rawget(_G, 'names_limit')"))
      end)
    end)
  end)

  describe("of environments", function()
    it("let the table's own fields win, and keep what is written", function()
      local env = setmetatable({ tostring = function() return "own" end, n = 1 }, { __index = _G })
      local get = load("return tostring(1), n, math.max(1, 2)", "=e", "t", env)
      local set = load("n = n + 1 new = n return n", "=e", "t", env)
      local both = function() return set(), (select(2, get())) end
      with_pool(function(run)
        assert.same({ "own", 1, 2 }, { run(get) })
        assert.same({ 2, 2 }, { run(both) })
        assert.equal(2, run(set))
        assert.is_nil(run(load "return n"))
        assert.is_nil(run(load "return new"))
        assert.equal(1, env.n)
        assert.same({ 2, 2 }, run(function(f) return { f(), (f.x) } end, setmetatable({ x = 2 }, { __call = set })) )
      end)
    end)
  end)
end)
