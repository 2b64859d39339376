-- Settings of a module that the program has changed: `m.limit = 5`; see docs/travel.md.
local new_modules = require "spec.support.modules"
local tine = require "tine"

local TIMEOUT = 60

describe("a scalar that the program has put into a module", function()
  local modules = new_modules "settings_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  -- A pool of one, and a function that runs something in it.
  local function start(options)
    options = options or {}
    options.workers = 1
    local pool = tine.pool(options)
    finally(function() pool:shutdown() end)
    return function(...) return pool:submit(...):result(TIMEOUT) end
  end

  local source = [[
    local M = { limit = 1, name = "none", quiet = false, ratio = 0.5, options = { color = "red" } }
    function M.get() return M.limit, M.name, M.quiet, M.ratio, M.options.color end
    function M.verbose() return M.debug end
    return M
  ]]

  -- The task ran with the module's defaults, without a word.
  it("is there in its functions, and in a task that captures the module", function()
    for _, later in ipairs { false, true } do
      local m = modules:add(finally, source)
      local run = start()
      if later then assert.same({ 1, "none", false, 0.5, "red" }, { run(m.get) }) end
      m.limit, m.name, m.quiet, m.ratio, m.options.color = 5, "mine", true, 1.0, "blue"
      assert.same({ 5, "mine", true, 1.0, "blue" }, { run(m.get) })
      assert.same({ 5, "blue" }, { run(function() return m.limit, m.options.color end) })
    end
  end)

  it("is as it is at each call, and away when it is taken back", function()
    local m = modules:add(finally, source)
    local run = start()
    for _, limit in ipairs { 5, 6, 1 } do
      m.limit = limit
      assert.equal(limit, (run(m.get)))
    end
  end)

  it("may be one that the module's code only asks for", function()
    local m = modules:add(finally, source)
    local run = start()
    assert.is_nil(run(m.verbose))
    m.debug = true
    assert.is_true(run(m.verbose))
    m.debug = nil
    assert.is_nil(run(m.verbose))
  end)

  it("is there in a module that is nothing but data, for others that use it", function()
    local config, name = modules:add(finally, [[return { level = 1, color = { on = false } }]])
    local m = modules:add(finally, ([[
      local config = require %q
      return { get = function() return config.level, config.color.on, config.extra end }
    ]]):format(name))
    local run = start()
    assert.same({ 1, false }, { run(m.get) })
    config.level, config.color.on, config.extra = 3, true, "x"
    assert.same({ 3, true, "x" }, { run(m.get) })
  end)

  it("is seen by that call alone", function()
    local m, name = modules:add(finally, source)
    local run = start()
    m.limit = 5
    assert.equal(5, (run(m.get)))
    assert.equal(1, run(load "return require(...).limit", name))
  end)

  it("is what it is to the last bit", function()
    local m = modules:add(finally, source)
    local run = start()
    for _, limit in ipairs { 1.0, 1, 0.0, -0.0, math.huge, math.mininteger, true, "1" } do
      m.limit = limit
      local there = run(m.get)
      assert.equal(limit, there)
      assert.equal(math.type(limit), math.type(there))
      assert.equal(tostring(limit), tostring(there))
    end
    m.limit = 0 / 0
    run(m.get)
    m.limit = 7
    assert.equal(7, (run(m.get)))
  end)

  -- It was taken away again with what had come along, and so were the limits that an initializer had set.
  it("does not undo what the worker is told by an initializer, by everywhere, or by a task", function()
    local here = load "return require(...).limit"
    for _, limit in ipairs { 5, 9 } do
      local m, name = modules:add(finally, source)
      local function set() m.limit = limit end
      m.limit = 5
      local run = start { initializer = set }
      assert.same({ limit, limit }, { (run(m.get)), (run(here, name)) })

      local pool = tine.pool(1)
      finally(function() pool:shutdown() end)
      pool:everywhere(set):result(TIMEOUT)
      assert.equal(limit, (pool:submit(m.get):result(TIMEOUT)))
      assert.equal(limit, pool:submit(here, name):result(TIMEOUT))
    end
    local m, name = modules:add(finally, source)
    m.limit = 5
    local run = start()
    assert.equal(5, run(function()
      local limit = m.limit
      m.limit = 7
      return limit
    end))
    assert.same({ 7, 7 }, { (run(m.get)), (run(here, name)) })
  end)

  it("does not come in place of what a module that is loaded in the worker has set", function()
    local m, name = modules:add(finally, source)
    local _, role = modules:add(finally, ([[
      local m = package.loaded.%s
      if m.name == "none" then m.name = "worker" end
      return {}
    ]]):format(name))
    m.name = "main"
    local run = start { preload = { name, role } }
    assert.equal("worker", (select(2, run(m.get))))
  end)

  -- What an initializer has set is not overwritten by what the program has not touched.
  it("is the worker's where the program has left it as it was", function()
    local m, name = modules:add(finally, source)
    local run = start { initializer = load(("require(%q).limit = 9"):format(name)) }
    assert.equal(9, (run(m.get)))
    m.name = "mine"
    assert.same({ 9, "mine" }, { table.unpack({ run(m.get) }, 1, 2) })
  end)

  -- Each call would begin to count where the program is, and give the same number again.
  it("is not what the module's functions count or find out themselves", function()
    local m = modules:add(finally, [[
      local M = { count = 0, counts = { user = 0 }, kept = {}, where = os.getenv "HOME" and "home" or "none" }
      function M.id() M.count = M.count + 1 return M.count end
      function M.next(kind) M.counts[kind] = M.counts[kind] + 1 return M.counts[kind] end
      function M.keep(k) M.kept[k] = M.kept[k] or M.id() return M.kept[k] end
      return M
    ]])
    for _ = 1, 3 do m.id() m.next "user" m.keep "a" end
    local run = start()
    assert.same({ 1, 2 }, { run(m.id), (run(m.id)) })
    assert.same({ 1, 2 }, { run(m.next, "user"), (run(m.next, "user")) })
    assert.same({ 3, 3 }, { run(m.keep, "a"), (run(m.keep, "a")) })
    assert.equal(m.where, run(function() return m.where end))
  end)

  -- Each call began to count where the program was.
  -- A logger whose functions are made in a loop, as rxi's log.lua: its level stayed at home.
  it("is there beside functions and tables that the file puts under computed keys", function()
    local log = modules:add(finally, [[
      local M, numbers = { level = "trace" }, {}
      local levels = { { name = "trace" }, { name = "warn" } }
      for i, l in ipairs(levels) do numbers[l.name] = i end
      for i, l in ipairs(levels) do
        M[l.name] = function() return numbers[M.level] <= i and l.name or "quiet" end
        M[l.name .. "s"] = {}
      end
      return M
    ]])
    local run = start()
    assert.equal("trace", run(log.trace))
    log.level = "warn"
    assert.same({ "quiet", "warn" }, { run(log.trace), run(log.warn) })
    assert.same({ "quiet", "warn" }, { run(function() return log.trace(), log.warn() end) })
  end)

  it("is not what the file computes for some field when it is loaded", function()
    local computed = modules:add(finally, [[
      local M = { level = 1 }
      for k, v in pairs { level = 2 } do M[k] = v + (WORKER and 0 or 1) end
      function M.get() return M.level end
      return M
    ]])
    local early = modules:add(finally, [[
      local M = { level = 1 }
      do
        local t = {}
        M.own = t
        for k, v in pairs { level = 2 } do t[k] = v + (WORKER and 0 or 1) end
      end
      local other = {}
      function M.get() return M.own.level, other end
      return M
    ]])
    local pool <close> = tine.pool { workers = 1, initializer = load "WORKER = true" }
    for _, m in ipairs { computed, early } do
      assert.equal(3, (m.get()))
      assert.equal(2, (pool:submit(m.get):result(TIMEOUT)))
    end
  end)

  it("is not what functions store under keys that they compute, or by rawset", function()
    local m = modules:add(finally, [[
      local inner, late, M = { n = 0 }, { n = 0 }, { n = 0, b = 0, own = { n = 0 }, other = { n = 0 } }
      local function add(t, k) t[k] = t[k] + 1 return t[k] end
      M.inner = inner
      function M.bump(k) M[k] = M[k] + 1 return M[k] end
      function M.helped(k) return add(M.other, k) end
      function M.raw() rawset(M, "b", M.b + 1) return M.b end
      function M.captured(k) inner[k] = inner[k] + 1 return inner[k] end
      function M.begin() M.late = late end
      function M.put(k) M.begin() late[k] = late[k] + 1 return late[k] end
      function M.merged(k) local t = M.own or {} t[k] = t[k] + 1 return t[k] end
      return M
    ]])
    -- One each, as one of these keeps all settings of its module at home.
    local looped = modules:add(finally, [[
      local M = { n = 0 }
      function M.bump(k)
        local key = 1
        while true do
          M[key] = (M[key] or 0) + 1
          if key == k then return M[k] end
          key = k
        end
      end
      return M
    ]])
    local alias = modules:add(finally, [[
      local M = { n = 0 }
      local store = M
      function M.bump(k) store[k] = store[k] + 1 return M[k] end
      return M
    ]])
    local lone = modules:add(finally, [[
      local M = { n = 0 }
      function M.raw() rawset(M, "n", M.n + 1) return M.n end
      return M
    ]])
    local zero = modules:add(finally, [[
      local M = {}
      function M.count() M["n\0x"] = (M["n\0x"] or 0) + 1 return M["n\0x"] end
      return M
    ]])
    local calls = {
      { m.bump, "n" }, { m.helped, "n" }, { m.raw }, { m.captured, "n" }, { m.put, "n" }, { m.merged, "n" },
      { looped.bump, "n" }, { alias.bump, "n" }, { lone.raw }, { zero.count },
    }
    for _, call in ipairs(calls) do call[1](call[2]) call[1](call[2]) end
    local run = start()
    for i, call in ipairs(calls) do
      assert.same({ i, 1, i, 2 }, { i, run(call[1], call[2]), i, (run(call[1], call[2])) })
    end
  end)

  it("is there beside a registry that the module keeps to itself, and tables that its functions make", function()
    local m = modules:add(finally, [[
      local M, kept = { limit = 1 }, {}
      function M.keep(k, v) kept[k] = v end
      function M.get(list)
        local copy = {}
        for k, v in pairs(list) do copy[k] = v end
        return M.limit, copy.x
      end
      return M
    ]])
    m.keep("a", 1)
    m.limit = 5
    assert.same({ 5, 2 }, { start()(m.get, { x = 2 }) })
  end)

  it("is not in a table of which only a part could go along", function()
    local m = modules:add(finally, [[
      local M = {}
      function M.get() return M.options and #M.options.list or "none" end
      return M
    ]])
    m.options = { color = "red", list = { 1, 2 } }
    assert.equal("none", start()(m.get))
  end)

  it("is not what functions of a module count that the task loads otherwise", function()
    local stats, name = modules:add(finally, "local M = { hits = 0 } function M.get() return M.hits end return M")
    local cache = modules:add(finally, ([[
      local stats = require %q
      return { hit = function() stats.hits = stats.hits + 1 end }
    ]]):format(name))
    for _ = 1, 5 do cache.hit() end
    local run = start()
    local function hit() cache.hit() return stats.get() end
    assert.same({ 1, 2 }, { run(hit), (run(hit)) })
  end)

  it("is not what functions of another module count there", function()
    local stats, name = modules:add(finally, [[return { hits = 0 }]])
    local m = modules:add(finally, ([[
      local stats = require %q
      return { hit = function() stats.hits = stats.hits + 1 return stats.hits end }
    ]]):format(name))
    m.hit()
    m.hit()
    local run = start()
    assert.same({ 1, 2 }, { run(m.hit), (run(m.hit)) })
    assert.equal(2, stats.hits)
  end)

  -- Its constants are the library's; a table of many is no settings.
  it("is not what a C library has put into the table, or a metamethod", function()
    local ok, socket = pcall(require, "socket")
    local run = start()
    if ok then
      local size = socket.BLOCKSIZE
      finally(function() socket.BLOCKSIZE = size end)
      socket.BLOCKSIZE = 77
      assert.same({ 77, socket._VERSION }, { run(function() return socket.BLOCKSIZE, socket._VERSION end) })
    end
    local m = modules:add(finally, [[
      local asked = 0
      return setmetatable({ get = function(t) return t.lazy end }, { __index = function(t, k)
        asked = asked + 1
        rawset(t, k, asked)
        return asked
      end })
    ]])
    for _, k in ipairs { "a", "b", "lazy" } do assert.is_number(m[k]) end
    assert.equal(1, run(m.get, m))
  end)
end)
