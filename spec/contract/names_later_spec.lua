-- What came into modules later, and modules that came later: when a worker is at work already, or after the program has
-- looked at what is loaded. See docs/travel.md, "By name or by value".
local new_modules = require "spec.support.modules"
local tine = require "tine"
local with_pool = require "spec.support.pools".with

describe("what comes later", function()
  local modules = new_modules "later_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  local function module(source) return modules:add(finally, source) end

  -- A worker that has looked at what is loaded looks at what is new when a module comes (src/codec/names/grow.c).
  describe("in a worker that has returned a table", function()
    local source <const> = [[
      local M = { NONE = {}, list = {}, inner = { SENTINEL = {} } }
      local hidden = {}
      function M.hidden() return hidden end
      function M.inner.f() return hidden end
      return M
    ]]

    it("is known: a module, and what only it has", function()
      local m, name = module(source)
      with_pool(function(run)
        run(function() return {} end)
        assert.is_true(rawequal(m, (run(function() return require(name) end))))
        assert.is_true(rawequal(m.NONE, (run(function() return require(name).NONE end))))
        assert.is_true(rawequal(m.hidden(), (run(function() return require(name).hidden() end))))
        assert.is_true(rawequal(m.inner.SENTINEL, (run(function() return { require(name).inner.SENTINEL } end))[1]))
        assert.are_not.equal(m.NONE, (run(function() return {} end)))
      end)
    end)

    it("is known where a module puts it into another one", function()
      local m, name = module(source)
      local extension, other = module(([[
        local m = require %q
        m.EXTRA, m.inner.MORE = {}, {}
        local inner = m.inner
        return { f = function() return inner end }
      ]]):format(name))
      with_pool(function(run)
        assert.is_true(rawequal(m.NONE, (run(function() return require(name).NONE end))))
        run(function() require(other) end)
        assert.is_true(rawequal(m.EXTRA, (run(function() return require(name).EXTRA end))))
        assert.is_true(rawequal(m.inner.MORE, (run(function() return require(name).inner.MORE end))))
        assert.is_true(rawequal(extension, (run(function() return require(other) end))))
      end)
    end)

    it("is known when a module was loaded anew, or by another name", function()
      local m, name = module(source)
      with_pool(function(run)
        assert.is_true(rawequal(m.NONE, (run(function() return require(name).NONE end))))
        run(function()
          package.loaded[name] = nil
          require(name)
        end)
        assert.is_true(rawequal(m.NONE, (run(function() return require(name).NONE end))))
        run(function() package.loaded["later.inner"] = require(name).inner end)
        assert.is_true(rawequal(m.NONE, (run(function() return require(name).NONE end))))
      end)
    end)

    it("is known where the modules before were preloaded", function()
      local m, name = module(source)
      local other, other_name = module(source)
      with_pool(function(run)
        assert.is_true(rawequal(m.NONE, (run(function() return require(name).NONE end))))
        assert.is_true(rawequal(other.NONE, (run(function() return require(other_name).NONE end))))
        assert.is_true(rawequal(m.hidden(), (run(function() return require(name).hidden() end))))
      end, { workers = 1, preload = { name } })
    end)
  end)

  it("is in a task when the program has put a table in place of a module's, after other calls", function()
    local m = module [[
      local M = { hooks = { before = {}, after = {} } }
      function M.run(x)
        for _, f in ipairs(M.hooks.before) do x = f(x) end
        for _, f in ipairs(M.hooks.after or {}) do x = f(x) end
        return x
      end
      return M
    ]]
    with_pool(function(run)
      assert.equal(1, run(m.run, 1))
      m.hooks = { before = { function(x) return -x end } }
      assert.equal(-1, run(m.run, 1))
      m.hooks = { before = {}, after = { function(x) return x + 1 end } }
      assert.equal(2, run(m.run, 1))
      m.hooks.before = { function(x) return x * 10 end }
      assert.equal(11, run(m.run, 1))
    end)
  end)

  -- The first wait in a worker for a task of a task put what was changed for that one aside in the wrong place, and the
  -- worker died of it when the changes were to be put back.
  it("is in a task of a task, with changes in both", function()
    local m = module [[
      local M = {}
      local handlers = {}
      function M.on(name, f) handlers[name] = f end
      function M.call(name, ...) return handlers[name] and handlers[name](...) or "none" end
      return M
    ]]
    m.on("outer", function(x) return x + 100 end)
    with_pool(function(run)
      for _ = 1, 2 do
        assert.same({ 101, 102, 103 }, { run(function()
          local pool = require "tine".worker.pool
          local before = m.call("outer", 1)
          local inner = pool:submit(function() return m.call("outer", 2) end):result()
          return before, inner, m.call("outer", 3)
        end) })
      end
      assert.equal(101, run(function()
        return (require "tine".worker.pool:submit(function() return m.call("outer", 1) end):result())
      end))
      assert.equal("none", run(function() return m.call("else", 1) end))
    end)
    with_pool(function(run)
      assert.equal(101, run(function()
        return (require "tine".worker.pool:submit(function() return m.call("outer", 1) end):result())
      end))
    end)
  end)

  it("is in a task as the metatable that the program has given to a class of a module, and no longer", function()
    local m = module [[
      local M = { Class = {}, Other = {} }
      M.Class.__index = M.Class
      function M.Class.new() return setmetatable({}, M.Class) end
      function M.Other.f() return "f" end
      return M
    ]]
    with_pool(function(run)
      local function task() return (pcall(function() return m.Class.new():any() end)) end
      assert.is_false(run(task))
      setmetatable(m.Class, { __index = function(_, k) return function() return k end end })
      assert.is_true(run(task))
      assert.equal("any", run(function() return m.Class.new():any() end))
      setmetatable(m.Class, nil)
      assert.is_false(run(task))
    end)
    with_pool(function(run)
      setmetatable(m.Other, { __call = function() return "called" end })
      assert.equal("called", run(function() return m.Other() end))
    end)
  end)

  -- The table would have gone as a whole, could not for its handle, and stayed with its function.
  it("is in a task what the program has given, in a new table of the module's with a handle", function()
    local m = module [[
      local M = {}
      function M.start(f) M.session = { on = f, file = io.open "/dev/null" } end
      function M.fire(x) return M.session and M.session.on(x) or "no session" end
      return M
    ]]
    finally(function() m.session.file:close() end)
    with_pool(function(run)
      assert.equal("no session", run(m.fire, 1))
      m.start(function(x) return "mine " .. x end)
      assert.equal("mine 1", run(m.fire, 1))
    end)
  end)

  -- "invalid key to 'next'": a search for it ended in the middle of a large table, and went on with that as a key.
  it("is looked for in a module with large tables", function()
    local m, name = module [[
      local M = { api = { f = function() return "f" end } }
      for i = 1, 20 do
        local list = {}
        for k = 1, 3000 do list["k" .. k] = k end
        M["list" .. i] = list
      end
      return M
    ]]
    m.api = { other = m.api.f }
    with_pool(function(run)
      assert.is_true(rawequal(m.api.other, (run(function() return require(name).api.f end))))
    end)
  end)

  it("is in a task what the module keeps about a function of the program", function()
    local m = module [[
      local M = {}
      local names = {}
      function M.name(f, name) names[f] = name end
      function M.of(f) return names[f] end
      return M
    ]]
    local function one() return 1 end
    local function two() return 2 end
    m.name(one, "one")
    with_pool(function(run)
      assert.same({ "one", nil }, { run(function() return m.of(one), m.of(two) end) })
      m.name(two, 2)
      assert.same({ "one", 2 }, { run(function() return m.of(one), m.of(two) end) })
      assert.equal("one", run(m.of, one))
    end)
  end)

  -- What was counted here was taken along; a worker, which counts for itself, gave the same number to two functions.
  it("is each process's own what the module counts or finds out about a function of the program", function()
    local m = module [[
      local M = {}
      local ids, last = {}, 0
      function M.id(f)
        if not ids[f] then last = last + 1 ids[f] = last end
        return ids[f]
      end
      local found = {}
      function M.find(f)
        if found[f] == nil then found[f] = (f()) end
        return found[f]
      end
      return M
    ]]
    local function one() return 1 end
    local function where() return require "tine".worker and "worker" or "program" end
    m.id(one)
    assert.equal("program", m.find(where))
    with_pool(function(run)
      assert.same({ 1, 2 }, { run(function() return m.id(one), m.id(function() end) end) })
      assert.equal("worker", run(m.find, where))
    end)
  end)

  describe("before the first call that meets the module", function()
    it("is away where the program has taken out a function, and stays where the module does so itself", function()
      local m = module [[
        local M = { filters = {
          trim = function(s) return "trimmed " .. s end,
          upper = function(s) return s:upper() end,
        } }
        local handlers = { a = function() return "A" end, b = function() return "B" end }
        local once = { first = function() return "first" end, second = function() return "second" end }
        handlers.c = function() return "C" end
        function M.off(name) handlers[name] = nil end
        function M.fire(name) local h = handlers[name] return h and h() or "none" end
        function M.start() once.first = nil end
        function M.once() return once.first and once.first(), once.second() end
        function M.filter(s)
          for _, name in ipairs { "trim", "upper" } do s = M.filters[name] and M.filters[name](s) or s end
          return s
        end
        return M
      ]]
      m.off "a"
      m.off "c"
      m.filters.trim = nil
      m.start()
      with_pool(function(run)
        assert.same({ "none", "B", "none" }, { run(function() return m.fire "a", m.fire "b", m.fire "c" end) })
        assert.equal("X", run(m.filter, "x"))
        assert.same({ "first", "second" }, { run(m.once) })
        m.off "b"
        assert.same({ "none", "none" }, { run(function() return m.fire "a", m.fire "b" end) })
      end)
    end)

    -- They were taken for functions that the program had taken out, and were away in the worker.
    it("stays what only the worker's module has, by what it found when it was loaded", function()
      local m = module [[
        local M = { rpc = { here = function() return "here" end, debug = function() return "debug" end } }
        local rpc = M.rpc
        function rpc.slow() return "slow" end
        function rpc.start() return "start" end
        if LATER_WORKER then
          function rpc.there() return "there" end
          function M.top() return "top" end
        else
          rpc.debug = nil
        end
        for name in pairs(LATER_WORKER and {} or { slow = true }) do rpc[name] = nil end
        if not LATER_WORKER then return M end
        function M.last() return "last" end
        return M
      ]]
      local own = module [[
        local M = { rpc = { start = function() return "start" end, run = function() return "run" end } }
        function M.start() rawset(M.rpc, "start", nil) return "started" end
        return M
      ]]
      own.start()
      with_pool(function(run)
        assert.same({ "there", "debug", "slow", "top", "last" },
          { run(function() return m.rpc.there(), m.rpc.debug(), m.rpc.slow(), m.top(), m.last() end) })
        assert.equal("start", run(function() return own.rpc.start() end))
      end, { workers = 1, initializer = function() rawset(_G, "LATER_WORKER", true) end })
    end)

    -- The program's went along in place of the worker's, or was refused for the file that it writes to.
    it("stays what a local of the module was at first, from a global or a module that is not loaded now", function()
      local handle <close> = assert(io.open "/dev/null")
      rawset(_G, "later_log", function(s) return "program's " .. s .. tostring(handle) end)
      finally(function() rawset(_G, "later_log", nil) end)
      local m = module [[
        local M = {}
        local log = later_log
        function M.f(x) return log(x) end
        return M
      ]]
      local _, name = module [[
        local n = 0
        return function() n = n + 1 return n end
      ]]
      local counting = module(([[
        local count = require %q
        local M = {}
        function M.f() return count() end
        return M
      ]]):format(name))
      for _ = 1, 3 do counting.f() end
      package.loaded[name] = nil
      with_pool(function(run)
        assert.equal("worker's x", run(m.f, "x"))
        assert.same({ 1, 2 }, { run(counting.f), run(counting.f) })
      end, { workers = 1, initializer = function()
        rawset(_G, "later_log", function(s) return "worker's " .. s end)
      end })
    end)

    it("is there where the program has put a function into a local of the module, by debug.setupvalue", function()
      local m = module [[
        local M = {}
        local function helper(x) return "own " .. x end
        function M.f(x) return helper(x) end
        function M.g(x) return helper(x) end
        return M
      ]]
      debug.setupvalue(m.f, 1, function(x) return "mine " .. x end)
      with_pool(function(run)
        assert.equal("mine 1", run(m.f, 1))
        assert.equal("mine 1", run(function() return m.g(1) end))
        assert.equal("mine 1", run(m.f, 1))
      end)
    end)
  end)

  -- "module 'app' has no 'future.<metatable>' in this process": what C has put into the class was taken for the
  -- program's.
  describe("as a handle in a module", function()
    local source <const> = [[
      local M = {}
      local current
      function M.start(handle) M.handle, current = handle, handle end
      function M.job(x) return x * 2, current == nil end
      return M
    ]]

    it("stays, and the module's functions go", function()
      local m = module(source)
      with_pool(function(run, pool)
        local handles = { pool, pool:submit(print), require "lpeg".P "a", assert(io.tmpfile()), tine.buffer(8) }
        for _, handle in pairs(handles) do
          m.start(handle)
          m.other = handle
          with_pool(function(again)
            assert.equal(4, (again(m.job, 2)))
            assert.equal(6, (again(function() return (m.job(3)) end)))
          end)
          assert.equal(4, (run(m.job, 2)))
        end
      end)
    end)
  end)
end)
