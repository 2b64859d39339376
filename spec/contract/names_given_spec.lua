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
    local last
    function M.add(sink) last = sink sinks[#sinks + 1] = sink end
    function M.last(x) return last and last:write(x) end
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
    local rules = {
      { "^%d+$", function() return "number" end },
      { "^%d+%.%d+$", function() return "float" end },
      { "^0x", function() return "hex" end },
    }
    function M.order()
      local r = {}
      for i, rule in ipairs(rules) do r[i] = rule[2]() end
      return table.concat(r, " ")
    end
    function M.rule(i, pattern, f) table.insert(rules, i, { pattern, f }) end
    function M.parse(s)
      for _, rule in ipairs(rules) do if s:find(rule[1]) then return rule[2](s) end end
    end
    local chain = function(x) return "end " .. x end
    function M.wrap(f) local next = chain chain = function(x) return f(x, next) end end
    function M.handle(x) return chain(x) end
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
          assert.equal("Bx", run(m.last, "x"))
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

  -- What it had put into a set was not there, if that was in a field of the module, or of an object in it, or if it was
  -- a table with a function as its only method.
  it("is in sets anywhere, tables with functions, too", function()
    local m = modules:add(finally, [[
      local Set = {}
      Set.__index = Set
      function Set.new() return setmetatable({ items = {} }, Set) end
      function Set:run()
        local r = {}
        for item in pairs(self.items) do r[#r + 1] = type(item) == "function" and item() or item.f() end
        table.sort(r)
        return table.concat(r, " ")
      end
      local default, timers = Set.new(), {}
      local M = { items = {}, public = Set.new(), run = Set.run }
      function M.after(f) timers[{ f = f }] = true end
      function M.watch(f) default.items[f] = true end
      function M.timers() return Set.run { items = timers } end
      function M.watched() return default:run() end
      return M
    ]])
    local pool <close> = tine.pool(1)
    local function check(wanted)
      local function all() return m:run(), m.public:run(), m.timers(), m.watched() end
      assert.same(wanted, { pool:submit(all):result(TIMEOUT) })
    end
    m.items[function() return "A" end] = true
    m.public.items[{ f = function() return "B" end }] = true
    m.after(function() return "C" end)
    m.watch(function() return "D" end)
    check { "A", "B", "C", "D" }
    m.items[{ f = function() return "a" end }] = true
    m.public.items[function() return "b" end] = true
    m.after(function() return "c" end)
    m.watch(function() return "d" end)
    check { "A a", "B b", "C c", "D d" }
  end)

  -- It took the place of what the module's file had put there.
  it("is in front of what the module has in a list itself, or behind it", function()
    whenever(function(m, run)
      local function word() return "word" end
      m.rule(1, "^%a+$", word)
      m.rule(1, "^x+$", function() return "x" end)
      m.rule(6, "", function() return "other" end)
      for _ = 1, 2 do
        local got = { run(function() return m.parse "12", m.parse "ab", m.parse "xx", m.parse "?" end) }
        assert.same({ "number", "word", "x", "other" }, got)
      end
    end)
  end)

  local function file_class()
    local File = {}
    File.__index = File
    function File:write(x) return self.path .. x end
    return File
  end

  -- Its data went along without it, as that of a table in a registry does: the list had an item without a class.
  it("is as a whole where it does not go along, too", function()
    local m = modules:add(finally, source)
    m.add(setmetatable({ path = "p", file = io.tmpfile() }, file_class()))
    local pool <close> = tine.pool(1)
    assert.equal("", pool:submit(m.all, "x"):result(TIMEOUT))
  end)

  -- A copy of it was finalized in the worker after each call, and removed the program's file.
  it("stays at home with a finalizer", function()
    local m = modules:add(finally, source)
    local File = file_class()
    function File:__gc() os.remove(self.path) end
    local function new()
      local path = os.tmpname()
      finally(function() os.remove(path) end)
      return setmetatable({ path = path }, File)
    end
    local list, set, variable = new(), new(), new()
    m.add(list)
    m.watch(set)
    m.set(variable)
    local pool <close> = tine.pool(1)
    local function look() return m.all "x", m.notify "x", m.write "x" end
    local function collect() collectgarbage() end
    assert.same({ "", "", "default x" }, { pool:submit(look):result(TIMEOUT) })
    pool:submit(collect):result(TIMEOUT)
    for _, o in ipairs { list, set, variable } do assert(io.open(o.path)):close() end
  end)

  -- It was taken for the module's own, which functions of the module have in variables.
  it("is there if a function of the program's that is in the module has it in a variable", function()
    local m = modules:add(finally, [[
      local M = { plugins = {}, config = { colour = 1 } }
      function M.run(name) return M.plugins[name]:run() end
      return M
    ]])
    local Plugin = {}
    Plugin.__index = Plugin
    function Plugin:run() return self.n end
    local plugin = setmetatable({ n = 5 }, Plugin)
    m.plugins.colour = plugin
    m.run_colour = function() return plugin:run() end
    local pool <close> = tine.pool(1)
    assert.equal(5, pool:submit(m.run, "colour"):result(TIMEOUT))
  end)

  -- It took the place of the module's first when the worker's list was longer.
  it("is in front of what the module has in a list where the worker has put something into it, too", function()
    local m = modules:add(finally, source)
    m.rule(1, "^%d$", function() return "digit" end)
    local pool <close> = tine.pool(1)
    local function look() return m.order() end
    local function add()
      m.rule(4, "^%s$", function() return "space" end)
      return m.order()
    end
    assert.equal("digit number float hex", pool:submit(look):result(TIMEOUT))
    assert.equal("digit number float space hex", pool:submit(add):result(TIMEOUT))
    assert.equal("digit number float space hex", pool:submit(look):result(TIMEOUT))
  end)

  -- Those behind what did not go along left a hole in front of them, so that the list ended there: `#` was 0, or a loop
  -- over it met nil. One in front of others was put in the place of the module's first if the program had data in the
  -- list, too.
  it("leaves no hole in a list where something else does not go along", function()
    local m = modules:add(finally, [[
      local M, list = { items = {} }, {}
      local Own = {}
      Own.__index = Own
      function Own:get() return "own" .. self.n end
      function M.own(n) return setmetatable({ n = n }, Own) end
      function M.add(o) list[#list + 1] = o end
      function M.first(o) table.insert(M.items, 1, o) end
      M.items[1], M.items[2] = M.own(1), M.own(2)
      local function all(l)
        local r = {}
        for i = 1, #l do r[i] = l[i]:get() end
        return table.concat(r, " ")
      end
      function M.all() return all(list), all(M.items) end
      return M
    ]])
    local Item = {}
    Item.__index = Item
    function Item:get() return self.n end
    local function new(n, handle) return setmetatable({ n = n, handle = handle }, Item) end
    local deep = { { { { { io.stdout, io.tmpfile() } } } } }
    for _, o in ipairs { m.own(3), new "a", new("b", io.tmpfile()), new "c", new("d", deep), new "e" } do m.add(o) end
    m.first(new "first")
    m.items[4] = m.own(4)
    local pool <close> = tine.pool(1)
    for _ = 1, 2 do assert.same({ "a c e", "first own1 own2" }, { pool:submit(m.all):result(TIMEOUT) }) end
    local function add()
      m.add(new "task")
      return (m.all())
    end
    assert.equal("a c e task", pool:submit(add):result(TIMEOUT))
  end)

  -- While the initializer ran the program's were there, too, and were put back where they had been: the worker had them
  -- twice, or a list with a hole.
  it("is there once when an initializer gives it to the worker's module, too", function()
    local m = modules:add(finally, source)
    local function prepare()
      local new = class()
      m.add(new "A")
      m.rule(1, "^%d$", function() return "digit" end)
      m.watch(new "B")
      for i = 1, 3 do m.watch(function(x) return i .. x end) end
    end
    prepare()
    for _, options in ipairs { { initializer = prepare }, { preload = prepare } } do
      options.workers = 1
      local pool <close> = tine.pool(options)
      local function look() return m.all "x", m.parse "1", m.parse "12", m.notify "x" end
      for _ = 1, 2 do
        assert.same({ "Ax", "digit", "number", "1x 2x 3x Bx" }, { pool:submit(look):result(TIMEOUT) })
      end
    end
  end)

  it("leaves alone what a task gives to a list of the worker's module", function()
    local m, name = modules:add(finally, source)
    local pool <close> = tine.pool(1)
    local own = load("local name, f = ... return f(require(name))")
    local function in_worker(f) return pool:submit(own, name, f):result(TIMEOUT) end
    local new = class()
    m.add(new "P")
    pool:submit(function() m.add(new "T") end):result(TIMEOUT)
    assert.equal("Tx", in_worker(function(its) return its.all "x" end))
    pool:submit(function() m.rule(1, "^!$", function() return "mark" end) end):result(TIMEOUT)
    assert.equal("mark", in_worker(function(its) return its.parse "!" end))
    assert.equal("mark number float hex", in_worker(function(its) return its.order() end))
    m.rule(2, "^P$", function() return "P" end) -- among the module's own; nothing is left of it, or lost
    assert.equal("number P float hex", m.order())
    pool:submit(function() m.rule(1, "^?$", function() return "ask" end) end):result(TIMEOUT)
    assert.equal("ask mark number float hex", in_worker(function(its) return its.order() end))
  end)

  it("is in its place among others, and away after the call", function()
    local m, name = modules:add(finally, source)
    local pool <close> = tine.pool(1)
    m.rule(3, "^P$", function() return "P" end)
    m.rule(1, "^Q$", function() return "Q" end)
    assert.equal("Q number float P hex", pool:submit(m.order):result(TIMEOUT))
    pool:submit(function() m.rule(1, "^T$", function() return "T" end) end):result(TIMEOUT)
    local own = load("local name = ... return require(name).order()")
    assert.equal("T number float hex", pool:submit(own, name):result(TIMEOUT))
  end)

  -- "module 'm' has no 'wrap.<upvalue 1>.<upvalue 2>' in this process"
  it("may be wrapped around what the module has in a variable", function()
    whenever(function(m, run)
      m.wrap(function(x, next) return "a" .. next(x) end)
      m.wrap(function(x, next) return "b" .. next(x) end)
      assert.equal("baend x", run(m.handle, "x"))
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

  -- "module 'm' is another one": what the spy held was the module's function, so it was taken for a table of that.
  it("may be a stub or a spy of the module's own function", function()
    local spy, stub = require "luassert.spy", require "luassert.stub"
    whenever(function(m, run)
      spy.on(m, "helper")
      assert.equal("helper x", run(m.call_helper, "x"))
      local function look() return m.call_helper "x", #m.helper.calls end
      assert.same({ "helper x", 1 }, { run(look) })
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
