-- A table that is the _ENV of a function and a value of the same call: it is one table there, too; see docs/travel.md.
local pools = require "spec.support.pools"

describe("an environment that is a value, too", function()
  local run = pools.runner(setup, teardown)

  -- A new environment and the function of that source in it.
  local function sandbox(source, fields)
    local env = setmetatable(fields or {}, { __index = _G })
    return env, load(source, "=sandbox", "t", env)
  end

  it("has what its functions write, whichever of them came first", function()
    local env, f = sandbox("count = (count or 0) + step return count", { step = 5 })
    assert.same({ 5, 5 }, { run(function() return f(), env.count end) })
    assert.same({ 5, 5 }, { run(function() return f(), rawget(env, "count") end) })
    assert.same({ 5, 5 }, { run(function(e, g) return g(), e.count end, env, f) })
    assert.same({ 5, 5 }, { run(function(g, e) return g(), e.count end, f, env) })
    assert.same({ 5, 5 }, { run(function(e) return f(), e.count end, env) })
    assert.same({ 5, 5 }, { run(function(t) return t.f(), t.env.count end, { f = f, env = env }) })
  end)

  it("gives its functions what is written to it", function()
    local env, f = sandbox "return word"
    assert.equal("there", run(function()
      env.word = "there"
      return f()
    end))
    assert.equal("there", run(function(e, g)
      e.word = "there"
      return g()
    end, env, f))
  end)

  it("has functions that are in it, and itself", function()
    local env, f = sandbox "function add(n) sum = (sum or 0) + n return sum end"
    f()
    env.me = env
    assert.same({ 3, 3, true }, { run(function(e) e.add(1) e.add(2) return e.sum, e.me.sum, e.me == e end, env) })
    assert.same({ 13, 13 }, { run(function()
      env.add(3)
      env.sum = env.sum + 10
      return env.sum, env.me.sum
    end) })
    assert.is_nil(env.sum)
  end)

  it("is it without a metatable, by its field _G", function()
    local env = { _G = _G, v = 1 }
    local f = load("v = v + 1 return v", "=sandbox", "t", env)
    assert.same({ 2, 2, true }, { run(function(e) return f(), e.v, e._G == _G end, env) })
  end)

  it("is told from another one", function()
    local a, f = sandbox "x = 'a'"
    local b, g = sandbox "x = 'b'"
    assert.same({ "a", "b" }, { run(function(one, two) f() g() return one.x, two.x end, a, b) })
  end)

  it("comes back as one", function()
    local env, f = run(function()
      local e = setmetatable({}, { __index = _G })
      return e, load("y = (y or 0) + 1 return y", "=sandbox", "t", e)
    end)
    assert.equal(1, f())
    assert.equal(1, env.y)
  end)

  it("is found again in the arguments, where functions of both sides have it", function()
    local _, f = sandbox "shared = (shared or 0) + 1 return shared"
    local g = load("return shared", "=sandbox", "t", select(2, debug.getupvalue(f, 1)))
    assert.equal(1, run(function(other) f() return other() end, g))
  end)
end)

describe("an environment", function()
  local run = pools.runner(setup, teardown)

  it("that is its own _G has the program's globals, and keeps what is written", function()
    rawset(_G, "travel_limit", 7)
    finally(function() rawset(_G, "travel_limit", nil) end)
    local env = setmetatable({ own = 1 }, { __index = _G })
    env._G = env
    local f = load("seen = travel_limit return travel_limit, _G.travel_limit, _G == _ENV, own, _G.own, seen",
      "=sandbox", "t", env)
    assert.same({ 7, 7, true, 1, 1, 7 }, { run(f) })
    assert.is_nil(run(load "return seen"))
    local behind = setmetatable({}, { __index = setmetatable({ _G = {} }, { __index = _G }) })
    assert.equal(7, run(load("return travel_limit", "=sandbox", "t", behind)))
  end)

  -- In busted's blocks `assert` is luassert's, from the environment of a block around.
  it("has standard names as the tables behind it have them", function()
    local outer = setmetatable({ print = function(s) return "captured " .. s end }, { __index = _G })
    local inner = setmetatable({}, { __index = outer })
    assert.equal("captured x", run(load("return print 'x'", "=sandbox", "t", inner)))
    local by_function = setmetatable({}, { __index = function(_, k) return outer[k] end })
    assert.equal("captured x", run(load("return print 'x'", "=sandbox", "t", by_function)))
    assert.equal("number", run(load("return type(1)", "=sandbox", "t", inner)))
    assert.is_true(run(function() return pcall(assert.same, { 1 }, { 1 }) end))
  end)

  -- What the environment has was not seen there by way of _G, and another table was not there at all: one with __index
  -- that is a function killed the worker.
  it("with a _G of its own has it in the task", function()
    rawset(_G, "travel_limit", 7)
    finally(function() rawset(_G, "travel_limit", nil) end)
    local env = setmetatable({ print = function() return "mine" end }, { __index = _G })
    env._G = env
    assert.same({ "mine", 7, "mine" },
      { run(load("return _G.print(), _G.travel_limit, print()", "=sandbox", "t", env)) })
    env.handle = assert(io.open "/dev/null")
    finally(function() env.handle:close() end)
    assert.same({ "mine", 7 }, { run(load("return _G.print(), _G.travel_limit", "=sandbox", "t", env)) })
    local nested = setmetatable({}, { __index = setmetatable({ own = 1 }, { __index = _G }) })
    nested._G = nested
    assert.same({ 1, 7, 2, 2 },
      { run(load("_G.new = 2 return _G.own, _G.travel_limit, new, _G.new", "=sandbox", "t", nested)) })
    local other = setmetatable({ a = 1 }, { __index = function(_, k) return "other " .. k end })
    local has = setmetatable({ _G = other }, { __index = _G })
    assert.same({ 1, "other travel_limit", 7 },
      { run(load("return _G.a, _G.travel_limit, travel_limit", "=sandbox", "t", has)) })
    assert.same({ "other travel_limit", true },
      { run(load("local e = _ENV return _G.travel_limit, e ~= nil", "=sandbox", "t", has)) })
    assert.is_nil(run(load "return new"))
  end)

  -- Penlight's strict, in front of globals that load their module at the first look, does so for Lua code only.
  it("whose metamethod looks at who asks is asked by Lua code", function()
    local env = setmetatable({ _G = _G }, { __index = function(_, k)
      if k ~= "Lazy" then return _G[k] end
      return debug.getinfo(2, "S").what ~= "C" and "loaded" or nil
    end })
    assert.equal("loaded", run(load("return Lazy", "=sandbox", "t", env)))
  end)
end)
