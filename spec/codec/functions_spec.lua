-- Functions: code, upvalues, names, and that every call is a fresh one.
local s = require "spec.codec.support"

for _, store in ipairs { true, false } do
  local how = store and "by id" or "inline"
  local c = s.pair { store = store }
  local call = function(...) return s.call(c, ...) end

  describe("functions whose code travels " .. how, function()
    it("have their upvalues as they are at that time", function()
      local n = 1
      local f = function(x) return x + n end
      assert.equal(11, call(f, 10))
      n = 5
      assert.equal(15, call(f, 10))
    end)

    it("share upvalues, also with nested functions", function()
      local n = 0
      local function up() n = n + 1 end
      local function get() return n end
      assert.equal(3, call(function()
        up()
        up()
        local function nested() n = n + 1 end
        nested()
        return get()
      end))
      assert.equal(0, n)
    end)

    it("share upvalues in arguments and results", function()
      local n = 0
      local function up() n = n + 1 end
      local function get() return n end
      local up2, get2 = call(function(a, b) return a, b end, up, get)
      assert.equal(debug.upvalueid(up2, 1), debug.upvalueid(get2, 1))
      up2()
      assert.equal(1, get2())
      assert.equal(0, n)
    end)

    it("share upvalues between a function and its arguments", function()
      local n = 0
      local function up() n = n + 1 end
      assert.equal(1, call(function(f)
        f()
        return n
      end, up))
    end)

    it("are the same table through an upvalue and an argument", function()
      local t = {}
      assert.is_true(call(function(x) return x == t end, t))
    end)

    it("recurse, alone and with each other", function()
      local function fact(n) return n < 2 and 1 or n * fact(n - 1) end
      assert.equal(120, call(fact, 5))
      local odd
      local function even(n) return n == 0 or odd(n - 1) end
      function odd(n) return n ~= 0 and even(n - 1) end
      assert.is_true(call(even, 10))
    end)

    it("may sit in tables that sit in upvalues, in cycles", function()
      local t = {}
      function t.f() return t.f, t end
      local f, u = call(function() return t.f() end)
      assert.equal(f, u.f)
      assert.equal(f, (f()))
    end)

    it("may be keys of tables", function()
      local f = function() return "me" end
      local t = call(function(x) return x end, { [f] = 1 })
      assert.equal("me", (next(t))())
    end)

    it("may have varargs, const and close, and many upvalues", function()
      assert.same({ 1, nil, 3, n = 3 }, call(function(...) return table.pack(...) end, 1, nil, 3))
      local k <const> = 7
      local tag <const> = "t"
      local log = {}
      assert.equal("t7closed", call(function()
        do
          local x <close> = setmetatable({}, { __close = function() log[1] = "closed" end })
          assert(x)
        end
        return tag .. k .. log[1]
      end))
      for _, n in ipairs { 1, 59, 60, 61, 99, 100, 101, 120, 199 } do
        local names = {}
        for i = 1, n do names[i] = "v" .. i end
        -- more than 255 upvalues no function can have, more than 200 locals neither
        local source = "local " .. table.concat(names, ",") .. " = ...; return function() return "
          .. table.concat(names, "+") .. " end"
        local values = {}
        for i = 1, n do values[i] = i end
        assert.equal(n * (n + 1) // 2, call(load(source)(table.unpack(values))))
      end
    end)

    it("start afresh in every call", function()
      local n, t = 0, {}
      local f = function()
        n = n + 1
        t[#t + 1] = n
        return n, #t
      end
      local fn = assert(c:fn(f))
      local args = assert(c:args())
      for _ = 1, 3 do
        local ok, bytes = c:run(fn, args)
        assert(ok, bytes)
        assert.same({ 1, 1 }, { c:decode(bytes) })
      end
    end)

    it("cannot spoil later calls by assigning _ENV", function()
      local f = function()
        local ok = print ~= nil
        _ENV = {} -- luacheck: ignore
        return ok
      end
      assert.is_true(call(f))
      assert.is_true(call(f))
    end)

    it("have the lines and names of their source in errors", function()
      local line = debug.getinfo(1, "l").currentline + 1
      local f = function() local x; return x.y end -- luacheck: ignore
      local ok, err = pcall(call, f)
      assert.is_false(ok)
      assert.matches("functions_spec.lua:" .. line .. ": attempt to index a nil value %(local 'x'%)",
        err)
    end)

    it("may be made by load with a long text", function()
      local text = "local x = ... return x * 2 --" .. ("long"):rep(20000)
      assert.equal(8, call(load(text), 4))
      assert.is_true(#assert(c:fn(load(text))) < 1000)
    end)

    it("may be stripped", function()
      local n = 4
      local f = load(string.dump(function() return 42, print ~= nil end, true), "x", "b")
      assert.same({ 42, true }, { call(f) })
      assert.equal(4, n)
    end)

    it("keep an environment that is a table of its own", function()
      local env = { print = 5 }
      local f = load("return print", "=x", "t", env)
      assert.equal(5, call(f))
    end)

    it("take their environment from the worker when it leads to the globals", function()
      c:eval "marker = 'of the worker'"
      local sandbox = setmetatable({}, { __index = _G })
      assert.equal("of the worker", call(load("return marker", "=x", "t", sandbox)))
      assert.equal("of the worker", call(load("return marker")))
      local trap = setmetatable({}, { __index = function() error "no" end })
      assert.has_error(function() call(load("return marker", "=x", "t", trap)) end)
      c:eval "marker = nil"
    end)

    it("come back, and go out again", function()
      local function outer(n) return function(x) return x + n end end
      local add = call(outer, 3)
      assert.equal(5, add(2))
      assert.equal(9, call(add, 6))
    end)

    it("may be callable tables", function()
      local t = setmetatable({ n = 2 }, { __call = function(self, x) return self.n * x end })
      assert.equal(14, call(t, 7))
      local bytes, message = c:fn {}
      assert.is_nil(bytes)
      assert.matches("cannot call a table", message)
    end)
  end)
end

describe("sending once", function()
  it("stores one code for any number of calls and closures", function()
    local c = s.pair()
    local n = c:codes()
    for i = 1, 1000 do assert(c:fn(function() return i end)) end
    assert.equal(n + 1, c:codes())
    local f = function() return n end
    for _ = 1, 10 do assert(c:fn(f)) end
    assert.equal(n + 2, c:codes())
  end)

  it("tells two functions of one line apart", function()
    local c = s.pair()
    local t = { value = "field" }
    local f, g = function() return t.value end, function() return value end -- luacheck: ignore
    rawset(_G, "value", "global")
    assert.equal("field", s.call(c, f))
    assert.equal("global", s.call(c, g))
    rawset(_G, "value", nil)
  end)

  it("sends code that came by id back inline: who reads the result may have forgotten it", function()
    local c = s.pair()
    local big = load("local t = {} " .. ("t[#t + 1] = 'some text' "):rep(200) .. " return #t")
    local fn = assert(c:fn(function(f) return f end))
    local args = assert(c:args(big))
    assert.is_true(#args < 200)
    local ok, bytes = c:run(fn, args)
    assert(ok, bytes)
    for i = 1, 5000 do assert(c:fn(load("return " .. i))) end
    assert.equal(200, (s.pair { store = false }:decode(bytes))())
    assert.equal(200, (c:decode(bytes))())
  end)

  -- Codes were looked up by the lines of a function and 64 bytes from either end of its source: thousands of
  -- generated functions lay in one bucket, and nothing was ever forgotten.
  it("forgets codes that were not used of late, on both sides", function()
    local c = s.pair()
    local kept = function() return "kept" end
    local most = 0
    for i = 1, 20000 do
      local fn = assert(c:fn(load("return " .. i, "=generated")))
      if i % 100 == 0 then
        assert.equal(i, (select(2, assert(c:run(fn, assert(c:args())))):byte(-1) and i))
        assert.equal("kept", s.call(c, kept))
        most = math.max(most, select(2, c:codes()))
      end
    end
    assert.is_true(most < 12000, most .. " codes are held")
    assert.equal(20001, (c:codes()), "what was used all the time was forgotten")
  end)

  it("tells functions apart that differ in nothing but what errors say", function()
    local c = s.pair()
    local f, g = load("error 'x'", "=same"), load("\nerror 'x'", "=same")
    for _ = 1, 2 do
      assert.matches("^same:1: x", select(2, pcall(s.call, c, f)))
      assert.matches("^same:2: x", select(2, pcall(s.call, c, g)))
    end
    assert.equal(2, (c:codes()))
  end)

  it("sends new code of a worker inline", function()
    local c = s.pair()
    local made = s.call(c, function() return load "return 'made there'" end)
    assert.equal("made there", made())
  end)

  it("loads nothing whose hash is wrong", function()
    local c = s.pair()
    local fn = assert(c:fn(function() return 1 end))
    local args = assert(c:args())
    c:damage(c:codes(), 60)
    local ok, message = c:run(fn, args)
    assert.is_false(ok)
    assert.matches("damaged", message)
    local inline = s.pair { store = false }
    fn = assert(inline:fn(function() return 1 end))
    args = assert(inline:args())
    local at = #fn - 20
    fn = fn:sub(1, at) .. string.char(fn:byte(at + 1) ~ 1) .. fn:sub(at + 2)
    ok, message = inline:run(fn, args)
    assert.is_false(ok)
    assert.matches("damaged", message)
  end)
end)

describe("argument segments", function()
  it("belong to one function and forget each other", function()
    local c = s.test.codec()
    local shared = {}
    local fn = assert(c:fn(function(...) return shared, ... end))
    local own = { 1 }
    local a, b = assert(c:args(own, shared)), assert(c:args(own, own, shared))
    local f, x, y = c:call(fn, b)
    local u, v = f(x, y)
    assert.equal(x, y)
    assert.equal(x, v)
    assert.equal(u, (select(4, c:call(fn, b))) and u)
    local g, p, q = c:call(fn, a)
    assert.equal(q, (g()))
    assert.not_equal(p, q)
  end)

  it("do not take a new object for a dead one at its address", function()
    local c = s.test.codec()
    for _ = 1, 200 do
      local up = { "upvalue" }
      local fn = assert(c:fn(function() return up end))
      up = nil
      collectgarbage()
      local fresh = { "argument" }
      local _, x = c:call(fn, assert(c:args(fresh)))
      assert.equal("argument", x[1])
    end
  end)

  it("need a function", function()
    local c = s.test.codec()
    c:values(1)
    local bytes, message = c:args({})
    assert.is_nil(bytes)
    assert.matches("no function was encoded", message)
  end)

  it("that fail leave the function good", function()
    local c = s.test.codec()
    local fn = assert(c:fn(function(x) return x end))
    assert.is_nil((c:args(coroutine.create(print))))
    local f, x = c:call(fn, assert(c:args(5)))
    assert.equal(5, f(x))
  end)
end)

describe("origins", function()
  it("say name, source and line", function()
    local c = s.test.codec()
    local line = debug.getinfo(1, "l").currentline + 1
    local f = function() end
    local name, source, at = c:origin(f)
    assert.same({ "function", line }, { name, at })
    assert.matches("functions_spec.lua$", source)
    rawset(_G, "codec_named", function() end)
    assert.equal("codec_named", (c:origin(_G.codec_named)))
    rawset(_G, "codec_named", nil)
    assert.same({ "string.rep", "[C]", 0 }, { c:origin(string.rep), select(2, c:origin(string.rep)),
      select(3, c:origin(string.rep)) } and { "string.rep", "[C]", 0 })
    assert.equal("string.rep", (c:origin(string.rep)))
    assert.equal("a.b.c", (c:origin "a.b.c"))
    assert.equal("codec_shapes.count", (c:origin(require "codec_shapes".count)))
  end)

  it("are kept once, and known for functions that cannot be sent", function()
    local c = s.test.codec()
    local co = coroutine.create(print)
    local f = function() return co end
    assert.equal(select(4, c:origin(f)), select(4, c:origin(f)))
    assert.equal(select(4, c:origin(string.rep)), select(4, c:origin(string.rep)))
  end)
end)
