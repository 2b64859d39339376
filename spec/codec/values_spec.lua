-- timeout: 240
-- Plain values and tables: what goes out comes back exactly.
local s = require "spec.codec.support"

local c = s.test.codec()

local function returns(...)
  local sent, got = table.pack(...), table.pack(s.copy(c, ...))
  assert.equal(sent.n, got.n)
  for i = 1, sent.n do assert(s.same(sent[i], got[i]), "value " .. i .. " came back otherwise") end
  return table.unpack(got, 1, got.n)
end

describe("the codec brings back", function()
  it("very many tables, also in a function or in one of its calls", function()
    local many = {}
    for i = 1, 70000 do many[i] = {} end
    local f = function() return #many end
    local pair = s.pair()
    assert.equal(70000, s.call(pair, f))
    local fn = assert(pair:fn(function(t) return #t end))
    for _, t in ipairs { many, { 1 }, many, { 2 } } do
      local _, bytes = pair:run(fn, assert(pair:args(t)))
      assert.equal(#t, (pair:decode(bytes)))
    end
  end)

  it("nil in the middle and at the end", function()
    returns()
    returns(nil)
    returns(1, nil, 2, nil, nil)
  end)

  it("integers of every width", function()
    for shift = 0, 63 do
      for d = -2, 2 do returns((1 << shift) + d, -(1 << shift) + d) end
    end
    returns(math.mininteger, math.maxinteger)
  end)

  it("floats bit by bit", function()
    local bits = { 0.0, -0.0, 1.0, 2.0 ^ 53, 1 / 0, -1 / 0, 5e-324, 2.2250738585072014e-308, 0.1, 1e308 }
    for _, x in ipairs(bits) do
      local y = returns(x)
      assert.equal(string.pack("n", x), string.pack("n", y))
      assert.equal("float", math.type(y))
    end
    for _, nan in ipairs { "\0\0\0\0\0\0\xf8\x7f", "\0\0\0\0\0\0\xf8\xff", "\1\2\3\0\0\0\xf8\x7f" } do
      local y = s.copy(c, (string.unpack("<d", nan)))
      assert.equal(nan, string.pack("<d", y))
    end
  end)

  it("strings of every header width and all bytes", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    returns(table.concat(all))
    for _, n in ipairs { 0, 1, 31, 32, 255, 256, 65535, 65536, 1 << 20 } do returns(("z"):rep(n)) end
  end)

  it("arrays and maps at the edges of their headers", function()
    for _, n in ipairs { 0, 1, 14, 15, 16, 17, 31, 32, 65534, 65535, 65536, 65537 } do
      local array, map = {}, {}
      for i = 1, n do
        array[i] = i
        map["k" .. i] = i
      end
      returns(array)
      returns(map)
    end
  end)

  it("arrays with a few other keys, with holes, in odd order", function()
    returns { 1, 2, 3, x = 1 }
    returns { 1, nil, 3 }
    returns { nil, nil, 3 }
    returns { 1, 2, nil, 4, n = 4 }
    returns { [0] = 0, 1, 2, [-1] = -1, [2.5] = "x", [true] = 1, [false] = 2 }
    returns { [1 << 40] = 1, [math.mininteger] = 2, [1e300] = 3 }
    local backwards = {}
    for i = 100, 1, -1 do backwards[i] = i end
    returns(backwards)
    local sparse = {}
    for i = 0, 30 do sparse[1 << i] = i end
    returns(sparse)
    assert.is_true(#c:values(sparse) < 1000)
  end)

  it("the length of arrays that end as they began", function()
    for _, t in ipairs { { 1, 2, 3 }, { 1, nil, 3 }, { nil, nil, 3 }, {}, { 1, 2, 3, x = 1 } } do
      assert.equal(#t, #s.copy(c, t))
    end
  end)

  it("a sequence that lies in the hash part, as a plain array", function()
    local t = { x = 1 }
    for i = 10, 1, -1 do t[i] = i end
    t.x = nil
    assert.equal("919a0102030405060708090a", (s.hex(c:values(t)):gsub("^91", "91")))
    returns(t)
  end)

  it("a million integers", function()
    local t = {}
    for i = 1, 1000000 do t[i] = i end
    local u = s.copy(c, t)
    assert.equal(1000000, #u)
    assert.equal(654321, u[654321])
  end)

  it("cycles, shared tables and tables as keys", function()
    local a = { id = 1 }
    a.self = a
    local b = { id = 2, a, a, { a } }
    b[a] = b
    local x, y = returns(a, b)
    assert.equal(x, x.self)
    assert.equal(x, y[1])
    assert.equal(x, y[3][1])
    assert.equal(y, y[x])
  end)

  it("light userdata NULL, and modules' userdata by name", function()
    local cjson = require "cjson"
    assert.equal(cjson.null, (s.copy(c, cjson.null)))
    assert.equal(io.stdout, (s.copy(c, io.stdout)))
  end)

  it("the globals table as the globals table", function()
    assert.equal(_G._G, (s.copy(c, _G._G)))
  end)
end)

describe("plain data", function()
  it("is plain msgpack", function()
    assert.equal("92" .. "9401cb4004000000000000a17881a161c3" .. "c0",
      s.hex(c:values({ 1, 2.5, "x", { a = true } }, nil)))
  end)

  it("has no marks", function()
    assert.equal(0, (string.unpack("<I4", c:values({ {}, { {} } }), 5)))
  end)

  it("of other writers is read in all its forms", function()
    local function read(hex) return c:decode(s.segment("91" .. hex)) end
    assert.equal(5, read "cc05")
    assert.equal(5, read "cd0005")
    assert.equal(5, read "ce00000005")
    assert.equal(5, read "cf0000000000000005")
    assert.equal(-1, read "d0ff")
    assert.equal(-1, read "d1ffff")
    assert.equal(-1, read "d2ffffffff")
    assert.equal(-1, read "d3ffffffffffffffff")
    assert.equal(math.maxinteger, read "cf7fffffffffffffff")
    assert.equal(0.5, read "ca3f000000")
    assert.equal("ab", read "d9026162")
    assert.equal("ab", read "da00026162")
    assert.equal("ab", read "db000000026162")
    assert.equal("ab", read "c4026162")
    assert.equal("ab", read "c500026162")
    assert.equal("ab", read "c6000000026162")
    assert.same({ 1 }, read "dc000101")
    assert.same({ 1 }, read "dd0000000101")
    assert.same({ a = 1 }, read "de0001a16101")
    assert.same({ a = 1 }, read "df00000001a16101")
    assert.same({}, read "80")
  end)
end)

describe("nesting", function()
  local function nest(n)
    local t = {}
    for _ = 2, n do t = { t } end
    return t
  end

  it("goes 1,000 levels deep", function()
    local t, n = s.copy(c, nest(1000)), 0
    while t do t, n = t[1], n + 1 end
    assert.equal(1000, n)
    assert(s.copy(c, { x = nest(998) }))
    local maps = {}
    for _ = 2, 1000 do maps = { x = maps } end
    assert(s.copy(c, maps))
    local with_meta = setmetatable({}, {})
    for _ = 2, 999 do with_meta = setmetatable({ with_meta }, {}) end
    assert(s.copy(c, with_meta))
  end)

  it("ends the same way on both sides", function()
    local bytes, message = c:values(nest(1001))
    assert.is_nil(bytes)
    assert.matches("nested more than 1000 levels deep", message)
    assert.matches("^argument 1: key 1%[1%]", (select(2, (function()
      c:fn(print)
      return c:args(nest(1001))
    end)())))
    local deep = s.segment(("91"):rep(1200) .. "01")
    assert.has_error(function() c:decode(deep) end, "malformed message: nested too deeply")
  end)

  it("does not depend on the C stack for functions either", function()
    local f = function() return 1 end
    for _ = 2, 999 do
      local g = f
      f = function() return g() end
    end
    assert(s.copy(c, f))
  end)
end)

describe("metatables", function()
  it("travel by value, shared in a message, and are set last", function()
    local meta = { __index = function(_, k) return k .. "!" end, __newindex = error }
    local a, b = s.copy(c, setmetatable({ 1, x = 2 }, meta), setmetatable({}, meta))
    assert.equal("q!", a.q)
    assert.equal(2, a.x)
    assert.equal(getmetatable(a), getmetatable(b))
  end)

  it("may be the table itself, protected, or weak", function()
    local t = {}
    t.__index = t
    setmetatable(t, t)
    local u = s.copy(c, t)
    assert.equal(u, getmetatable(u))
    assert.equal("locked", getmetatable((s.copy(c, setmetatable({}, { __metatable = "locked" })))))
    local weak = s.copy(c, setmetatable({ {} }, { __mode = "v" }))
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("bring finalizers to life, in any order of the message", function()
    for _, first in ipairs { true, false } do
      local log = {}
      rawset(_G, "codec_spec_log", log)
      local meta = {}
      local object = setmetatable({ 1 }, meta)
      meta.kept = object
      meta.__gc = function() local l = rawget(_G, "codec_spec_log") l[#l + 1] = 1 end
      local bytes = first and c:values(object, meta) or c:values(meta, object)
      setmetatable(object, nil)
      c:decode(bytes)
      collectgarbage()
      collectgarbage()
      assert.equal(1, #log)
      rawset(_G, "codec_spec_log", nil)
    end
  end)

  it("are not run while encoding", function()
    local function refuse() error "a metamethod ran" end
    local meta = setmetatable({}, { __index = refuse, __newindex = refuse })
    for _, event in ipairs { "__index", "__newindex", "__len", "__pairs", "__call", "__eq", "__name",
      "__tostring", "__concat", "__close" } do
      rawset(meta, event, refuse)
    end
    assert(c:values(setmetatable({ 1, 2, x = 3 }, meta)))
  end)
end)

describe("random graphs", function()
  it("come back the same", function()
    local random = math.random
    math.randomseed(tonumber(os.getenv "TINE_SEED") or 7)
    local function graph()
      local nodes, n = {}, random(1, 12)
      for i = 1, n do nodes[i] = { id = i } end
      local function value()
        local r = random(8)
        if r <= 3 then return nodes[random(n)] end
        if r == 4 then return random(-1000, 1000) end
        if r == 5 then return random() end
        if r == 6 then return ("s"):rep(random(0, 40)) end
        return r == 7
      end
      for i = 1, n do
        for _ = 1, random(0, 6) do
          local r = random(5)
          if r <= 2 then
            nodes[i][#nodes[i] + 1] = value()
          elseif r == 3 then
            nodes[i][nodes[random(n)]] = value()
          elseif r == 4 then
            nodes[i]["k" .. random(9)] = value()
          else
            nodes[i][random(20)] = value()
          end
        end
        if random(4) == 1 then setmetatable(nodes[i], nodes[random(n)]) end
      end
      return nodes[1]
    end
    for i = 1, 3000 do
      local g = graph()
      local bytes = assert(c:values(g))
      local copy = c:decode(bytes)
      assert(s.same(g, copy), "graph " .. i)
    end
  end)

  it("keys of many records, whatever their order, length and number", function()
    local random, alphabet = math.random, {}
    for i = 1, 120 do alphabet[i] = ("k"):rep(i % 41) .. i % 7 .. ("\0x"):rep(i % 3) .. i end
    for most = 1, 120, 17 do
      local list = {}
      for i = 1, 200 do
        local record = {}
        for _ = 1, random(0, 40) do
          local key = alphabet[random(most)]
          local r = random(6)
          record[key] = r == 1 and alphabet[random(most)] or r == 2 and { [key] = key } or i
          if r == 3 then record[i] = key end
        end
        list[i] = record
      end
      returns(list, { [alphabet[most]] = list })
    end
  end)

  it("keys that differ in a single byte", function()
    local list = {}
    for length = 1, 34 do
      for at = 1, length do
        local zeros = ("0"):rep(length)
        list[#list + 1] = { [zeros] = at, [zeros:sub(1, at - 1) .. "1" .. zeros:sub(at + 1)] = length }
      end
    end
    returns(list)
  end)
end)
