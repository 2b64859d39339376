-- What a module holds under several names, or the program has put in another's place: the object that arrives is the
-- one that was meant, or a copy, or there is an error. See docs/travel.md, "By name or by value".
local new_modules = require "spec.support.modules"
local tine = require "tine"
local with_pool = require "spec.support.pools".with

local TIMEOUT = 60

describe("an object with several names", function()
  local modules = new_modules "objects_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  -- A new module with that source: what `require` gives, its name.
  local function module(source) return modules:add(finally, source) end

  local function refused(pool, ...)
    local err = pool:submit(...):exception(TIMEOUT)
    assert.equal("serialization", tine.kind(err))
    return tostring(err)
  end

  describe("that is userdata", function()
    it("is not Lua's own file when the program has opened another one", function()
      local log = module [[
        local M = { out = io.stderr }
        function M.write(s) M.out:write(s, "\n") end
        return M
      ]]
      local mine <close> = assert(io.tmpfile())
      log.out = mine
      with_pool(function(_, pool)
        local function which(f) return tostring(f) == tostring(io.stderr) end
        assert.matches("something else as 'out'", refused(pool, which, mine))
        assert.matches("something else as 'out'", refused(pool, function() return mine:write "lost" end))
      end)
    end)

    it("is of the same class", function()
      local lpeg = require "lpeg"
      local m = module [[return { thing = require "lpeg".P "a", f = function() end }]]
      local mine <close> = assert(io.tmpfile())
      m.thing = mine
      with_pool(function(_, pool)
        assert.matches("something else as 'thing'", refused(pool, function(x) return x end, mine))
      end)
      assert.is_true(lpeg.match(lpeg.P "a", "a") == 2)
    end)

    it("is found by its address when it is light", function()
      local cjson = require "cjson"
      local null = cjson.null
      finally(function() cjson.null = null end)
      cjson.null = cjson.empty_array
      with_pool(function(run)
        assert.is_true(run(function(x) return x == require "cjson".empty_array end, cjson.empty_array))
      end)
    end)
  end)

  describe("that is a function made in a loop", function()
    local source = [[
      local M = {}
      for _, name in ipairs { "red", "green", "blue" } do
        M[name] = function(s) return name .. ":" .. s end
      end
      return M
    ]]

    it("is itself, though the program has given it another name", function()
      local colors = module(source)
      colors.b = colors.blue
      with_pool(function(run)
        assert.equal("blue:x", run(colors.b, "x"))
        assert.equal("blue:x", run(colors.blue, "x"))
        assert.equal("red:x", run(colors.red, "x"))
        assert.equal("red:x green:x", run(function() return colors.red "x" .. " " .. colors.green "x" end))
      end)
    end)

    it("is itself when the module has another name for it, and changes that", function()
      local colors = module(source:gsub("return M", [[
        M.use = M.red
        function M.choose(n) M.use = M[n] end
        return M]]))
      colors.choose "green"
      with_pool(function(run)
        assert.equal("green:x", run(colors.green, "x"))
        assert.equal("red:x", run(colors.red, "x"))
      end)
    end)

    it("is told from its twin on the same line", function()
      local m = module [[
        local M = {}
        do local v = 1 M.a = function() return v end end do local v = 2 M.b = function() return v end end
        return M
      ]]
      m.a, m.b = m.b, m.a
      with_pool(function(run)
        assert.equal(2, run(m.a))
        assert.equal(1, run(m.b))
      end)
    end)

    it("is the worker's own when that is the same", function()
      local colors = module(source)
      with_pool(function(run)
        assert.is_true(rawequal(colors.red, (run(function(f) return f end, colors.red))))
      end)
    end)
  end)

  describe("that is a sentinel", function()
    local function check(m)
      with_pool(function(run)
        assert.equal("stopped", run(m.label, m.stopped()))
        assert.equal("running", run(m.label, m.running()))
        assert.is_true(rawequal(m.stopped(), (run(m.stopped))))
        assert.is_true(rawequal(m.running(), (run(m.running))))
        run(m.stop) -- the worker's state is another one from now on
        assert.equal("stopped", run(m.label, m.stopped()))
        assert.equal("running", run(m.label, m.running()))
        assert.is_true(rawequal(m.stopped(), (run(m.stopped))))
        assert.is_true(rawequal(m.running(), (run(m.running))))
      end)
    end
    local ends = [[
      function M.running() return RUNNING end
      function M.stopped() return STOPPED end
      function M.label(s) return s == RUNNING and "running" or s == STOPPED and "stopped" or "unknown" end
      return M
    ]]
    local sources = {
      ["a field"] = [[
        local M = { RUNNING = {}, STOPPED = {} }
        M.now = M.RUNNING
        function M.stop() M.now = M.STOPPED end
        function M.running() return M.RUNNING end
        function M.stopped() return M.STOPPED end
        function M.label(s) return s == M.RUNNING and "running" or s == M.STOPPED and "stopped" or "unknown" end
        return M
      ]],
      ["a field farther away"] = [[
        local M = { states = { RUNNING = {}, STOPPED = {} } }
        local s = M.states
        M.now = s.RUNNING
        function M.stop() M.now = s.STOPPED end
        function M.running() return M.states.RUNNING end
        function M.stopped() return M.states.STOPPED end
        function M.label(x) return x == s.RUNNING and "running" or x == s.STOPPED and "stopped" or "unknown" end
        return M
      ]],
      ["a local"] = [[
        local RUNNING, STOPPED = {}, {}
        local M = { RUNNING = RUNNING, STOPPED = STOPPED, now = RUNNING }
        function M.stop() M.now = STOPPED end
      ]] .. ends,
      ["a private one"] = [[
        local RUNNING, STOPPED = {}, {}
        local now = RUNNING
        local M = {}
        function M.get() return now end
        function M.stop() now = STOPPED end
        function M.at() return now end
      ]] .. ends,
      ["one with a metatable"] = [[
        local mt = { __tostring = function() return "a state" end }
        local RUNNING, STOPPED = setmetatable({}, mt), setmetatable({}, mt)
        local M = { RUNNING = RUNNING, STOPPED = STOPPED, now = RUNNING }
        function M.stop() M.now = STOPPED end
      ]] .. ends,
      ["one that a loop makes"] = [[
        local M = {}
        for _, name in ipairs { "RUNNING", "STOPPED" } do M[name] = {} end
        local RUNNING, STOPPED = M.RUNNING, M.STOPPED
        M.now = RUNNING
        function M.stop() M.now = STOPPED end
      ]] .. ends,
    }

    for what, source in pairs(sources) do
      it("in " .. what .. " is itself, whatever the variable says here", function()
        local m = module(source)
        m.stop()
        check(m)
      end)
      it("in " .. what .. " is itself, whatever the variable says there", function()
        check(module(source))
      end)
    end

    it("is itself when the variable by which it was known has changed", function()
      local m = module [[
        local A, B = {}, {}
        local M = { now = A }
        function M.use(x) M.now = x end
        function M.a() return A end
        function M.b() return B end
        return M
      ]]
      with_pool(function(run)
        assert.equal(1, run(function() return 1 end))
        m.use(m.b())
        assert.is_true(run(function(x) return x == m.a() end, m.a()))
        assert.is_true(run(function(x) return x == m.b() end, m.b()))
      end)
    end)

    it("is itself, or a copy, when the program has given it another name", function()
      local m = module [[return { RED = {}, BLUE = {}, label = function(m, x)
        return x == m.RED and "red" or x == m.BLUE and "blue" or "unknown" end }]]
      m.B = m.BLUE
      with_pool(function(run, _)
        assert.equal("blue", run(function(x) return m.label(m, x) end, m.B))
      end)
    end)
  end)

  describe("that is a class", function()
    it("is itself when the program has chosen it", function()
      local m = module [[
        local M = {}
        M.mysql = {} function M.mysql.go() return "mysql" end
        M.sqlite = {} function M.sqlite.go() return "sqlite" end
        M.driver = M.mysql
        return M
      ]]
      m.driver = m.sqlite
      with_pool(function(run)
        assert.equal("sqlite", run(function(d) return d.go() end, m.sqlite))
        assert.equal("sqlite", run(function(o) return o.go() end, setmetatable({}, { __index = m.sqlite })))
        assert.equal("sqlite", run(m.sqlite.go))
        assert.equal("mysql", run(m.mysql.go))
        assert.is_true(rawequal(m.sqlite, (run(function(d) return d end, m.sqlite))))
      end)
    end)

    it("is itself when it is private, and what is used now is a variable", function()
      local m = module [[
        local Mem, Disk = {}, {}
        Mem.__index, Disk.__index = Mem, Disk
        function Mem:kind() return "mem" end
        function Disk:kind() return "disk" end
        local use = Mem
        local M = { mem = function() return Mem end, disk = function() return Disk end }
        function M.choose(c) use = c end
        function M.open() return setmetatable({}, use) end
        return M
      ]]
      m.choose(m.disk())
      with_pool(function(run)
        assert.equal("disk", run(function(o) return o:kind() end, m.open()))
        assert.equal("mem", run(function(o) return o:kind() end, setmetatable({}, m.mem())))
      end)
    end)

    it("is found by its functions where the program has swapped two", function()
      local m = module [[
        local M = {}
        M.Square = {} M.Square.__index = M.Square
        function M.Square:name() return "square" end
        M.Circle = {} M.Circle.__index = M.Circle
        function M.Circle:name() return "circle" end
        return M
      ]]
      m.Square, m.Circle = m.Circle, m.Square
      with_pool(function(run)
        assert.equal("circle", run(function(o) return o:name() end, setmetatable({}, m.Square)))
        assert.equal("square", run(function(o) return o:name() end, setmetatable({}, m.Circle)))
      end)
    end)

    -- It looks for methods in several parents, and keeps what it has found: after the worker's first task its own class
    -- had more in it than the one that came, and was taken for another.
    it("is itself where it has found more methods than the one that was sent", function()
      local m = module [[
        local M = { Named = {}, Counted = {} }
        function M.Named:get() return self.name end
        function M.Counted:count() return #self end
        local function class(...)
          local parents, c = { ... }, {}
          c.__index = c
          return setmetatable(c, { __index = function(_, k)
            for _, p in ipairs(parents) do if p[k] then c[k] = p[k] return p[k] end end
          end })
        end
        M.Both = class(M.Named, M.Counted)
        function M.new(name) return setmetatable({ name = name }, M.Both) end
        function M.is(x) return getmetatable(x) == M.Both end
        return M
      ]]
      local x = m.new "x"
      with_pool(function(run)
        local function task(o) return m.is(o), o:get() end
        for _ = 1, 3 do assert.same({ true, "x" }, { run(task, x) }) end
        assert.equal(0, x:count())
        for _ = 1, 3 do assert.same({ true, "x" }, { run(task, x) }) end
      end)
    end)

    it("is an error where nothing here is it", function()
      local m, name = module [[
        local M = {}
        M.Square = {}
        function M.Square:name() return "square" end
        M.Circle = {}
        function M.Circle:name() return "circle" end
        return M
      ]]
      with_pool(function(run, pool)
        run(function()
          local its = require(name)
          its.Circle = its.Square
        end)
        local Circle = m.Circle
        assert.matches("something else as 'Circle'", refused(pool, function() return Circle.name() end))
      end)
    end)

    it("is itself though the worker has put another function into it", function()
      local m, name = module [[
        local M = {}
        M.Square = {}
        function M.Square:slow() return "slow" end
        function M.Square:fast() return "fast" end
        return M
      ]]
      with_pool(function(run)
        run(function()
          local its = require(name)
          its.Square.fast = its.Square.slow
        end)
        assert.equal("slow", run(function(c) return c.fast() end, m.Square))
        run(function() require(name).Square.fast = function() return "new" end end)
        assert.equal("new", run(function(c) return c.fast() end, m.Square))
      end)
    end)
  end)

  -- With its methods in its own fields it was taken for a class, of which the worker has its own: the task got what the
  -- worker's module had made in its place, or the result was an error here.
  for how, object in pairs {
    ["that are locals of the module"] = "{ v = v, get = get }",
    ["that are the module's"] = "{ v = v, get = M.get }",
    ["that are another table's, by name"] = "{ v = v, get = methods.get }",
    ["that are another table's, in a loop"] = "copy { v = v }",
  } do
    describe("that has methods in its fields " .. how, function()
      local source = ([[
        local M, list, named, methods = {}, {}, {}, {}
        local function get(self) return self.v end
        function M.get(self) return self.v end
        function methods.get(self) return self.v end
        local function copy(o) for k, v in pairs(methods) do o[k] = v end return o end
        function M.new(name, v)
          local o = %s
          list[#list + 1], named[name] = o, o
          return o
        end
        function M.named(name) return named[name] end
        return M, get, copy
      ]]):format(object)
      local function get(o) return o:get() end

      it("is itself where the worker's module has made others", function()
        local m = module(source)
        local first = m.new("first", 0)
        with_pool(function(run)
          run(function() m.new("x", 50) m.new("a", 100) m.new("c", 300) end)
          local a, b = m.new("a", 1), m.new("b", 2)
          assert.same({ 0, 1, 2 }, { run(get, first), run(get, a), run(get, b) })
          assert.same({ 0, 1, 2 }, { run(function() return first:get(), a:get(), b:get() end) })
        end)
      end)

      it("is itself when the program's module has made others", function()
        local m = module(source)
        with_pool(function(run)
          m.new("a", 1)
          assert.same({ 100, 200 }, { run(m.new, "a", 100):get(), run(m.new, "b", 200):get() })
        end)
      end)

      it("is the one that the module finds in the task", function()
        local m = module(source)
        local a = m.new("a", 1)
        with_pool(function(run)
          run(function() m.new("a", 1) end)
          assert.is_true(run(function(o) return o == m.named "a" end, a))
        end)
      end)
    end)
  end

  describe("that is another module's function", function()
    local function two()
      local other, name = module [[
        local M = {}
        function M.f() return "other's" end
        function M.g() return "g" end
        return M
      ]]
      local m = module(([[
        local other = require "%s"
        local M = {}
        function M.f() return "own" end
        function M.use() return M.f() .. " " .. (M.extra and M.extra() or "none") end
        function M.other() return other.f() end
        return M
      ]]):format(name))
      return m, other
    end

    -- It was taken for the module's own, as the module's code names the other.
    it("is there under a name that only the program has given it", function()
      local m, other = two()
      m.extra = other.g
      with_pool(function(run)
        for _ = 1, 3 do assert.equal("own g", run(m.use)) end
      end)
    end)

    -- It was looked for under its new name, and when it was not found the module's own was called.
    it("is itself when it was swapped with the module's own", function()
      local m, other = two()
      m.f, other.f = other.f, m.f
      with_pool(function(run)
        for _ = 1, 3 do
          assert.equal("other's none", run(m.use))
          assert.equal("own", run(m.other))
          assert.same({ "other's", "own" }, { run(function() return m.f(), other.f() end) })
        end
      end)
    end)
  end)
end)
