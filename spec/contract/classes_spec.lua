-- Classes of modules that keep their methods in tables of their own, as middleclass's do: a class and its instances are
-- themselves on both sides, whatever the program has derived from it. See docs/travel.md, "By name or by value".
local new_modules = require "spec.support.modules"
local with_pool = require "spec.support.pools".with

-- As middleclass makes its classes: methods lie in `__instanceDict`, subclasses in a weak table, and all of them hold
-- one another.
local CLASS_LIBRARY <const> = [[
  local function propagate(class, name, f)
    class.__instanceDict[name] = f
    for subclass in pairs(class.subclasses) do
      if rawget(subclass.__declaredMethods, name) == nil then propagate(subclass, name, f) end
    end
  end
  local function declare(class, name, f)
    class.__declaredMethods[name] = f
    propagate(class, name, f)
  end
  local function create(name, super)
    local dict = {}
    dict.__index = dict
    local class = { name = name, super = super, static = {}, __instanceDict = dict, __declaredMethods = {},
      subclasses = setmetatable({}, { __mode = "k" }) }
    setmetatable(class.static, { __index = function(_, k)
      local v = rawget(dict, k)
      if v == nil and super then v = super.static[k] end
      return v
    end })
    return setmetatable(class, { __index = class.static, __tostring = function() return "class " .. name end,
      __call = function(self, ...) return self:new(...) end, __newindex = declare })
  end
  local function setup(class)
    class.static.new = function(self, ...)
      local object = setmetatable({ class = self }, self.__instanceDict)
      object:initialize(...)
      return object
    end
    class.initialize = function() end
    class.is = function(self, other)
      local c = self.class
      while c and c ~= other do c = c.super end
      return c == other
    end
    return class
  end
  return function(name, super)
    if not super then return setup(create(name)) end
    local class = create(name, super)
    for k, f in pairs(super.__instanceDict) do if k ~= "__index" then propagate(class, k, f) end end
    super.subclasses[class] = true
    return class
  end
]]

describe("a class that keeps its methods in a table of its own", function()
  local modules = new_modules "classes_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  -- The class library, a module with two classes of it, and the module's name.
  local function new_classes()
    local class, library = modules:add(finally, CLASS_LIBRARY)
    local shapes, name = modules:add(finally, ([[
      local class = require %q
      local Shape = class "Shape"
      function Shape:initialize(n) self.n = n end
      function Shape:area() return 0 end
      local Square = class("Square", Shape)
      function Square:area() return self.n * self.n end
      Square.__eq = function(a, b) return a.n == b.n end
      return { Shape = Shape, Square = Square }
    ]]):format(library))
    return class, shapes, name
  end

  local function check(run, shapes, name)
    assert.is_true(run(function(c) return c == require(name).Square end, shapes.Square))
    assert.is_true(run(function(s) return s.class == require(name).Square end, shapes.Square(2)))
    assert.same({ 4, true, true }, { run(function(s)
      return s:area(), s:is(require(name).Shape), s == require(name).Square(2)
    end, shapes.Square(2)) })
    assert.is_true(rawequal(shapes.Square, (run(function() return shapes.Square end))))
    local back = run(function() return require(name).Square(9) end)
    assert.is_true(rawequal(shapes.Square, back.class))
    assert.is_true(back:is(shapes.Shape))
    assert.equal(81, back:area())
  end

  it("is the worker's own, and comes back", function()
    local _, shapes, name = new_classes()
    with_pool(function(run) check(run, shapes, name) end)
  end)

  it("is so when the program has derived classes from it, and added methods", function()
    local class, shapes, name = new_classes()
    with_pool(function(run)
      run(shapes.Shape.initialize, {}, 1)
      local Cube = class("Cube", shapes.Square)
      function Cube:volume() return self.n ^ 3 end
      check(run, shapes, name)
      assert.same({ 8.0, 4, true }, { run(function(c)
        return c:volume(), c:area(), c:is(require(name).Shape)
      end, Cube(2)) })
      local back = run(function() return Cube(3) end)
      assert.is_true(back:is(shapes.Square))
      assert.equal(27.0, back:volume())
      function shapes.Shape:describe() return "of " .. self.n end
      assert.same({ "of 2", "of 3" }, { run(function(s)
        return s:describe(), Cube(3):describe()
      end, shapes.Square(2)) })
      check(run, shapes, name)
    end)
  end)

  -- Of the ways to Base the one over the metatable of Sub is the better one: the file makes that, where M.Base is a
  -- second name.
  it("is found where it is still, when the program has changed another way there", function()
    local m = modules:add(finally, [[
      local Base = {}
      Base.__index = Base
      function Base.new(x) return setmetatable({ x = x }, Base) end
      function Base:get() return self.x end
      local Sub = setmetatable({}, { __index = Base })
      Sub.__index = Sub
      function Sub:name() return "sub" end
      return { Base = Base, Sub = Sub }
    ]])
    with_pool(function(run)
      assert.is_true(run(function(c) return c == m.Base end, m.Base))
      getmetatable(m.Sub).__index = { get = m.Base.get, other = function() return "other" end }
      assert.same({ true, "other" }, { run(function(c) return c == m.Base, m.Sub:other() end, m.Base) })
      assert.is_true(rawequal(m.Base, (run(function() return m.Base end))))
      setmetatable(m.Base, { __index = function(_, k) return function() return k end end })
      assert.equal("any", run(function() return m.Base.new(1):any() end))
      assert.equal("any", run(function(o) return o:any() end, m.Base.new(1)))
    end)
  end)

  -- A stub has a metatable, and holds the module in a table.
  it("is not what the program puts in a function's place", function()
    local url = require "socket.url"
    local stub = require "luassert.stub"
    local s = stub(url, "escape").returns "stubbed"
    finally(function() s:revert() end)
    with_pool(function(run)
      assert.equal("stubbed", run(function() return url.escape "a b" end))
      assert.equal("stubbed", run(url.escape, "a b"))
      s:revert()
      assert.equal("a%20b", run(function() return url.escape "a b" end))
    end)
  end)

  it("is not another one that the program has put in its place", function()
    local _, shapes = new_classes()
    local Shape, Square = shapes.Shape, shapes.Square
    shapes.Shape, shapes.Square = Square, Shape
    with_pool(function(run)
      assert.same({ "Square", 4 }, { run(function(c) return c.name, c(2):area() end, Square) })
      assert.same({ "Shape", 0 }, { run(function(c) return c.name, c(2):area() end, Shape) })
    end)
  end)
end)
