-- What cannot travel is named, with the way to it; and registered classes.
local s = require "spec.codec.support"

local c = s.pair()

local function refusal(f, ...)
  local bytes, message, code = c:fn(f)
  if not bytes then return message, code end
  bytes, message, code = c:args(...)
  assert.is_nil(bytes)
  return message, code
end

local function line() return debug.getinfo(2, "l").currentline end

describe("a refusal names the way", function()
  local co = coroutine.create(print)
  local file = assert(io.tmpfile())

  it("to upvalues of functions in arguments", function()
    local db = file
    local at = line() + 1
    local f = function() return db end
    local message, code = refusal(print, 1, { handlers = { print, print, f } })
    assert.matches("^argument 2: key \"handlers\"%[3%]: upvalue 'db' of function at "
      .. ".*errors_spec.lua:" .. at .. ": cannot send a userdata %(FILE%*%); ", message)
    assert.equal(-6, code)
  end)

  it("to upvalues of the function itself, and of functions in those", function()
    local at = line() + 1
    local inner = function() return co end
    local outer = function() return inner() end
    local message = refusal(outer)
    assert.matches("^upvalue 'inner' of function at .*errors_spec.lua:" .. at + 1
      .. ": upvalue 'co' of function at .*errors_spec.lua:" .. at .. ": cannot send a coroutine; ",
      message)
  end)

  it("through keys of all kinds and metatables", function()
    assert.matches("^argument 1: key 2: cannot", (refusal(print, { 1, co })))
    assert.matches("^argument 1: key true%[1.5%]: cannot", (refusal(print, { [true] = { [1.5] = co } })))
    assert.matches("^argument 1: key %(a table%): cannot", (refusal(print, { [{}] = co })))
    assert.matches("^argument 1: a key that is a thread: cannot", (refusal(print, { [co] = 1 })))
    assert.matches("^argument 1: metatable: key \"__index\": cannot",
      (refusal(print, setmetatable({}, { __index = co }))))
    local long = ("k"):rep(1000)
    assert.is_true(#refusal(print, { [long] = co }) < 200)
  end)

  it("but not all of a very long one", function()
    local t = co
    for _ = 1, 500 do t = { t } end
    local message = refusal(print, t)
    assert.is_true(#message < 400)
    assert.matches("^argument 1: key 1%[1%]", message)
    assert.matches("%.%.%..*%[1%]: cannot send a coroutine", message)
  end)

  it("to results", function()
    local bytes, message = c:values(1, co)
    assert.is_nil(bytes)
    assert.matches("^result 2: cannot send a coroutine", message)
  end)

  it("for C functions without a name, and addresses", function()
    assert.matches("^argument 1: cannot send a C function that no loaded module holds",
      (refusal(print, ("x"):gmatch "x")))
    assert.matches("^cannot send a coroutine that coroutine.wrap has made", (refusal(coroutine.wrap(print))))
    assert.matches("^argument 1: cannot send a light userdata", (refusal(print, select(4, c:origin(print)))))
  end)

  it("and leaves nothing behind", function()
    local shared = { 1 }
    refusal(print, shared, co)
    local fn = assert(c:fn(print))
    assert.is_truthy(fn)
    local a, b = s.copy(c, shared, shared)
    assert.equal(a, b)
  end)
end)

describe("a registered class", function()
  local Money = { __name = "Money" }
  Money.__index = Money
  local function money(n) return setmetatable({ cents = n, secret = coroutine.create(print) }, Money) end
  function Money:plus(n) return money(self.cents + n) end
  Money.plus = function(self, n) return self.cents + n end
  s.register("Money", Money, function(m) return m.cents end,
    function(cents) return setmetatable({ cents = cents }, Money) end)

  it("travels with its decode function, unknown there", function()
    assert.equal(15, s.call(c, function(m) return m:plus(5) end, money(10)))
    assert.equal("Money", s.call(c, function(m) return getmetatable(m).__name end, money(1)))
  end)

  it("keeps its identity here", function()
    local m = s.copy(c, money(3))
    assert.equal(Money, getmetatable(m))
    local a, b, t = s.copy(c, m, m, { m })
    assert.equal(a, b)
    assert.equal(a, t[1])
  end)

  it("is the worker's own where it is registered", function()
    local w = s.pair()
    w:eval [[
      M = { __index = { plus = function(self, n) return 'own ' .. self.cents + n end } }
      register('Money', M, function(m) return m.cents end,
        function(n) return setmetatable({ cents = n }, M) end)
    ]]
    assert.equal("own 6", s.call(w, function(m) return m:plus(5) end, money(1)))
    local m = s.call(w, function(x) return x end, money(2))
    assert.equal(Money, getmetatable(m))
    assert.equal(2, m.cents)
    assert.is_true(s.call(w, function() return Money == M end)) -- luacheck: ignore
  end)

  it("may have userdata for values; those that modules hold still go by name", function()
    local file = assert(io.tmpfile())
    s.register("File", debug.getmetatable(file), function(f) return tostring(f):sub(1, 4) end,
      function(x) return x end)
    assert.equal("file", (s.copy(c, file)))
    assert.equal(io.stderr, (s.copy(c, io.stderr)))
    file:close()
  end)

  it("without functions travels by content", function()
    local Plain = { __index = { kind = "plain" } }
    s.register("Plain", Plain)
    local x = setmetatable({ 1 }, Plain)
    assert.equal(Plain, getmetatable((s.copy(c, x))))
    assert.equal("plain", s.call(c, function(y) return y.kind end, x))
    local Loop = { co = coroutine.create(print) }
    Loop.__index = Loop
    s.register("Loop", Loop)
    assert.equal(Loop, getmetatable((s.copy(c, setmetatable({}, Loop)))))
    local ok, message = pcall(s.call, c, function() return 1 end, setmetatable({}, Loop))
    assert.is_false(ok)
    assert.matches("class 'Loop' is not registered in this process, and it cannot travel: "
      .. "argument 1: metatable: key \"co\": cannot send a coroutine", message)
  end)

  it("whose functions fail is an error with the way", function()
    local Bad = {}
    s.register("Bad", Bad, function() error "no mood" end, function() error "no mood either" end)
    assert.matches("^argument 1: key \"x\": the encode function of class 'Bad' failed: .*no mood",
      (refusal(print, { x = setmetatable({}, Bad) })))
    s.register("Bad", Bad, function() return coroutine.create(print) end, print)
    assert.matches("^argument 1: encoded value of class 'Bad': cannot send a coroutine",
      (refusal(print, setmetatable({}, Bad))))
    s.register("Bad", Bad, function() return 1 end, function() error "no mood either" end)
    local bytes = c:values(setmetatable({}, Bad))
    assert.error_matches(function() c:decode(bytes) end,
      "the decode function of class 'Bad' failed: .*no mood either")
    s.register("Bad", Bad, function(v) return { v } end, print)
    assert.matches("holds the value itself", (refusal(print, setmetatable({}, Bad))))
  end)

  it("fail with anything, also with what cannot be printed", function()
    local Mute = {}
    local silent = setmetatable({}, { __tostring = function() error "not even that" end })
    local odd = setmetatable({}, { __tostring = function() return {} end })
    for _, err in ipairs { silent, odd } do
      s.register("Mute", Mute, function() error(err) end, print)
      assert.matches("^argument 1: key \"x\": the encode function of class 'Mute' failed: "
        .. "%(error object is a table value%)", (refusal(print, { x = setmetatable({}, Mute) })))
      s.register("Mute", Mute, function() return 1 end, function() error(err) end)
      local bytes = c:values(setmetatable({}, Mute))
      assert.error_matches(function() c:decode(bytes) end,
        "the decode function of class 'Mute' failed: %(error object is a table value%)")
    end
  end)

  it("may change what is being encoded without harm", function()
    local Evil = {}
    local victim = {}
    s.register("Evil", Evil, function()
      for k in pairs(victim) do victim[k] = nil end
      for i = 1, 100 do victim["n" .. i] = i end
      collectgarbage()
      return 1
    end, function() return 1 end)
    for i = 1, 20 do victim[i] = setmetatable({}, Evil) end
    for i = 1, 20 do victim["k" .. i] = setmetatable({}, Evil) end
    c:values(victim)
    assert(c:values(1))
  end)

  it("may use the codec while it is used", function()
    local Inner = {}
    rawset(_G, "codec_again", c)
    s.register("Inner", Inner, function(v) return (codec_again:values(v.payload)) end, -- luacheck: ignore
      function(bytes) return { payload = (codec_again:decode(bytes)) } end) -- luacheck: ignore
    local t = { 1 }
    local copy = s.copy(c, { t, setmetatable({ payload = { 1, 2, { 3 } } }, Inner), t })
    assert.same({ 1, 2, { 3 } }, copy[2].payload)
    assert.equal(copy[1], copy[3])
    rawset(_G, "codec_again", nil)
  end)

  -- A hundred levels deep it failed, was left out there, and was tried again at each level: for minutes.
  it("that needs itself is refused at once, and not left out", function()
    local Endless, codec, calls = {}, s.pair(), 0
    Endless.__index = Endless
    local object = setmetatable({}, Endless)
    local function needs() return object end
    s.register("Endless", Endless, function()
      calls = calls + 1
      for _ = 1, 3 do pcall(codec.fn, codec, needs) end
      return assert(codec:fn(needs))
    end, print)
    local message, code = refusal(needs)
    assert.matches("^upvalue 'object' of function at .*: the encode function of class 'Endless' calls itself without ",
      message)
    assert.equal(-6, code)
    assert.is_true(calls < 100)
    refusal(needs)
    s.register("Endless", Endless, function() return 1 end, function() return { "made" } end)
    assert.same({ "made" }, s.call(c, needs))
  end)

  it("has one name and one metatable", function()
    local A, B = {}, {}
    s.register("A", A, print, print)
    s.register("A", A, type, type)
    assert.error_matches(function() s.register("A", B, print, print) end,
      "class 'A' is registered with another metatable")
    assert.error_matches(function() s.register("B", A, print, print) end,
      "this metatable is registered as class 'A'")
    assert.error_matches(function() s.register("B", B, print) end, "bad argument #4")
    assert.error_matches(function() s.register(1, B, print, print) end, "bad argument #1")
  end)
end)
