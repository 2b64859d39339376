-- timeout: 300
-- The decoder is fed with anything: errors, never harm. And allocations fail.
local s = require "spec.codec.support"

local c = s.test.codec()

local function refused(bytes, pattern)
  local ok, message = pcall(c.decode, c, bytes)
  assert.is_false(ok, "accepted")
  assert.matches(pattern, message)
end

local function body(hex, pattern, marks, globals)
  refused(s.segment(hex, marks, globals), pattern)
end

describe("the decoder refuses", function()
  it("segments that are not whole", function()
    local good = c:values(1, "two")
    for n = 0, #good - 1 do refused(good:sub(1, n), "not a whole segment") end
    refused(good .. "x", "not a whole segment")
    refused(("\xff"):rep(8), "not a whole segment")
  end)

  it("bodies that end early or late, or are no array of values", function()
    body("", "ends too early")
    body("91", "ends too early")
    body("91a561", "ends too early")
    body("9101 c0", "something follows")
    body("01", "not an array of values")
    body("8101 02", "not an array of values")
    body("91c1", "not msgpack")
    body("91cf8000000000000000", "an integer of 2^63 or more") -- which was a float without a word
  end)

  it("lengths that cannot be", function()
    body("91dd00989680", "more items declared")
    body("91ddffffffff", "more items declared")
    body("91dfffffffff", "more items declared")
    body("ddffffffff", "more items declared")
    body("91dbffffffff61", "ends too early")
    body("91c9ffffffff05", "wrong size")
  end)

  it("what Lua has not", function()
    body("9181c001", "nil")
    body("9181cb7ff800000000000001", "NaN")
    body("91d40901", "unknown extension type 9")
    body("91d4ff01", "unknown extension type %-1")
    body("91d405ff", "an operation that is not the first item")
    body("9191d405ff", "unknown operation 255")
    body("9191d40500", "unknown operation 0")
    body("919201d40501", "an operation that is not the first item")
  end)

  it("references to nowhere, and marks that fit nothing", function()
    body("91d60100000000", "reference to nowhere")
    body("9290d60100000000", "reference to nowhere")
    body("9290d60100000001", "reference to nowhere", { 0 })
    body("9190", "marks beyond its objects", { 5 })
    body("9190", "marks out of order", { 0, 0 })
    body("9190", "marks out of order", { 1, 0 })
    body("91d5010000", "wrong size")
    body("91c705020000000001", "an upvalue outside of a function")
    body("91d40301", "an environment outside of a function")
    body("91d40601", "a global outside of a function")
  end)

  it("tables of a wrong shape", function()
    body("9193d405010102", "a table of a wrong size")
    body("9193d40501a161c0", "a table of a wrong size")
    body("9194d4050100c001", "a table of a wrong size")
    body("9193d4050100a161", "a metatable that is no table")
    body("9192d4050101", "an operation of a wrong size")
    body("9195d4050100c0c001", "nil")
  end)

  it("functions of a wrong shape", function()
    body("9192d40502c0", "a function without code")
    body("9192d4050205", "no code has the number 5")
    body("9192d40502cd0005", "no code has the number 5")
    body("9192d40502ff", "no code has the number %-1")
    body("9192d40502a3616263", "code of 3 bytes")
    body("9192d40502aa30303030303030306162", "damaged")
    assert(c:fn(function() return c end) == nil)
    local n = 1
    assert(c:fn(function() n = n + 1 return n end))
    local id = ("%02x"):format(c:codes())
    body("9192d40502" .. id, "wrong number of upvalues")
    body("9195d40502" .. id .. "010203", "wrong number of upvalues")
    body("9193d40502" .. id .. "c705020000000009", "an upvalue outside of a function")
    body("9193d40502" .. id .. "c705020000000009", "an upvalue that is not there", { 0 })
    body("9196d40502" .. id .. "01" .. "01a16101", "globals in a message that announces none")
    body("9196d40502" .. id .. "01" .. "00a16101", "globals of no environment")
    body("9196d40502" .. id .. "01" .. "010101", "the name of a global is no string")
    assert(c:decode(s.segment("9196d40502" .. id .. "01" .. "01a16101", nil, true)))
  end)

  it("names, objects, classes and notes of a wrong shape", function()
    body("9191d40503", "an operation of a wrong size")
    body("9194d405030101a0", "a name of a wrong form")
    body("9194d40503a26e6fa0a0", "a name of a wrong form")
    body("9194d40503a26e6f01a0", "cannot load module 'no'")
    body("9195d40503a6737472696e6702a0a26e6f", "module 'string' has no 'no'")
    body("9195d40503a6737472696e6702a0fb", "module 'string' has no '<upvalue 5>'")
    body("9194d40503a6737472696e6701a83030303030303030", "module 'string' is another one")
    body("91dc0014d40503" .. ("a161"):rep(19), "an operation of a wrong size")
    body("9192d4050ba26e6f", "this Lua has no 'no'")
    body("9192d4050b01", "a name that is no string")
    body("9193d40509" .. "94d40503a26e6f01a0", "it ends too early")
    body("9195d4050a90a6737472696e67a16101", "a change outside of a call")
    body("9193d4050a9001", "an operation of a wrong size")
    assert.same({}, c:decode(s.segment("9193d40509" .. "94d40503a26e6f01a0" .. "90")))
    body("9194d4050401c001", "a name that is no string")
    body("9194d40504a161c001", "the decode function of class 'a' failed")
    body("9192d40505a0", "empty")
    body("9192d4050501", "a name that is no string")
    body("9193d40506a16101", "a class that is no table")
    body("9192d40507a161", "a note in a wrong place")
    body("9194d4050e01" .. "90" .. "01", "something is kept about what is no table")
    body("9194d4050e90" .. "01" .. "01", "something is kept in what is no table")
    body("9195d4050e90" .. "90" .. "01" .. "90", "an operation of a wrong size")
    body("9194d4050e90" .. "90" .. "d40603", "something is kept in what is no table")
    body("9194d4050e90" .. "d40603" .. "01", "something is kept in what is no table")
    body("9193d40506a16192d40507a162", "class 'a' is not registered")
  end)

  it("bytecode where source belongs", function()
    local dump = string.dump(function() end)
    local hex = dump:gsub(".", function(x) return ("%02x"):format(x:byte()) end)
    body("9192d40508d9" .. ("%02x"):format(#dump) .. hex, "attempt to load a binary chunk")
    body("9192d40508a12b", "cannot compile the task")
    assert.equal(5, c:decode(s.segment("9192d40508a872657475726e2035"))())
  end)

  it("deep nesting without an end", function()
    for _, open in ipairs { "91", "8101", "92c0", "93d4050100" } do
      local ok, message = pcall(c.decode, c, s.segment("91" .. open:rep(100000)))
      assert.is_false(ok)
      assert.matches("malformed message", message)
    end
    assert.is_nil((c:values(string.rep)) == nil or nil)
  end)
end)

describe("mutated messages", function()
  it("do no harm", function()
    local n, up = 0, { 1 }
    local function f() n = n + 1; up[1] = f; return n end
    local Class = {}
    s.register("Mutant", Class, function(v) return { v.x } end,
      function(p) return setmetatable({ x = p[1] }, Class) end)
    local x = { 1, 2, k = { f } }
    x.x = x
    local seeds = {
      assert(c:values(x, x, f)), assert(c:values(1, "two", 3.5, { a = { b = { c = 1 } } })),
      assert(c:values(setmetatable({ x = 1 }, Class), Class, setmetatable({ 1 }, { __index = up }))),
      assert(c:values(print, string.rep, string, io.stdout)),
      assert(s.test.codec { store = false }:values(f, x)),
    }
    math.randomseed(tonumber(os.getenv "TINE_SEED") or 11)
    local accepted = 0
    for _ = 1, 40000 do
      local seed = seeds[math.random(#seeds)]
      local bytes = { seed:byte(1, -1) }
      for _ = 1, math.random(3) do
        local at = math.random(9, #bytes)
        local how = math.random(3)
        if how == 1 then
          bytes[at] = math.random(0, 255)
        elseif how == 2 then
          bytes[at] = bytes[at] ~ 1 << math.random(0, 7)
        else
          table.remove(bytes, at)
          bytes[#bytes + 1] = math.random(0, 255)
        end
      end
      local mutant = string.char(table.unpack(bytes))
      if pcall(c.decode, c, mutant) then accepted = accepted + 1 end
    end
    assert.is_true(accepted > 100)
    assert.equal(5, (s.copy(c, 5)))
  end)
end)

describe("failing allocations", function()
  it("in the worker are memory errors, at every point, and leave nothing", function()
    local w = s.pair()
    local n, shared = 0, { 1, 2, { 3 } }
    local Money = {}
    Money.__index = Money
    s.register("Starved", Money, function(m) return m.cents end,
      function(cents) return setmetatable({ cents = cents }, Money) end)
    rawset(_G, "codec_starved", function(x) return x end)
    local function up() n = n + 1; return n end
    local f = function(a, b, m)
      a.x = codec_starved(b) -- luacheck: ignore
      a.y = up
      return a, b, shared, m, string.rep, load "return 1", { f = function() return a end }, up()
    end
    local fn = assert(w:fn(f))
    local args = assert(w:args({ 1, x = { 2 } }, shared, setmetatable({ cents = 3 }, Money),
      ("s"):rep(5000)))
    for _ = 1, 2 do
      assert.is_true(w:starve(fn, args) >= 0)
      local ok, bytes = w:run(fn, args)
      assert(ok, bytes)
      local a, b, sh, m = w:decode(bytes)
      assert.equal(b, sh)
      assert.same({ 3 }, sh[3])
      assert.equal(b, a.x)
      assert.equal(3, m.cents)
    end
    rawset(_G, "codec_starved", nil)
  end)

  it("in the submitter likewise, whatever it knows already", function()
    local w = s.pair()
    assert.is_true(w:starve_encoding [[
      local n, t = 0, { 1, 2 }
      t.t = t
      helper = function() return t, absent end
      _G.C = _G.C or {}
      local C = _G.C
      C.__index = C
      register("C", C, function(v) return { v.x } end, function(p) return setmetatable({ x = p[1] }, C) end)
      local function f(x) n = n + 1; return helper(x, f), t, string.rep, setmetatable({}, { __index = t }) end
      local big = {}
      for i = 1, 200 do big[i] = { i, k = { big } } end
      return f, t, f, print, { [t] = f }, setmetatable({ x = t }, C), big, ("s"):rep(3000), C
    ]] > 20)
    assert.is_true(w:starve_encoding "return load 'return x', { 1 }" > 5)
    assert.is_true(w:starve_encoding "return 'string.rep', { 1 }" >= 0)
    assert.is_true(w:starve_encoding "return string.rep, io.stdout" > 5)
  end)

  it("are met by fresh codecs too", function()
    for _, store in ipairs { true, false } do
      local w = s.pair { store = store }
      local t = {}
      t.t = t
      local fn = assert(w:fn(function(x) return x, t, print, function() return t end end))
      assert.is_true(w:starve(fn, assert(w:args(t))) > 5)
    end
  end)
end)
