-- The index of names is shared by the codecs of a state: each sees what is so when it begins.
local s = require "spec.codec.support"

local directory = os.tmpname()
os.remove(directory)

-- A module of that name, from a file with that text.
local function module(name, text)
  local path = directory .. "/" .. name .. ".lua"
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
  return path
end

local modules = {}
local function load_module(name, text)
  modules[name] = module(name, text)
  package.loaded[name] = nil
  return require(name)
end

describe("a further codec of a state", function()
  local path = package.path
  local text = [[
    local M, sentinel, Hidden = {}, {}, {}
    Hidden.__index = Hidden
    function Hidden:get() return self.value end
    function M.new(value) return setmetatable({ value = value }, Hidden) end
    function M.is_empty(x) return x == sentinel end
    function M.empty() return sentinel end
    function M.double(x) return 2 * x end
    function M.grow() M.later = { get = function() return "later" end } return M.later end
    M.inner = { triple = function(x) return 3 * x end }
    return M]]
  local M

  setup(function()
    assert(os.execute("mkdir " .. directory))
    package.path = directory .. "/?.lua;" .. path
    M = load_module("codec_again", text)
    s.call(s.pair(), M.double, 1) -- somebody has made an index
  end)
  teardown(function()
    package.path = path
    package.loaded.codec_again = nil
    for _, file in pairs(modules) do os.remove(file) end
    os.remove(directory)
  end)

  it("has the names that the first one had", function()
    for _ = 1, 3 do
      local c = s.pair()
      assert.is_true(#assert(c:fn(M.double)) < 120)
      assert.equal(8, s.call(c, M.double, 4))
      assert.equal(12, s.call(c, M.inner.triple, 4))
      assert.is_true(s.call(c, function(x) return M.is_empty(x) end, M.empty()))
      assert.equal(5, s.call(c, function(x) return x:get() end, M.new(5)))
      assert.equal(getmetatable(M.new(1)), getmetatable(s.call(c, function(x) return x end, M.new(1))))
    end
  end)

  it("sees what the program has replaced or taken away since", function()
    local double, triple = M.double, M.inner.triple
    M.double = function(x) return "mine " .. x end
    assert.equal("mine 4", s.call(s.pair(), function(x) return M.double(x) end, 4))
    assert.equal(8, s.call(s.pair(), double, 4))
    M.double = double
    assert.equal(8, s.call(s.pair(), function(x) return M.double(x) end, 4))
    M.inner.triple = function(x) return "my " .. x end
    assert.equal("my 4", s.call(s.pair(), function(x) return M.inner.triple(x) end, 4))
    M.inner.triple = triple
    assert.equal(12, s.call(s.pair(), function(x) return M.inner.triple(x) end, 4))
  end)

  it("sees what the module itself has made since", function()
    local later = M.grow()
    assert.equal("later", s.call(s.pair(), function() return later.get() end))
    assert.equal("later", s.call(s.pair(), later.get))
    M.later = nil
    later = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    local others = {}
    for i = 1, 100 do others[i] = { get = function() return i end } end
    local c = s.pair()
    for i = 1, 100 do assert.equal(i, s.call(c, others[i].get)) end
  end)

  it("sees a module that was loaded again, from another file", function()
    local old = M.double
    local N = load_module("codec_again", (text:gsub("2 %* x", "20 * x")))
    local c = s.pair()
    assert.equal(80, s.call(c, N.double, 4))
    assert.equal(8, s.call(c, old, 4))
    assert.equal(80, s.call(c, function(x) return N.double(x) end, 4))
    M = load_module("codec_again", text)
    assert.equal(8, s.call(s.pair(), M.double, 4))
  end)

  it("looks where its own modules are looked for", function()
    local here = package.path
    package.path = path
    local c = s.pair()
    package.path = here
    -- over there `codec_again` cannot be had
    assert.equal(8, s.call(c, M.double, 4))
    assert.equal(8, s.call(s.pair(), M.double, 4))
  end)

  it("sees other globals and other names of modules", function()
    local cjson = require "cjson"
    _G.codec_again_encode = cjson.encode -- luacheck: ignore
    package.loaded.codec_again_alias = M
    assert.equal("[1]", s.call(s.pair(), cjson.encode, { 1 }))
    assert.equal(8, s.call(s.pair(), M.double, 4))
    _G.codec_again_encode = nil -- luacheck: ignore
    package.loaded.codec_again_alias = nil
    assert.equal("[1]", s.call(s.pair(), cjson.encode, { 1 }))
    assert.equal(8, s.call(s.pair(), M.double, 4))
  end)
end)

describe("with a module that has a class of its own", function()
  it("nothing goes along that nobody has changed", function()
    local path = package.path
    package.path = directory .. "/?.lua;" .. path
    assert(os.execute("mkdir " .. directory))
    local M = load_module("codec_private", [[
      local M, Class = {}, {}
      Class.__index = Class
      function Class:get() return self.value end
      function M.new(value) return setmetatable({ value = value }, Class) end
      function M.double(x) return 2 * x end
      return M]])
    local c = s.pair()
    assert.equal(8, s.call(c, M.double, 4))
    assert.is_true(#assert(c:fn(M.double)) < 120)
    package.path = path
    package.loaded.codec_private = nil
    os.remove(modules.codec_private)
    os.remove(directory)
  end)
end)

-- An encode function (or a finalizer) may send something itself, in the midst of a message. When it had loaded a
-- module, that built the index of names anew, and the numbers by which the outer message knew its names were others'
-- then.
describe("a message in the midst of another", function()
  local path, calls = package.path, 0
  local Class, M = {}, nil
  Class.__index = Class
  function Class:get() return self.value end

  setup(function()
    assert(os.execute("mkdir " .. directory))
    package.path = directory .. "/?.lua;" .. path
    M = load_module("codec_outer", [[
      local M = { list = {} }
      function M.add(x) M.list[#M.list + 1] = x end
      function M.all() return #M.list end
      return M]])
    for i = 1, 6 do
      modules["codec_inner" .. i] = module("codec_inner" .. i, "return { f = function() return 1 end }")
    end
  end)
  teardown(function()
    package.path = path
    for name, file in pairs(modules) do
      package.loaded[name] = nil
      os.remove(file)
    end
    os.remove(directory)
  end)

  it("leaves the names of that one what they were", function()
    local c = s.pair()
    s.register("codec_again.Class", Class, function(object)
      calls = calls + 1
      if calls <= 6 then assert(c:values(require("codec_inner" .. calls).f, {})) end
      return { object.value }
    end, function(plain) return setmetatable({ value = plain[1] }, Class) end)
    for i = 1, 3 do
      M.add(setmetatable({ value = i }, Class))
      M.add(function() return i end)
    end
    M.extra = function() return 5 end
    for _ = 1, 3 do
      local all, extra = s.call(c, function() return M.all(), M.extra() end)
      assert.equal(6, all)
      assert.equal(5, extra)
    end
    assert.is_true(calls >= 6)
  end)

  -- A finalizer may send so much code that the codec forgets that of the function which is being encoded. The store
  -- had the bytes of that, and they were gone.
  it("does not lose the code of that one", function()
    local c = s.pair()
    local code = "return " .. ("x"):rep(3 * 1024 * 1024):gsub("^x+$", "[[%0]]")
    local wait, sent, finalized = 0, 0, 0
    local function litter()
      setmetatable({}, { __gc = function()
        finalized = finalized + 1
        wait = wait - 1
        if wait == 0 then
          sent = sent + 1
          assert(c:values((load("local n = " .. sent .. " " .. code))))
        end
        if finalized < 100000 then litter() end
      end })
    end
    rawset(string, "codec_added", function() return 1 end) -- looking at what was changed makes garbage
    collectgarbage()
    for _ = 1, 1000 do litter() end
    local mode = collectgarbage("incremental", 10, 100, 3) -- finalizers run in nearly each step
    for i = 1, 60 do
      local f = load("return " .. i .. " + string.codec_added(), math.floor, table.concat")
      local before = finalized
      while finalized == before do collectgarbage("step", 0) end -- the collector has come to finalizers
      wait = 8 * i -- the finalizer that sends: somewhere in the midst
      assert(c:fn(f))
      wait = 0
      assert.equal(i + 1, (s.call(c, f)))
    end
    collectgarbage("incremental", 200, 100, 13)
    collectgarbage(mode)
    finalized = 100000
    rawset(string, "codec_added", nil)
    assert.is_true(sent > 0)
  end)
end)
