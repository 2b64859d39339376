-- Code that submits while another call is encoded: finalizers, which any allocation may run, and encode functions.
local litter = require "spec.support.litter"
local tine = require "tine"

describe("what is submitted while a call is encoded", function()
  local pool
  local own, other = { "own" }, { "other" }
  local act -- what a finalizer does
  local Class = {}

  -- Call f while a finalizer submits something, once at each place where finalizers run.
  local function at_each_place(f)
    return litter.at_each_place(function(start, stop)
      start()
      f(stop)
    end, function() act() end)
  end

  setup(function()
    pool = tine.pool { workers = 1 }
    tine.register("spec.finalizers", Class, function()
      act()
      return 1
    end, function() return {} end)
    litter.begin()
  end)
  teardown(function()
    litter.finish()
    pool:shutdown()
  end)

  local function plain() return "plain" end
  local function with_own() return own[1] end
  local function with_other() return other[1] end
  local acts = {
    simple = function() pool:submit(plain) end,
    ["with the same table"] = function() pool:submit(with_own) end,
    ["with another table"] = function() pool:submit(with_other, own) end,
    ["a shared value"] = function() pool:share(own):close() end,
  }

  -- The argument was a copy of the upvalue: the inner call had taken the place of what tells that they are the same.
  it("leaves what arguments have in common with the function", function()
    local function same(a, b) return a == own, b == with_other, own[1], a[1], b() end
    for name, f in pairs(acts) do
      act = f
      local places = at_each_place(function(stop)
        local future = pool:submit(same, own, with_other)
        stop()
        assert.same({ true, true, "own", "own", "other" }, { future:result() }, name)
      end)
      assert.is_true(places > 1)
    end
  end)

  -- An argument that was the inner call's function was sent as "the function": the task got itself.
  it("leaves arguments what they are", function()
    local text = "outer"
    local function outer(f) return text, f ~= nil and f() end
    act = acts.simple
    for _ = 1, 3 do pool:submit(plain):result() end -- recognized from now on
    at_each_place(function(stop)
      local future = pool:submit(outer, plain)
      stop()
      assert.same({ "outer", "plain" }, { future:result() })
    end)
  end)

  it("leaves the calls of a map", function()
    for name, f in pairs(acts) do
      act = f
      at_each_place(function(stop)
        local results = {}
        for _, a in pool:map(function(t) return t == own and own[1] end, { own, own, own }) do
          results[#results + 1] = a
        end
        stop()
        assert.same({ "own", "own", "own" }, results, name)
      end)
    end
  end)

  -- The inner call's search of the modules was taken for the outer one's, so that whole modules were not searched.
  it("leaves what the program has put into modules", function()
    local file = os.tmpname()
    local path = package.path
    local function module(name, text)
      local f = assert(io.open(file .. "." .. name .. ".lua", "w"))
      assert(f:write(text))
      f:close()
    end
    module("under", [[
      local M, Class = {}, {}
      Class.__index = Class
      function Class.get() return "the file's" end
      function M.new() return setmetatable({}, Class) end
      return M]])
    module("over", [[
      local under = require "under"
      local M = {}
      function M.get() return under.new():get() end
      return M]])
    package.path = file .. ".?.lua;" .. path
    local over, under = require "over", require "under"
    local looking = tine.pool { workers = 1 }
    local n, class = 0, getmetatable(under.new())
    act = function() looking:submit(function() return over.get() end) end
    local function put()
      n = n + 1
      class.get = assert(load("return " .. n, "=put"))
    end
    local places = at_each_place(function(stop)
      put()
      local future = looking:submit(function() return over.get() end)
      stop()
      assert.equal(n, future:result())
      put() -- it is seen by the next call, too
      assert.equal(n, looking:submit(function() return over.get() end):result())
    end)
    assert.is_true(places > 1)
    looking:shutdown()
    package.path = path
    for _, name in ipairs { "under", "over" } do
      package.loaded[name] = nil
      os.remove(file .. "." .. name .. ".lua")
    end
    os.remove(file)
  end)

  it("may come from an encode function", function()
    local function same(_, a, b) return a == own, b == with_other, own[1], b() end
    for name, f in pairs(acts) do
      act = f
      local future = pool:submit(same, setmetatable({}, Class), own, with_other)
      assert.same({ true, true, "own", "other" }, { future:result() }, name)
    end
  end)

  -- Without worker processes, a nested call is copied out of the buffer that it was encoded into. The copy ran
  -- finalizers, and one that submitted used the same buffer: the program crashed.
  it("leaves a nested call that runs in the program", function()
    local here = tine.pool { workers = 0 }
    local future = here:submit(function()
      local nested = require("tine").worker.pool
      local n, inner, again, done = 0, false, true, 0
      local function fresh()
        n = n + 1
        local k = n
        return load("return " .. k), k
      end
      local function finalize()
        setmetatable({}, { __gc = function()
          if not inner then
            inner = true
            local f, expected = fresh()
            local ok, result = pcall(function() return nested:submit(f):result() end)
            if ok and result == expected then done = done + 1 end
            inner = false
          end
          if again then finalize() end
        end })
      end
      collectgarbage("incremental", 1, 1000, 30)
      finalize()
      collectgarbage()
      local wrong = 0
      for _ = 1, 20 do
        local f, expected = fresh()
        if nested:submit(f):result() ~= expected then wrong = wrong + 1 end
      end
      again = false
      return wrong, done > 20
    end)
    assert.same({ 0, true }, { future:result() })
    here:shutdown()
  end)
end)
