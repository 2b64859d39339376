-- Objects, stubs and the like that the program gives to a module; see docs/travel.md.
local new_modules = require "spec.support.modules"
local tine = require "tine"

local TIMEOUT = 60

describe("what the program gives to a module", function()
  local modules = new_modules "given_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  local source = [[
    local sinks, watchers, names = {}, {}, {}
    local out, level = { write = function(_, x) return "default " .. x end }, {}
    local M = { format = { show = function(_, x) return "plain " .. x end }, level = level, NONE = {} }
    function M.add(sink) sinks[#sinks + 1] = sink end
    function M.all(x)
      local r = {}
      for i, s in ipairs(sinks) do r[i] = s:write(x) end
      return table.concat(r, " ")
    end
    function M.set(sink) out = sink end
    function M.write(x) return out:write(x) end
    function M.show(x) return M.format:show(x) end
    function M.watch(o) watchers[o] = true end
    function M.notify(x)
      local r = {}
      for o in pairs(watchers) do r[#r + 1] = type(o) == "table" and o:write(x) or o(x) end
      table.sort(r)
      return table.concat(r, " ")
    end
    function M.name(o, name) names[o] = name end
    function M.name_of(o) return names[o] end
    function M.get_level() return level.get and level.get() end
    function M.helper(x) return "helper " .. x end
    function M.call_helper(x) return M.helper(x) end
    M.Point = {}
    M.Point.__index = M.Point
    function M.point(x) return setmetatable({ x = x }, M.Point) end
    function M.Point:get() return self.x end
    M.origin = M.point(0)
    function M.is_origin(p) return p == M.origin end
    return M
  ]]

  local function class()
    local Sink = {}
    Sink.__index = Sink
    function Sink:write(x) return self.name .. x end
    function Sink:show(x) return self.name .. x end
    return function(name) return setmetatable({ name = name }, Sink) end
  end
  -- Some ways to give an object its methods.
  local makers = {
    ["a class that is its own __index"] = class(),
    ["methods in a table of their own"] = function(name)
      local function write(self, x) return self.name .. x end
      return setmetatable({ name = name }, { __index = { write = write, show = write } })
    end,
    ["methods of a class's parent"] = function(name)
      local parent = getmetatable(class()(""))
      local child = setmetatable({}, { __index = parent })
      child.__index = child
      return setmetatable({ name = name }, child)
    end,
    ["methods from a function"] = function(name)
      return setmetatable({ name = name }, {
        __index = function(self, _) return function(_, x) return self.name .. x end end,
      })
    end,
  }

  -- `f` with a function that runs something in a worker, before anything was sent and after that.
  local function whenever(f)
    for _, later in ipairs { false, true } do
      local m = modules:add(finally, source)
      local pool <close> = tine.pool(1)
      local function run(...) return pool:submit(...):result(TIMEOUT) end
      if later then assert.equal("default a", run(m.write, "a")) end
      f(m, run)
    end
  end

  -- They stayed at home, or came without their methods: the module's default ran instead.
  for how, new in pairs(makers) do
    it("is there in tasks, objects with " .. how, function()
      whenever(function(m, run)
        m.add(new "A")
        m.add(new "B")
        m.set(new "C")
        m.format = new "D"
        for _ = 1, 2 do
          assert.equal("Ax Bx", run(m.all, "x"))
          assert.equal("Cx", run(m.write, "x"))
          assert.equal("Dx", run(function() return m.show "x" end))
        end
      end)
    end)
  end

  it("is as it is at each call", function()
    whenever(function(m, run)
      local sink = class() "A"
      m.add(sink)
      assert.equal("Ax", run(m.all, "x"))
      sink.name = "B"
      assert.equal("Bx", run(m.all, "x"))
      getmetatable(sink).write = function(_, x) return "new " .. x end
      assert.equal("new x", run(m.all, "x"))
    end)
  end)

  it("is one with the task's argument", function()
    whenever(function(m, run)
      local sink = class() "A"
      m.format = sink
      assert.is_true(run(function(s) return m.format == s end, sink))
    end)
  end)

  -- Sets of functions are how many modules keep subscribers.
  it("is in sets, functions as well as objects, and what is noted of them", function()
    whenever(function(m, run)
      local sink = class() "A"
      m.watch(function(x) return "f" .. x end)
      m.watch(sink)
      m.name(sink, "first")
      assert.equal("Ax fx", run(m.notify, "x"))
      assert.equal("first", run(function(s) return m.name_of(s) end, sink))
    end)
  end)

  it("is none of the module's own objects, whose class the program has added to", function()
    whenever(function(m, run)
      function m.Point:double() return 2 * self.x end
      local function look(p) return m.is_origin(p), p == m.origin, p:double() end
      assert.same({ true, true, 0 }, { run(look, m.origin) })
    end)
  end)

  it("may be a metatable, for a table that functions of the module hold, too", function()
    whenever(function(m, run)
      setmetatable(m.level, { __index = { get = function() return "given" end } })
      assert.same({ "given", "given" }, { run(function() return m.get_level(), m.level.get() end) })
      setmetatable(m, { __index = { extra = function() return "extra" end } })
      assert.equal("extra", run(function() return m.extra() end))
    end)
  end)

  -- "module 'm' is another one": what the spy held was one of the module's functions, so it was taken for a table of that.
  it("may be a stub or a spy of the module's own function", function()
    local spy, stub = require "luassert.spy", require "luassert.stub"
    whenever(function(m, run)
      spy.on(m, "helper")
      assert.equal("helper x", run(m.call_helper, "x"))
      assert.same({ "helper x", 1 }, { run(function() return m.call_helper "x", #m.helper.calls end) })
      m.helper:revert()
      stub(m, "helper", "stubbed")
      assert.equal("stubbed", run(m.call_helper, "x"))
      m.helper:revert()
      assert.equal("helper x", run(m.call_helper, "x"))
    end)
  end)

  it("may be a __call for a class, which remains that class", function()
    whenever(function(m, run)
      setmetatable(m.Point, { __call = function(_, x) return m.point(x) end })
      local function look(p) return m.Point(4):get(), getmetatable(p) == m.Point end
      assert.same({ 4, true }, { run(look, m.point(1)) })
    end)
  end)
end)

describe("a C library's function under a second name", function()
  -- It was nil in tasks when that was done before the first of them.
  it("has that in tasks, too", function()
    local lfs = require "lfs"
    finally(function() lfs.list = nil end)
    lfs.list = lfs.dir
    local pool <close> = tine.pool(1)
    assert.same({ "function", true },
                { pool:submit(function() return type(lfs.list), lfs.list == lfs.dir end):result(TIMEOUT) })
  end)
end)
