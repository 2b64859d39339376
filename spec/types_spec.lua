-- The definitions for the language server (types/tine.lua) have the names that the real interface has.
local tine = require "tine"

local root = os.getenv "TINE_SOURCE_DIR" or "."

-- Class -> set of its fields and functions.
local function read_definitions(name)
  local classes, locals, class = {}, {}, nil
  for line in io.lines(name) do
    local declared, field = line:match "^%-%-%-@class ([%w.]+)", line:match "^%-%-%-@field ([%w_]+)"
    local variable, owner, method = line:match "^local (%w+) = {}", line:match "^function (%w+)[.:]([%w_]+)"
    if declared then
      class = {}
      classes[declared] = class
    elseif field then
      class[field] = true
    elseif variable then
      locals[variable] = class
    elseif owner then
      local its_class = locals[owner]
      its_class[method] = true
    end
  end
  return classes
end

-- Names of a table that are not private.
local function names(t)
  local list = {}
  for name in pairs(t) do
    if type(name) == "string" and not name:find "^_" then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local function set(list)
  local s = {}
  for _, name in ipairs(list) do s[name] = true end
  return s
end

describe("types/tine.lua", function()
  local classes, pool

  setup(function()
    classes = read_definitions(root .. "/types/tine.lua")
    pool = tine.pool(1)
  end)
  teardown(function() pool:shutdown() end)

  local function same(class, real)
    assert.same(names(real), names(classes[class]))
  end

  -- The options that a function knows, by its message about one that it does not.
  local function options_of(fn, ...)
    local ok, message = pcall(fn, ...)
    assert.is_false(ok)
    local list = {}
    for name in assert(tostring(message):match "known are: ([%w_, ]+)", message):gmatch "[%w_]+" do
      list[#list + 1] = name
    end
    return set(list)
  end
  local UNKNOWN = { qqqqqqqqqqqqqqqqqqqqqqqq = 1 }

  it("is Lua, and returns the module's functions", function()
    local module = dofile(root .. "/types/tine.lua")
    for name, value in pairs(module) do assert.equal(type(value), type(tine[name]), name) end
  end)

  it("has the names of the module", function()
    local real = set(names(tine))
    real.worker = true -- in workers only
    same("tine", real)
  end)

  it("has the methods of pools, views and futures", function()
    same("tine.Pool", debug.getmetatable(pool).__index)
    same("tine.View", debug.getmetatable(pool:with { label = "x" }).__index)
    same("tine.Future", debug.getmetatable(tine.future()).__index)
  end)

  it("has the methods of map's iterator", function()
    same("tine.Results", debug.getmetatable(pool:map(math.abs, { 1 })).__index)
  end)

  it("has the options", function()
    same("tine.PoolOptions", options_of(tine.pool, UNKNOWN))
    same("tine.MapOptions", options_of(pool.map, pool, math.abs, { 1 }, UNKNOWN))
    same("tine.ViewOptions", options_of(pool.with, pool, UNKNOWN))
    same("tine.ShutdownOptions", options_of(pool.shutdown, pool, UNKNOWN))
    same("tine.WaitOptions", options_of(tine.wait, {}, UNKNOWN))
  end)

  it("has the fields of what they return", function()
    pool:submit(math.abs, 1):result()
    same("tine.Stats", pool:stats())
    local long = pool:submit(tine.sleep, math.huge)
    finally(function() long:abort() end)
    repeat until long:running() and pool:workers()[1].task
    same("tine.WorkerInfo", pool:workers()[1])
    long:abort()
    local real = pool:submit(function()
      local found = { task = require "tine".worker.task and true }
      for name in pairs(require "tine".worker) do found[name] = true end
      return found
    end):result()
    same("tine.Worker", real)
  end)

  it("has the kinds of errors and the states", function()
    local members, alias = {}, nil
    for line in io.lines(root .. "/types/tine.lua") do
      alias = line:match "^%-%-%-@alias tine%.(%w+)" or alias
      local member = line:match '^%-%-%-| "([%w_]+)"'
      if member then
        members[alias] = members[alias] or {}
        members[alias][member] = true
      end
    end
    local real = {}
    for line in io.lines(root .. "/include/tine.h") do
      local kind = line:match '^    X%(TINE_E%w+, %-%d+, "([%w_]+)"'
      if kind then real[kind] = true end
    end
    -- those that only the C library meets
    real.task, real.argument, real.again = nil, nil, nil
    assert.same(names(real), names(members.Kind))
    assert.same({ "cancelled", "finished", "pending", "running" }, names(members.State))
  end)

  it("has the fields of errors", function()
    local real = {}
    local replacing <close> = tine.pool { workers = 1, on_crash = "replace" }
    for _, code in ipairs { "os.exit(3)", "os.execute('kill -KILL ' .. require 'tine'.worker.pid)" } do
      for name in pairs(replacing:submit(load(code)):exception()) do real[name] = true end
    end
    local failing = tine.pool { initializer = function() error "no" end }
    for name in pairs(failing:submit(math.abs, 1):exception()) do real[name] = true end
    failing:shutdown()
    local limited <close> = tine.pool { workers = 1, timeout = 0.01 }
    for name in pairs(limited:submit(load "while true do end"):exception()) do real[name] = true end
    local spent = limited:with { timeout = math.huge, cpu = 0.01 }
    for name in pairs(spent:submit(load "while true do end"):exception()) do real[name] = true end
    local small = limited:with { timeout = math.huge, memory = 100000 }
    local greedy = load "local t = {} while true do t[#t + 1] = {} end"
    for name in pairs(small:submit(greedy):exception()) do real[name] = true end
    real.errno = true -- of errors of the system
    same("tine.Error", real)
  end)
end)
