-- A message is written into memory that grows as it gets full. Nothing may be written where no room was made for it, so
-- each kind of content comes here behind strings of each length: it begins where the memory is full, and where one byte
-- is left, and so on. Once the head of a table that is also in a module was written behind the end: the table's name,
-- which comes before it, could fill the memory to the last byte. All that followed was then written there, too.
local s = require "spec.codec.support"
local shapes = require "codec_shapes"

local LONGEST = 300 -- more than any content here takes up to where the memory is 64, 128 and 256 bytes
local SENT = 3      -- a function is known to the codec then

local function numbers()
  return { math.mininteger, math.maxinteger, 1 << 40, -(1 << 40), 70000, -70000, 300, -300, 200, -100, 0, 0.1, -1 / 0 }
end

local function list(n)
  local t = {}
  for i = 1, n do t[i] = i end
  return t
end

local function backwards(n)
  local t = {}
  for i = n, 1, -1 do t[i] = i end
  return t
end

local function record(n)
  local t = {}
  for i = 1, n do t["key" .. i] = i * 1000 end
  return t
end

local function nested(levels)
  local t = {}
  for _ = 1, levels do t = { t } end
  return t
end

local function shared()
  local t = { 1 }
  local u = { t, t, key = t }
  u.itself = u
  return u
end

-- Name and value of what comes back as it went.
local data = {
  { "numbers", numbers() },
  { "strings", { "", ("x"):rep(31), ("x"):rep(32), ("x"):rep(255), ("x"):rep(256), "end" } },
  { "a record", { id = 1 << 40, ratio = 0.1, name = "a name", yes = true, no = false } },
  { "records", { { id = 1, ok = true }, { id = 2, ok = false }, { id = 3, ok = true } } },
  { "an empty table", {} },
  { "lists that need a longer head", { list(15), list(16), list(17) } },
  { "a list with holes", { 1, nil, nil, 4, nil, 6, 7, 8 } },
  { "a list whose items come in another order", backwards(20) },
  { "maps that need a longer head", { record(15), record(16), record(17) } },
  { "items and keys", { 1, 2, 3, x = 1, y = 2 } },
  { "tables in tables", nested(40) },
  { "tables that are met again", shared() },
  { "tables as keys", { [{ id = 1 }] = { id = 2 } } },
  { "a metatable", setmetatable({ 1, x = 2 }, { __name = "mine", 1 }) },
  { "metatables of a module", { shapes.Point.new(1, 2), setmetatable({}, shapes.plain_meta) } },
  { "files, light userdata and C functions", { io.stdout, require "cjson".null, string.rep, require "cjson".encode } },
  { "the globals table", { _G, _G } },
}

-- The task's closure is sent as often as it takes to be known; the content is its upvalue, its argument and its result.
local function walk(c, same, content, look)
  for n = 0, LONGEST do
    local pad = ("x"):rep(n)
    local function task() -- the padding first
      local p, x = pad, content
      return #p, look(x)
    end
    for _ = 1, SENT do
      local length, got = s.call(c, task)
      assert(length == n and same(got), n)
    end
    local length, got = s.call(c, function(p, x) return #p, look(x) end, pad, content)
    assert(length == n and same(got), n)
  end
end

describe("what fills the memory of a message to the last byte:", function()
  for _, case in ipairs(data) do
    local name, content = table.unpack(case)
    it(name, function()
      local c = s.pair()
      walk(c, function(got) return s.same(content, got) end, content, function(x) return x end)
      for n = 0, LONGEST do
        local length, got = s.copy(c, ("x"):rep(n), content)
        assert(#length == n and s.same(content, got), n)
      end
    end)
  end

  -- What the task makes of the content, here and there.
  local function it_does(name, make, look)
    it(name, function()
      local content = make()
      local wanted = look(content)
      walk(s.pair(), function(got) return got == wanted end, content, look)
    end)
  end
  local function result(f) return f() end

  it_does("functions by value, with upvalues", function()
    local n, t = 1 << 40, { "upvalue" }
    local function inner() n = n + 1 return n end
    return function() return inner() .. t[1] end
  end, function(f) return f():match "upvalue" end)

  it_does("functions with an environment of their own", function()
    return load("x = (x or 0) + 1 return print and _G ~= nil", "=own", "t", setmetatable({}, { __index = _G }))
  end, result)

  it_does("an environment that is also a value", function()
    local env = setmetatable({ text = "own" }, { __index = _G })
    return { load("return text", "=own", "t", env), env }
  end, function(t) return t[1]() .. t[2].text end)

  it_does("globals that are read and assigned", function()
    codec_room, codec_set = { 1, 2 }, 1 -- luacheck: ignore
    finally(function() codec_room, codec_set = nil, nil end) -- luacheck: ignore
    return function() codec_set = 2 return codec_room[2] end -- luacheck: ignore
  end, result)

  it_does("changes in standard libraries", function()
    string.codec_room, math.codec_room = function(x) return x .. "!" end, coroutine.create(print) -- luacheck: ignore
    finally(function() string.codec_room, math.codec_room = nil, nil end) -- luacheck: ignore
    return function() return math.codec_room and "" or string.codec_room "a" end -- luacheck: ignore
  end, function(f) return f():sub(1, 0) end)

  it_does("a module and its functions", function() return { shapes, shapes.inner.double, shapes.Point } end,
    function(t) return t[2](4) + t[1].inner.double(1) + t[3].new(1, 2):sum() end)

  it_does("a table of data that is also in a module", function() return shapes.limits end,
    function(t) return t.max end)

  it_does("a list of data that is also in a module", function()
    return shapes.figures_of_which_the_name_is_longer_than_others
  end, function(t) return #t + t[17] end)

  it_does("what a module keeps about a table", function()
    package.loaded.codec_accounts = nil
    local Account = require "codec_accounts"
    local t = {}
    Account.about(t, setmetatable({ thread = coroutine.create(print) }, {}))
    return { Account.new(10), t }
  end, function(t) return t[1]:balance() end)

  it_does("a table that a module keeps something about and also holds", function()
    package.loaded.codec_notes = nil
    return require "codec_notes".mark1
  end, function(mark) return require "codec_notes".is_mark(1, mark) end)

  it_does("changes in modules", function()
    package.loaded.codec_hooks = nil
    local m = require "codec_hooks"
    m.again, m.list[1], m.list[2] = m.a, m.b, m.a
    m.hooks[1], m.extra = function() return "x" end, function() return "more" end
    m[coroutine.create(print)] = function() end
    return m
  end, function(m) return m.again() .. m.all() .. m.hook() .. m.more() end)

  it_does("settings of modules", function()
    shapes.limits.max = 1 << 40
    finally(function() shapes.limits.max = 10 end)
    return shapes
  end, function(m) return m.limits.max end)

  it_does("an object of a registered class, and the class", function()
    local Coin, Plain = {}, {}
    s.register("Coin of the room", Coin, function(x) return x.cents end, function(n) return { cents = n } end)
    s.register("Plain in the room", Plain)
    return { setmetatable({ cents = 1 << 40 }, Coin), setmetatable({}, Plain), Coin, Plain }
  end, function(t) return t[1].cents end)
end)
