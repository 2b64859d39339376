-- Simple functions go a quick way, and those without state are called again: nobody may notice.
local s = require "spec.codec.support"

local c = s.pair()

-- The results of three calls of `f` with that argument: made, recognized, called again.
local function thrice(f, ...)
  local results = {}
  for i = 1, 3 do results[i] = s.call(c, f, ...) end
  return results
end

describe("a function without state", function()
  it("gives the same each time", function()
    assert.same({ 3, 3, 3 }, thrice(function(x) return x + 1 end, 2))
    assert.same({ "2", "2", "2" }, thrice(function(x) return tostring(x) end, 2))
    assert.same({ "x", "x", "x" }, thrice(function(...) return (select(2, ...)) end, 1, "x"))
  end)

  it("makes fresh inner functions in each call", function()
    local f = function()
      local n = 0
      local function up() n = n + 1 return n end
      up()
      return up()
    end
    assert.same({ 2, 2, 2 }, thrice(f))
  end)

  it("takes tables, marks and itself as arguments", function()
    s.register("codec_spec.Stateless", {}) -- with classes, encoding goes another way
    local f = function(t, g) return t[1] == t[2] and g(t[3]) end
    local inner = { 1 }
    for _ = 1, 3 do
      assert.equal(7, s.call(c, f, { inner, inner, 7 }, function(x) return x end))
    end
    local same = function(g) return g and g == debug.getinfo(1, "f").func end
    for i = 1, 3 do
      assert.is_true(s.call(c, same, same), i)
      assert.is_nil(s.call(c, same), i)
    end
  end)

  it("goes with several argument segments", function()
    local f = function(x) return type(x) == "table" and x.v or x end
    for _ = 1, 3 do
      local fn = assert(c:fn(f))
      local list = { assert(c:args(1)), assert(c:args { v = 2 }), assert(c:args("3")),
        assert(c:args { v = f }) }
      for i = 1, 3 do
        local _, bytes = c:run(fn, list[i])
        assert.equal(({ 1, 2, "3" })[i], (c:decode(bytes)))
      end
      local _, bytes = c:run(fn, list[4])
      assert.equal("function", type(c:decode(bytes)))
    end
  end)

  it("is told from others after it died", function()
    for i = 1, 200 do
      local f = load("return " .. i)
      for _ = 1, 3 do assert.equal(i, s.call(c, f)) end
      f = nil -- luacheck: ignore
      if i % 20 == 0 then collectgarbage() end
    end
  end)

  it("is not kept alive but for a few", function()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 100 do
      local f = load("return 1")
      thrice(f)
      weak[f] = true
    end
    collectgarbage()
    local n = 0
    for _ in pairs(weak) do n = n + 1 end
    assert.is_true(n <= 20, n)
  end)

  it("goes by name once a module that defines it is loaded", function()
    local name = "codec_simple_" .. os.time()
    local old, dir = package.path, os.tmpname()
    os.remove(dir)
    os.execute("mkdir " .. dir)
    finally(function()
      package.loaded[name], package.path = nil, old
      os.execute("rm -r " .. dir)
    end)
    package.path = dir .. "/?.lua;" .. old
    local file <close> = assert(io.open(("%s/%s.lua"):format(dir, name), "w"))
    file:write "return { double = function(x) return x * 2 end }"
    file:close()
    local w = s.pair()
    local m = require(name)
    package.loaded[name] = nil -- not yet
    assert.equal(4, s.call(w, m.double, 2))
    package.loaded[name] = m
    assert(w:fn(function() return "new" end)) -- has the index made anew
    assert.is_truthy(assert(w:fn(m.double)):find(name, 1, true))
    assert.equal(4, s.call(w, m.double, 2))
  end)

  it("may fail", function()
    local f = function(x) error("no " .. x, 0) end
    for _ = 1, 3 do
      local ok, message = pcall(s.call, c, f, "way")
      assert.is_false(ok)
      assert.matches("no way", message)
    end
  end)
end)

describe("_ENV of a function that is called again", function()
  -- `f(x)` makes x its own `print`, and says whether that is its `print`: no later call may see it.
  local function changes_its_own(f)
    for _ = 1, 3 do
      assert.is_false(s.call(c, f))
      assert.is_true(s.call(c, f, "mine"))
    end
  end

  it("is the globals table, though a call assigned it", function()
    local f = function(x)
      local before = print
      if x then _ENV = { print = x } end
      return before and print == x
    end
    changes_its_own(f)
  end)

  it("is the globals table, though debug.setupvalue changed it", function()
    local f = function(x)
      if x then debug.setupvalue(debug.getinfo(1, "f").func, 1, { print = x }) end
      return print == x
    end
    changes_its_own(f)
  end)

  it("is the globals table, though debug.upvaluejoin replaced it", function()
    local f = function(x)
      local own = debug.getinfo(1, "f").func
      if x then debug.upvaluejoin(own, 1, load("return y", "=y", "t", { print = x }), 1) end
      return print == x
    end
    changes_its_own(f)
  end)

  it("is not that of functions which an earlier call left behind", function()
    local f = function(x)
      if x == "keep" then
        _G.kept = function() return print end
      elseif x == "spoil" then
        _ENV = {}
      else
        return _G.kept() ~= nil
      end
    end
    for _ = 1, 3 do
      s.call(c, f, "keep")
      s.call(c, f, "spoil")
      assert.is_true(s.call(c, f))
    end
    c:eval("kept = nil return ''")
  end)

  it("may be another table of the sender", function()
    local f = load("return x", "=f", "t", { x = 5 })
    assert.same({ 5, 5, 5 }, thrice(f))
    local g = load("return x ~= nil", "=g", "t")
    assert.same({ false, false, false }, thrice(g))
    debug.setupvalue(g, 1, { x = 5 })
    assert.same({ true, true, true }, thrice(g))
    debug.setupvalue(g, 1, _G)
    assert.same({ false, false, false }, thrice(g))
  end)
end)

describe("a function whose upvalues are scalars", function()
  it("has them as they are at that time, new ones in each call", function()
    local a, b, d, e, f, g = 1, 2.5, ("long"):rep(100), nil, true, false
    local function fn(x)
      a = a + 1
      return a, b, d, e, f, g, print and x
    end
    for i = 1, 4 do
      assert.same({ 2, 2.5, d, nil, true, false, i }, { s.call(c, fn, i) })
    end
    a, e, g = 10, "now", nil
    for i = 1, 2 do
      assert.same({ 11, 2.5, d, "now", true, nil, i }, { s.call(c, fn, i) })
    end
  end)

  it("may have a table or a function there another time", function()
    local up = 1
    local function fn() return type(up), type(up) == "function" and up() end
    for _ = 1, 3 do
      up = 1
      for _ = 1, 3 do assert.same({ "number", false }, { s.call(c, fn) }) end
      up = { 1 }
      for _ = 1, 3 do assert.same({ "table", false }, { s.call(c, fn) }) end
      up = function() return "up" end
      for _ = 1, 3 do assert.same({ "function", "up" }, { s.call(c, fn) }) end
    end
  end)

  it("shares them with functions among its arguments", function()
    local n, m = 1, "m"
    local function up() n = n + 1 end
    local function fn(f, t)
      f()
      return n, m, t[1] == t[2]
    end
    for _ = 1, 4 do
      local t = {}
      assert.same({ 2, "m", true }, { s.call(c, fn, up, { t, t }) })
    end
  end)

  it("keeps upvalues apart, or joined", function()
    local a, b = 1, 1
    local function fn()
      a = a + 1
      return b
    end
    assert.same({ 1, 1, 1 }, thrice(fn))
    debug.upvaluejoin(fn, 1, fn, 2)
    assert.same({ 2, 2, 2 }, thrice(fn))
  end)

  it("may have many of them", function()
    for _, n in ipairs { 12, 13, 14, 15, 60 } do
      local names, values = {}, {}
      for i = 1, n do names[i], values[i] = "v" .. i, i end
      local source = "local " .. table.concat(names, ",") .. " = ...; return function() return "
        .. table.concat(names, "+") .. " end"
      local sum = n * (n + 1) // 2
      assert.same({ sum, sum, sum }, thrice(load(source)(table.unpack(values))))
    end
  end)

  it("may change before its arguments are encoded", function()
    local up = 1
    local function fn(t) return up, t[1] == t[2] end
    for _ = 1, 3 do
      up = 1
      local bytes = assert(c:fn(fn))
      local t = {}
      up = {}
      local _, results = c:run(bytes, assert(c:args { t, t }))
      assert.same({ 1, true }, { c:decode(results) })
    end
  end)
end)

describe("scalars", function()
  it("come as they are, alone and beside tables", function()
    local values = { true, false, 0, -1, 127, 128, -32, -33, -128, -129, 255, 256, 65535, 65536,
      -32768, -32769, 1 << 31, 1 << 32, -(1 << 31), -(1 << 31) - 1, math.maxinteger, math.mininteger,
      0.0, -0.0, 1.5, 1 / 0, -1 / 0, "", "x", ("y"):rep(31), ("y"):rep(32), ("y"):rep(255),
      ("y"):rep(256), ("y"):rep(65535), ("y"):rep(65536), "\0\xff" }
    for i, v in ipairs(values) do
      local alone, beside = s.copy(c, v), s.copy(c, v, {})
      assert.is_true(s.same(v, alone), i)
      assert.is_true(s.same(v, beside), i)
    end
    assert.equal(3, select("#", s.copy(c, nil, 1, nil)))
    assert.equal(0, select("#", s.copy(c)))
    assert.equal(40, select("#", s.copy(c, table.unpack(values, 1, 40))))
    local nan = s.copy(c, 0 / 0)
    assert.is_true(nan ~= nan)
  end)

  it("of a broken segment are refused", function()
    for _, hex in ipairs { "91", "92 01", "91 01 02", "91 a2 78", "91 d9", "91 d9 02 78", "91 da 00",
      "91 db 00 00 00", "91 cb 00", "91 cd 01", "91 cf 01", "91 d3 01", "91 c1", "90 00", "",
      "91 cf 80 00 00 00 00 00 00 00" } do -- the last: 2^63
      assert.is_false(pcall(c.decode, c, s.segment(hex)), hex)
    end
    assert.equal(1, c:decode(s.segment "91 d0 01"))
  end)
end)

describe("the segment of a function", function()
  it("is refused when it is broken, also after it was good", function()
    local other = s.pair()
    local f = function() return type end
    for _ = 1, 3 do s.call(other, f) end
    local fn, args = assert(other:fn(f)), assert(other:args())
    assert.is_true((other:run(fn, args)))
    for i = 1, #fn - 1 do assert.is_false((other:run(fn:sub(1, i), args)), i) end
    assert.is_false((other:run(fn .. "\0", args)))
    for _, id in ipairs { "00", "7f", "cc ff", "cd ff ff", "ce ff ff ff ff", "cc", "d0 ff" } do
      assert.is_false((other:run(s.segment("92 d4 05 02 " .. id), args)), id)
      assert.is_false((other:run(s.segment("93 d4 05 02 " .. id .. " d4 03 01"), args)), id)
    end
  end)
end)
