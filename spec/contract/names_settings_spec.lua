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
    assert.equal(5, run(function()
      local limit = m.limit
      m.limit = 7
      return limit
    end))
    assert.equal(1, run(load "return require(...).limit", name))
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
