-- What the program has given to a module that keeps it among its own things; see docs/travel.md.
local new_modules = require "spec.support.modules"
local tine = require "tine"

local TIMEOUT = 60

describe("what a module keeps for the program", function()
  local modules = new_modules "registries_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  local source = [[
    local hooks, listeners, plugins, wrapped, kinds = {}, {}, {}, {}, { start = {} }
    local M = { handlers = {}, rules = {} }
    function M.hook(f) hooks[#hooks + 1] = f end
    function M.run(x) for _, f in ipairs(hooks) do x = f(x) end return x end
    function M.on(event, f)
      listeners[event] = listeners[event] or {}
      table.insert(listeners[event], f)
    end
    function M.emit(event, x) for _, f in ipairs(listeners[event] or {}) do x = f(x) end return x end
    function M.plugin(name, p) plugins[name] = p end
    function M.use(name, x) local p = plugins[name] return p and p.run(x, p.factor) end
    function M.wrap(name, f) wrapped[name] = function(...) return f(...) end end
    function M.call(name, ...) local f = wrapped[name] return f and f(...) end
    function M.kind(name, f) local list = kinds[name] table.insert(list, f) end
    local late, shared = {}, {}
    function M.later(f) local list = late table.insert(list, f) end
    function M.latest(x) return late[#late] and late[#late](x) end
    function M.either(f, which) local list = which and late or shared list[#list + 1] = f end
    function M.shared(x) return shared[1] and shared[1](x) end
    function M.begin(x) for _, f in ipairs(kinds.start) do x = f(x) end return x end
    function M.handle(name, x) local h = M.handlers[name] return h and h.run(x, h.factor) end
    function M.check(x) for _, rule in ipairs(M.rules) do x = rule.f(x, rule.n) end return x end
    local compiled = {}
    function M.compile(text) compiled[text] = compiled[text] or load(text) return compiled[text] end
    function M.is_compiled(text) return compiled[text] ~= nil end
    local made = {}
    function M.maker(n) made[n] = made[n] or function() return n end return made[n] end
    return M
  ]]

  local function with(f)
    local m, name = modules:add(finally, source)
    local pool <close> = tine.pool(1)
    f(m, function(...) return pool:submit(...):result(TIMEOUT) end, pool, name)
  end

  local function fill(m)
    m.hook(function(x) return x + 1 end)
    m.hook(function(x) return x * 10 end)
    m.on("a", function(x) return x .. "!" end)
    m.plugin("p", { run = function(x, factor) return x * factor end, factor = 3 })
    m.wrap("w", function(a, b) return a + b end)
    m.kind("start", function(x) return -x end)
    m.later(function(x) return x + 100 end)
    m.either(function(x) return x + 200 end)
    m.handlers.h = { run = function(x, factor) return x * factor end, factor = 5 }
    m.rules[1] = { f = function(x, n) return x + n end, n = 7 }
    m.extra = { run = function(self) return self.n end, n = 8 }
  end

  it("is there in tasks: functions, and tables with functions as a whole", function()
    with(function(m, run)
      fill(m)
      for _ = 1, 3 do
        assert.equal(20, run(function() return m.run(1) end))
        assert.equal(20, run(m.run, 1))
        assert.equal("x!", run(m.emit, "a", "x"))
        assert.equal(6, run(m.use, "p", 2))
        assert.equal(3, run(m.call, "w", 1, 2))
        assert.equal(-1, run(m.begin, 1))
        assert.equal(101, run(m.latest, 1))
        assert.equal(201, run(m.shared, 1))
        assert.equal(10, run(m.handle, "h", 2))
        assert.equal(8, run(m.check, 1))
        assert.equal(8, run(function() return m.extra:run() end))
      end
    end)
  end)

  it("is there beside what was changed in another module, with functions of that", function()
    local pool <close> = tine.pool(1)
    for _ = 1, 8 do -- in which order modules are looked at is chance
      local inner, name = modules:add(finally, [[
        local M = {}
        function M.one() return 1 end
        function M.two() return M.later and M.later() or 0 end
        return M
      ]])
      local outer = modules:add(finally, ([[
        local inner, kept = require %q, {}
        local M = {}
        function M.keep(f) kept.f = f end
        function M.go(x) return kept.f(x) + inner.two() end
        return M
      ]]):format(name))
      inner.later = inner.one
      outer.keep(function(x) return x + 0.5 end)
      assert.equal(2.5, pool:submit(outer.go, 1):result(TIMEOUT))
      assert.equal(2.5, pool:submit(function(x) return outer.go(x) end, 1):result(TIMEOUT))
    end
  end)

  -- It was taken for a cache when it had more than 256 fields: with one plugin more all were missing.
  it("is there however much it is", function()
    with(function(m, run)
      for i = 1, 60 do
        m.plugin("p" .. i, { run = function(x) return x + i end, factor = 1, a = 1, b = 2, c = 3, d = 4, e = 5 })
      end
      for i = 1, 300 do m.on("e" .. i, function(x) return x .. i end) end
      for _, i in ipairs { 1, 30, 60 } do assert.equal(i + 1, run(m.use, "p" .. i, 1)) end
      for _, i in ipairs { 1, 150, 300 } do assert.equal("x" .. i, run(m.emit, "e" .. i, "x")) end
    end)
  end)

  -- They went along with each call once: of a program with a thousand templates, a millisecond.
  it("is not what it compiles from texts: that it makes again", function()
    with(function(m, run)
      local text = "return ... + 1"
      assert.equal(3, m.compile(text)(2))
      for _ = 1, 3 do assert.is_false(run(m.is_compiled, text)) end
      assert.equal(3, run(function() return m.compile(text)(2) end))
      assert.is_true(run(m.is_compiled, text))
    end)
  end)

  it("is there when it came after other tasks, and no longer than a call", function()
    with(function(m, run, _, name)
      for _ = 1, 3 do assert.equal(1, run(m.run, 1)) end
      m.maker(1)
      fill(m)
      assert.equal(20, run(m.run, 1))
      m.hook(function(x) return x + 0.5 end)
      m.on("b", function(x) return x .. "?" end)
      assert.equal(20.5, run(m.run, 1))
      assert.equal("x?", run(m.emit, "b", "x"))
      local own = load("local name = ... local m = require(name) return m.run(1), m.use('p', 1), m.extra")
      assert.same({ 1 }, { run(own, name) })
    end)
  end)

  it("is there beside a cache that has grown large, and at once", function()
    with(function(m, run)
      local function task(x) return m.run(x) end
      for i = 1, 1000 do m.maker(i) end
      for _ = 1, 3 do assert.equal(1, run(task, 1)) end
      m.hook(function(x) return x + 1 end)
      assert.equal(2, run(task, 1))
      local old = m.run
      m.run = function() return "mine" end
      assert.equal("mine", run(task, 1))
      m.run = old
      assert.equal(2, run(task, 1))
    end)
  end)

  it("stays where it cannot travel, and the traceback of a task that fails says so", function()
    with(function(m, run, pool)
      fill(m)
      m.plugin("opened", { run = function() return 1 end, file = io.tmpfile() })
      assert.equal(6, run(m.use, "p", 2))
      local ok, _, traceback = pool:submit(function() return 1 + m.use("opened", 2) end):pcall()
      assert.is_false(ok)
      assert.matches("note: 'opened' is not in the module here", traceback, 1, true)
    end)
  end)

  -- Of two functions with the same code, on the same lines of their files, neither was found, and the worker's own
  -- stayed in the field: without a word.
  it("is the module's own of two functions with the same code", function()
    local _, twin = modules:add(finally, "local M = {}\n\nfunction M.one(x) return x + 1 end\nreturn M")
    local m = modules:add(finally, ([[
      local M, twin = {}, require "%s"

function M.one(x) return x + 1 end
      function M.two(x) return x * 2 end
      M.twin = twin.one
      return M]]):format(twin))
    m.one, m.two = m.two, m.one
    local pool <close> = tine.pool(1)
    for _ = 1, 3 do
      local one, two = pool:submit(function() return m.one(5), m.two(5) end):result(TIMEOUT)
      assert.equal(10, one)
      assert.equal(6, two)
      assert.equal(6, pool:submit(m.two, 5):result(TIMEOUT))
    end
  end)

  -- A registry that is a module of its own, which returns an empty table, was taken for data: what was put into it was
  -- missing, without a word.
  describe("in a module of data", function()
    local function open()
      local store, store_name = modules:add(finally, "return {}")
      local m, name = modules:add(finally, ([[
        local store = require "%s"
        local M = {}
        function M.add(kind, name, f)
          store[kind] = store[kind] or {}
          store[kind][name] = { run = f, name = name }
        end
        function M.run(kind, name, ...)
          local entry = (store[kind] or {})[name]
          return entry and entry.run(...)
        end
        M.add("op", "plus", function(a, b) return a + b end)
        return M]]):format(store_name))
      local pool = tine.pool(1)
      finally(function() pool:shutdown() end)
      return m, function(...) return pool:submit(...):result(TIMEOUT) end, store, name
    end

    local function all(m)
      return function(a, b) return m.run("op", "plus", a, b), m.run("op", "minus", a, b), m.run("new", "x", a, b) end
    end

    it("is there", function()
      local m, run = open()
      m.add("op", "minus", function(a, b) return a - b end)
      m.add("new", "x", string.format)
      for _ = 1, 3 do
        assert.same({ 8, 2, "5" }, { run(all(m), "5", 3) })
        assert.equal(2, run(m.run, "op", "minus", 5, 3))
      end
    end)

    it("is there when it came after other tasks", function()
      local m, run, store = open()
      local task = all(m)
      for _ = 1, 3 do assert.same({ 8 }, { run(task, 5, 3) }) end
      m.add("op", "minus", function(a, b) return a - b end)
      assert.same({ 8, 2 }, { run(task, 5, 3) })
      store.op.plus.run = function() return "mine" end
      assert.same({ "mine", 2 }, { run(task, 5, 3) })
    end)

    it("is there when another module has put it there, which the worker has not loaded", function()
      local m, run, _, name = open()
      modules:add(finally, ([[
        require "%s".add("op", "minus", function(a, b) return a - b end)
        return {}]]):format(name))
      for _ = 1, 3 do assert.same({ 8, 2 }, { run(all(m), 5, 3) }) end
    end)

    it("is there as an assertion of luassert", function()
      local _, run = open()
      local luassert, say = require "luassert", require "say"
      finally(function() luassert:unregister("assertion", "tine_even") end)
      say:set("assertion.tine_even.positive", "Expected %s to be even")
      luassert:register("assertion", "tine_even", function(_, arguments) return arguments[1] % 2 == 0 end,
        "assertion.tine_even.positive", "assertion.tine_even.negative")
      local function task(x) return pcall(function() return luassert.is_tine_even(x) end) end
      for _ = 1, 3 do
        assert.is_true(run(task, 2))
        assert.matches("Expected %(number%) 1 to be even", (select(2, run(task, 1))))
      end
    end)
  end)

  -- Only functions of the module's own made a table inside of a module one to be looked at.
  it("is there in place of the only function in an inner table", function()
    local m = modules:add(finally, [[
      local M = { handlers = { h = { run = function() return "own" end }, empty = { here = {} } } }
      function M.go() return M.handlers.h.run() .. (M.handlers.empty.here.f and M.handlers.empty.here.f() or "") end
      return M]])
    local pool <close> = tine.pool(1)
    local function run() return pool:submit(m.go):result(TIMEOUT) end
    m.handlers.h.run = function() return "mine" end
    for _ = 1, 3 do assert.equal("mine", run()) end
    m.handlers.empty.here.f = function() return "!" end
    for _ = 1, 3 do assert.equal("mine!", run()) end
  end)

  it("is data, too, under keys that no file of its modules has", function()
    local m = modules:add(finally, [[
      local types, counts = { html = "text/html" }, {}
      local M = { types = types }
      function M.add(ext, t) types[ext] = t end
      function M.get(ext) return types[ext] end
      function M.count(x) counts[x] = (counts[x] or 0) + 1 end
      function M.counted(x) return counts[x] end
      return M]])
    local pool <close> = tine.pool(1)
    local function run(...) return pool:submit(...):result(TIMEOUT) end
    for _ = 1, 3 do assert.is_nil(run(m.get, "foo")) end
    m.add("foo", "application/foo")
    m.add("bar", { name = "bar" })
    for _ = 1, 3 do
      assert.equal("text/html", run(m.get, "html"))
      assert.equal("application/foo", run(m.get, "foo"))
      assert.same({ name = "bar" }, run(m.get, "bar"))
    end
    m.add("foo", "text/foo")
    assert.equal("text/foo", run(m.get, "foo"))
    for i = 1, 100 do m.count("x" .. i) end -- more than 64: a cache
    for _ = 1, 3 do assert.is_nil(run(m.counted, "x1")) end
  end)

  -- A variable that a function of the module assigns was the worker's own: the default ran there, without a word.
  describe("in a variable", function()
    local function open()
      local m = modules:add(finally, [[
        local handler, late, count = function() return "default" end, nil, 0
        local M = {}
        function M.set(f) handler = f end
        function M.set_late(f) late = f end
        function M.run() count = count + 1 return handler(), late and late() end
        return M]])
      local pool = tine.pool(1)
      finally(function() pool:shutdown() end)
      return m, function(...) return pool:submit(...):result(TIMEOUT) end, pool
    end

    it("is there, and no longer than a call", function()
      local m, run = open()
      m.set(function() return "mine" end)
      m.set_late(os.getenv)
      m.set_late(function() return "late" end)
      for _ = 1, 3 do
        assert.same({ "mine", "late" }, { run(m.run) })
        assert.same({ "mine", "late" }, { run(function() return m.run() end) })
      end
      local own = load "for n, m in pairs(package.loaded) do if n:find '^registries_m' then return m.run() end end"
      assert.same({ "default" }, { run(own) })
    end)

    it("is there when it came after other tasks", function()
      local m, run = open()
      local function task() return m.run() end
      for _ = 1, 3 do assert.same({ "default" }, { run(task) }) end
      m.set_late(function() return "late" end)
      assert.same({ "default", "late" }, { run(task) })
      m.set(function() return "mine" end)
      assert.same({ "mine", "late" }, { run(task) })
    end)

    it("is there in a table, or wrapped by the module", function()
      local m = modules:add(finally, [[
        local options, handler = {}, function() return "default" end
        local M = {}
        function M.configure(o) options = o end
        function M.set(f) handler = function() return f() .. "!" end end
        function M.run() return handler(), options.f and options.f() end
        return M]])
      local pool <close> = tine.pool(1)
      local function run() return pool:submit(m.run):result(TIMEOUT) end
      for _ = 1, 3 do assert.same({ "default" }, { run() }) end
      m.set(function() return "mine" end)
      for _ = 1, 3 do assert.same({ "mine!" }, { run() }) end
      m.configure { f = function() return "option" end }
      for _ = 1, 3 do assert.same({ "mine!", "option" }, { run() }) end
    end)

    -- The worker had the default, and the program nil.
    it("is there when the program has taken the default away", function()
      local m, run = open()
      m.set(nil)
      for _ = 1, 3 do
        local ok, err = pcall(run, m.run)
        assert.is_false(ok)
        assert.matches("attempt to call a nil value", tostring(err))
      end
      m.set(function() return "mine" end)
      assert.same({ "mine" }, { run(m.run) })
    end)

    -- What the module has done once was taken away by itself: the worker's has yet to do it.
    it("is the worker's own where the module itself has put something there", function()
      local m = modules:add(finally, [[
        local list, remember
        local function first() list = { 1, 2 } end
        local begin = first
        remember = function()
          local answer = 42
          remember = function() return answer end
          return answer
        end
        local M = {}
        function M.run()
          if begin then begin() begin = nil end
          return list[1], remember()
        end
        return M]])
      local pool <close> = tine.pool(1)
      m.run()
      for _ = 1, 3 do assert.same({ 1, 42 }, { pool:submit(function() return m.run() end):result(TIMEOUT) }) end
    end)

    -- It was not seen after a first call: only functions and tables were watched.
    it("is there when a flag was taken away after other tasks, and no longer", function()
      local m = modules:add(finally, [[
        local flag, level, home = true, "info", tostring(1) -- what a call gives is known when it is met
        local M = {}
        function M.reset(x, y, z) flag, level, home = x, y, z end
        function M.get() return flag, level, home end
        return M]])
      local pool <close> = tine.pool(1)
      local function run() return table.pack(pool:submit(m.get):result(TIMEOUT)) end
      assert.same({ true, "info", "1", n = 3 }, run())
      m.reset(false, nil, nil)
      for _ = 1, 2 do assert.same({ false, n = 3 }, run()) end
      m.reset(true, "info", "1")
      for _ = 1, 2 do assert.same({ true, "info", "1", n = 3 }, run()) end
    end)

    -- The worker's own was put out: what the module begins with, false or nil too, was said to have been put there
    -- by the program, which had not.
    it("is what the worker has put there, where the program has put nothing there", function()
      local function returns(text) return "function() return " .. text .. " end" end
      for _, case in ipairs {
        { "local v; local M = {}" },
        { "local M = {} do local a = 1; function M.a() return a end; function M.b(x) a = x end end do local v", "end" },
        { "local v = false; local M = {}" },
        { "local v = os.getenv 'NO_SUCH_VARIABLE'; local M = {}" },
        { "local v = package.config == 1; local M = {}" },
        { "local v; if package.config == 1 then v = print end; local M = {}" },
        { "local _, _, v = ...; local M = {}" },
        { "local v = " .. returns "1" .. "; local M = {}" },
        { "local function a() end; local M = {}; local v = a" },
        { "local function make(x) return " .. returns "x" .. " end; local M = { make = make }; local v = make(1)" },
        { "local M = {}; local v; local function a() end", "function M.reset(f) v = f or a end M.reset()" },
        { "local M = {}; function M.A() end; M.default = M.A; local v = M.default" },
        { "local M = { A = { f = print } }; M.default = M.A; local v = M.default" },
        { "local A = { f = print }; local v = A; local M = { A = A }" },
        { "local v = require 'spec.support.modules'; local M = {}" },
      } do
        local m = modules:add(finally, case[1] .. [[
          function M.set(x) v = x end
          function M.get() return v == "worker" end
        ]] .. (case[2] or "") .. " return M")
        local function begin() m.set "worker" end
        local pool <close> = tine.pool { workers = 1, initializer = begin }
        for _ = 1, 3 do assert.is_true(pool:submit(m.get):result(TIMEOUT), case[1]) end
      end
    end)

    -- It had done it here, and the worker, where it had not been done, was told that it was.
    it("is the worker's own where the module does something once, though the program may give it one, too", function()
      for _, case in ipairs {
        { "begin", "function() list = { 1 } end", "if begin then local f = begin begin = nil f() end" },
        { "begin", "true", "if begin then list = { 1 } begin = false end" },
        { "begin", "stub", "if begin == stub then list = { 1 } begin = print end" },
        { "begin", "stub", "if begin == stub then list = { 1 } begin = real end" },
        { "_, begin", "nil; begin = function() list = { 1 } begin = real end", "begin()" },
      } do
        local m = modules:add(finally, ([[
          local list
          local M = {}
          local function stub() end
          local function real() end
          local %s = %s
          function M.set(f) begin = f end
          function M.run() %s return list[1] end
          return M]]):format(table.unpack(case)))
        for when = 1, 2 do -- before the first call, and after one
          local pool <close> = tine.pool(1)
          if when == 2 then pool:submit(function() return m.set end):result(TIMEOUT) end
          m.run()
          for _ = 1, 3 do assert.equal(1, pool:submit(m.run):result(TIMEOUT), case[3]) end
        end
      end
    end)

    -- Functions and classes of modules were taken for what the module had put there itself.
    it("is a function or a class of the module's own, or of another one", function()
      local other, name = modules:add(finally, [[
        local M = {}
        function M.f() return "other" end
        function M.make(x) return function() return x end end
        return M]])
      local m = modules:add(finally, ([[
        local other = require %q
        local M = { A = {}, B = {} }
        M.A.__index, M.B.__index = M.A, M.B
        function M.A.name() return "A" end
        function M.B.name() return "B" end
        function M.fast() return "fast" end
        function M.slow() return "slow" end
        local one, two, three, class = M.fast, M.fast, other.make(1), M.A
        function M.set(f) one = f end
        function M.choose(which) two = M[which] end
        function M.build(f) three = f end
        function M.use(c) class = c end
        function M.run() return one(), two(), three(), class.name() end
        return M]]):format(name))
      local pool <close> = tine.pool(1)
      local function run() return pool:submit(m.run):result(TIMEOUT) end
      for _ = 1, 3 do assert.same({ "fast", "fast", 1, "A" }, { run() }) end
      m.set(m.slow)
      m.choose "slow"
      m.build(other.make(2))
      m.use(m.B)
      for _ = 1, 3 do assert.same({ "slow", "slow", 2, "B" }, { run() }) end
      m.set(other.f)
      m.build(other.f)
      for _ = 1, 3 do assert.same({ "other", "slow", "other", "B" }, { run() }) end
      m.set(m.fast)
      m.choose "fast"
      m.use(m.A)
      for _ = 1, 3 do assert.same({ "fast", "fast", "other", "A" }, { run() }) end
    end)

    -- The worker was asked for a C function under the name of the variable, where it has a Lua function.
    it("is refused as a coroutine that is wrapped, unless the module has made it", function()
      local m, _, pool = open()
      m.set(coroutine.wrap(function() while true do coroutine.yield(1) end end))
      local err = pool:submit(m.run):exception(TIMEOUT)
      assert.equal("serialization", tine.kind(err))
      assert.matches("what the program has put into 'handler' of module '.-': cannot send a coroutine that ",
        tostring(err))
      local own = modules:add(finally, [[
        local next_one
        local M = {}
        function M.reset() next_one = coroutine.wrap(function() for i = 1, math.huge do coroutine.yield(i) end end) end
        function M.run() return next_one() end
        M.reset()
        return M]])
      own.run()
      for i = 1, 3 do assert.equal(i, pool:submit(own.run):result(TIMEOUT)) end
    end)

    it("is refused where it cannot travel, as another one would be called", function()
      local m, _, pool = open()
      local file <close> = assert(io.tmpfile())
      m.set(function() file:write "lost" return "mine" end)
      local err = pool:submit(function() return m.run() end):exception(TIMEOUT)
      assert.equal("serialization", tine.kind(err))
      assert.matches("handler", tostring(err))
    end)
  end)

  -- Only texts and numbers that count were looked at as keys.
  it("is there under keys of any kind", function()
    local m = modules:add(finally, [[
      local kept = {}
      local M = { handlers = {}, Class = {}, NONE = {} }
      M.Class.__index = M.Class
      function M.Class:get() end
      function M.on(key, f) kept[key] = f end
      function M.fire(key) return kept[key] and kept[key]() end
      return M]])
    local pool <close> = tine.pool(1)
    local mine = {}
    for i, key in ipairs { m.Class, m.NONE, mine, print, -1, 0, 1.5, true, false } do
      m.on(key, function() return i end)
    end
    m.handlers[m.Class] = { run = function() return "run" end }
    for _ = 1, 3 do
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, "run" }, { pool:submit(function(own)
        return m.fire(m.Class), m.fire(m.NONE), m.fire(own), m.fire(print), m.fire(-1), m.fire(0), m.fire(1.5),
          m.fire(true), m.fire(false), m.handlers[m.Class].run()
      end, mine):result(TIMEOUT) })
    end
  end)

  it("is there as a metatable of the module, and no longer than a call", function()
    local text = "local M = {} function M.get() return M.missing end return M"
    local m, name = modules:add(finally, text)
    local pool <close> = tine.pool(1)
    local function run(...) return pool:submit(...):result(TIMEOUT) end
    for when = 1, 2 do -- before the first call, and after one
      if when == 2 then
        m, name = modules:add(finally, text)
        assert.is_nil(run(m.get))
      end
      setmetatable(m, { __index = function(_, key) return "no " .. key end })
      for _ = 1, 3 do
        assert.equal("no missing", run(m.get))
        assert.is_nil(run(load "return getmetatable(require(...))", name))
      end
    end
  end)

  -- What was in such tables was sent under names that the worker's module has not: an error.
  it("is there in tables that the module has made for it", function()
    local sources = {
      [[local reg
        function M.add(k, _, f) reg = reg or {} reg[k] = f end
        function M.run() return reg and reg.k and reg.k() end]],
      [[local reg
        function M.add(k, n, f) reg = reg or {} reg[k] = reg[k] or {} reg[k][n] = f end
        function M.run() return reg and reg.k and reg.k.n and reg.k.n() end]],
      [[local options
        function M.add(k, _, f) options = { [k] = f } end
        function M.run() return options and options.k and options.k() end]],
    }
    local pool <close> = tine.pool(1)
    local function run(...) return pool:submit(...):result(TIMEOUT) end
    for _, text in ipairs(sources) do
      for when = 1, 2 do -- before the first call, and after one
        local m = modules:add(finally, "local M = {}\n" .. text .. "\nreturn M")
        if when == 2 then assert.is_nil(run(m.run)) end
        m.add("k", "n", function() return "mine" end)
        for _ = 1, 3 do
          assert.equal("mine", run(m.run))
          assert.equal("mine", run(function() return m.run() end))
        end
      end
    end
  end)

  -- They have names here, and the worker's module has none of them: an error.
  it("is there in tables of an object that the module holds", function()
    local text = [[
      local Bus = {}
      Bus.__index = Bus
      function Bus:on(event, group, f)
        self.listeners[event] = self.listeners[event] or {}
        self.listeners[event][group] = self.listeners[event][group] or {}
        table.insert(self.listeners[event][group], f)
      end
      function Bus:emit(event, group, x)
        local groups = self.listeners[event]
        for _, f in ipairs(groups and groups[group] or {}) do x = f(x) end
        return x
      end
      local bus = setmetatable({ listeners = {} }, Bus)
      local M = { bus = setmetatable({ listeners = {} }, Bus) }
      function M.on(...) bus:on(...) end
      function M.emit(...) return bus:emit(...) end
      return M]]
    local pool <close> = tine.pool(1)
    for when = 1, 2 do -- before the first call, and after one
      local m = modules:add(finally, text)
      local function task() return m.emit("event", "group", 1), m.bus:emit("other", "group", 1) end
      if when == 2 then assert.same({ 1, 1 }, { pool:submit(task):result(TIMEOUT) }) end
      m.on("event", "group", function(x) return x + 1 end)
      m.bus:on("other", "group", function(x) return x + 2 end)
      for _ = 1, 3 do assert.same({ 2, 3 }, { pool:submit(task):result(TIMEOUT) }) end
    end
  end)

  -- A table in a variable was looked at when it was put there, and no more.
  it("is there when a table in a variable gets it later, or can be called", function()
    local m = modules:add(finally, [[
      local options
      local M = {}
      function M.configure(o) options = o end
      function M.run() return options and options.f and options.f() end
      function M.call() return options and options() end
      return M]])
    local pool <close> = tine.pool(1)
    local function run(...) return pool:submit(...):result(TIMEOUT) end
    assert.is_nil(run(m.run))
    local options = { n = 1 }
    m.configure(options)
    assert.is_nil(run(m.run))
    for i = 1, 3 do
      options.f = function() return i end
      assert.equal(i, run(m.run))
    end
    m.configure(setmetatable({}, { __call = function() return "called" end }))
    for _ = 1, 3 do assert.equal("called", run(m.call)) end
  end)

  -- Every task that reached the module was refused.
  it("stays under a key that cannot travel", function()
    local m = modules:add(finally, [[
      local kept = {}
      local M = {}
      function M.on(key, f) kept[key] = f end
      function M.fire(key) return kept[key] and kept[key]() end
      return M]])
    local pool <close> = tine.pool(1)
    local file <close> = assert(io.tmpfile())
    m.on(coroutine.create(print), function() return "lost" end)
    m.on(file, { run = function() return "lost" end })
    m.on({ file }, function() return "lost" end)
    m.on("k", function() return "mine" end)
    for _ = 1, 3 do assert.equal("mine", pool:submit(function() return m.fire("k") end):result(TIMEOUT)) end
  end)

  -- What was kept of the one module named the other one as it was before: a damaged message.
  it("is in a message that can be read after the file of another module was edited", function()
    local text = "local M = {} function M.f() return %q end function M.g() end return M"
    local other, name, file = modules:add(finally, text:format("old"))
    local m = modules:add(finally, ([[
      local o = require %q
      local M = {}
      function M.f() return o.f() end
      return M]]):format(name))
    local pool <close> = tine.pool(1)
    other.f = function() return "mine" end
    local function through() return m.f() end
    local function direct() return other.f() end
    for _ = 1, 2 do
      assert.equal("mine", pool:submit(through):result(TIMEOUT))
      assert.equal("mine", pool:submit(direct):result(TIMEOUT))
    end
    local f <close> = assert(io.open(file, "w"))
    f:write((text:format("newer")))
    f:close()
    local start = os.clock()
    repeat until os.clock() - start > 0.02 -- files are looked at again when the clock has moved on
    for _ = 1, 3 do
      assert.equal("mine", pool:submit(direct):result(TIMEOUT))
      local err = pool:submit(through):exception(TIMEOUT)
      assert.not_matches("malformed", tostring(err), 1, true)
    end
  end)

  -- It came behind what another module has, and was taken for something that had been put before.
  it("is there as a metatable beside changes in several modules", function()
    local other, name = modules:add(finally, "local M = {} function M.f() return 'own' end return M")
    local m = modules:add(finally, ([[
      local other = require %q
      local M = {}
      function M.f() return "own" end
      function M.call() return M.f() .. other.f() .. (M.missing or "none") end
      return M]]):format(name))
    local pool <close> = tine.pool(1)
    m.f, other.f, m.other = function() return "mine " end, function() return "other " end, other
    setmetatable(m, { __index = function(_, key) return "no " .. key end })
    for _ = 1, 3 do
      assert.equal("mine other no missing", pool:submit(function() return m.call() end):result(TIMEOUT))
      assert.equal("mine other no missing", pool:submit(m.call):result(TIMEOUT))
    end
  end)
end)
