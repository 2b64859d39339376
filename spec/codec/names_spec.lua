-- What goes by name, what by value, and globals.
local s = require "spec.codec.support"
local shapes = require "codec_shapes"

local c = s.pair()
local function call(...) return s.call(c, ...) end

describe("by name go", function()
  it("C functions, of the standard library and of modules", function()
    assert.equal("xx", call(string.rep, "x", 2))
    assert.equal(3, call(math.tointeger, 3.0))
    assert.equal("table", call(type, {}))
    local cjson = require "cjson"
    assert.equal("[1]", call(cjson.encode, { 1 }))
    local byte = string.byte
    assert.equal(97, call(function(x) return byte(x) end, "a"))
  end)

  it("module tables and their functions, nested ones too, with the module's state", function()
    assert.equal(10, call(function(x) return shapes.inner.double(x) end, 5))
    local double = shapes.inner.double
    assert.equal(10, call(double, 5))
    local fn = assert(c:fn(double))
    assert.is_true(#fn < 100)
    c:eval "require 'codec_shapes'.calls = 100"
    assert.equal(101, call(shapes.count))
    assert.is_true(call(function() return require "codec_shapes" == shapes end))
  end)

  it("classes that a module holds", function()
    local p = shapes.Point.new(1, 2)
    assert.equal(3, call(function(q) return q:sum() end, p))
    assert.is_true(call(function(q) return getmetatable(q) == require "codec_shapes".Point end, p))
    local Point = shapes.Point
    assert.is_true(call(function() return Point == require "codec_shapes".Point end))
    local q = call(function() return Point.new(4, 5) end)
    assert.equal(shapes.Point, getmetatable(q))
    -- held, and a metatable, though it has no metamethod
    assert.is_true(call(function(t)
      return getmetatable(t) == require "codec_shapes".plain_meta
    end, setmetatable({}, shapes.plain_meta)))
  end)

  it("modules that return functions", function()
    local f = require "codec_callable"
    assert.equal("called with 1", call(f, 1))
    assert.is_true(call(function() return f == require "codec_callable" end))
  end)

  it("functions of modules that are loaded later", function()
    assert.equal(1, call(function() return 1 end))
    package.loaded.codec_callable = nil
    local f = require "codec_callable"
    assert.is_true(call(function() return f == require "codec_callable" end))
    assert.is_nil(package.loaded.codec_data)
    local data = require "codec_data"
    assert.is_true(call(function() return data == require "codec_data" end))
    package.loaded.codec_data = nil
  end)

  it("io.stdout and its like", function()
    local out = io.stdout
    assert.is_true(call(function() return out == io.stdout end))
  end)
end)

describe("by value go", function()
  it("data tables of modules", function()
    local limits = shapes.limits
    limits.max = 77
    assert.equal(77, call(function() return limits.max end))
    limits.max = 10
  end)

  it("functions that a module held once", function()
    local old = shapes.inner.double
    shapes.inner.double = function() return "patched" end
    assert.equal(6, call(old, 3))
    assert.equal("patched", call(shapes.inner.double, 3))
    shapes.inner.double = old
  end)

  it("modules that no path finds", function()
    local m = { f = function(x) return x + 1 end, t = { 1 } }
    package.loaded.codec_nowhere = m
    package.preload.codec_nowhere = function() return m end
    assert.equal(5, call(function() return m.f(4) end))
    assert.equal(5, call(m.f, 4))
    assert.is_true(call(function() return package.loaded.codec_nowhere == nil end))
    package.loaded.codec_nowhere, package.preload.codec_nowhere = nil, nil
  end)

  it("functions that only _G holds", function()
    rawset(_G, "codec_global", function() return "by value" end)
    assert.equal("by value", call(_G.codec_global))
    rawset(_G, "codec_global", nil)
  end)
end)

describe("a module that the worker cannot load", function()
  it("is named, with the function that needs it", function()
    local w = s.pair()
    w:eval "package.path = '' package.loaded.codec_shapes = nil"
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(s.call, w, function() return shapes.count() end)
    assert.is_false(ok)
    assert.matches("cannot load module 'codec_shapes' %(function at .*names_spec.lua:" .. line
      .. " needs it%)", err)
    ok, err = pcall(s.call, c, shapes.gone or function() end)
    assert(ok, err)
    c:eval "require 'codec_shapes'.inner.double = nil"
    ok, err = pcall(call, shapes.inner.double)
    assert.is_false(ok)
    assert.matches("module 'codec_shapes' has no 'inner.double' in this process", err)
    c:eval "package.loaded.codec_shapes = nil"
  end)
end)

describe("text", function()
  it("names a field of the longest module", function()
    assert.equal(6, call("codec_shapes.inner.double", 3))
    assert.equal("aa", call("string.rep", "a", 2))
  end)

  it("without a dot names a module that is a function, else a global", function()
    assert.equal("called with 1", call("codec_callable", 1))
    c:eval "function there(x) return 'there ' .. x end"
    assert.equal("there 1", call("there", 1))
    assert.equal("there 2", call("there", 2))
    assert.equal("7", call("tostring", 7))
  end)

  it("that names nothing is an error", function()
    local function message(text) return (select(2, pcall(call, text))) end
    assert.matches("cannot find 'nowhere' in this process", message "nowhere")
    assert.matches("cannot find 'no.where': there is no module 'no'", message "no.where")
    assert.matches("cannot find 'string.nothing' in this process", message "string.nothing")
    assert.matches("'string' is a table in this process, not a function", message "string")
    assert.matches("'codec_shapes.limits' is a table", message "codec_shapes.limits")
  end)
end)

describe("globals", function()
  local function global(name, value) rawset(_G, name, value) end
  local function forget(...)
    for _, name in ipairs { ... } do global(name, nil) end
  end

  it("that a function reads travel, recursive ones too", function()
    global("codec_fib", load "local n = ... return n < 2 and n or codec_fib(n - 1) + codec_fib(n - 2)")
    assert.equal(55, call(_G.codec_fib, 10))
    forget "codec_fib"
  end)

  it("are seen by that call alone, and are never stored", function()
    global("codec_value", 5)
    assert.equal(5, call(load "return codec_value"))
    forget "codec_value"
    assert.is_nil((call(load "return codec_value")))
    assert.equal("nil", c:eval "return tostring(codec_value)")
  end)

  it("of functions that globals call travel with them", function()
    global("codec_a", load "return codec_b() + 1")
    global("codec_b", load "return codec_c")
    global("codec_c", 40)
    assert.equal(41, call(load "return codec_a()"))
    assert.equal(41, call(function(f) return f() end, load "return codec_a()"))
    forget("codec_a", "codec_b", "codec_c")
  end)

  it("that the worker has are the worker's own", function()
    global("codec_both", "submitter")
    c:eval "codec_both = 'worker'"
    assert.equal("worker", call(load "return codec_both"))
    c:eval "codec_both = nil"
    assert.equal("submitter", call(load "return codec_both"))
    forget "codec_both"
  end)

  it("that nested functions read travel, those in locals' shadow do not", function()
    global("codec_deep", 3)
    assert.equal(3, call(load "return (function() return (function() return codec_deep end)() end)()"))
    assert.is_nil((call(load "local codec_deep; return codec_deep")))
    forget "codec_deep"
  end)

  it("leave reads and writes of others to the worker's globals", function()
    global("codec_read", 1)
    call(load "codec_written = codec_read + 1")
    assert.equal("2", c:eval "return codec_written")
    c:eval "codec_written = nil"
    forget "codec_read"
  end)

  it("with long names, and in functions with many constants, travel", function()
    local long = ("n"):rep(60)
    global(long, 8)
    assert.equal(8, call(load("return " .. long)))
    forget(long)
    local source = {}
    for i = 1, 400 do source[i] = "x = '" .. i .. "c'" end
    global("codec_late", 9)
    assert.equal(9, call(load("local x; " .. table.concat(source, ";") .. " return codec_late")))
    forget "codec_late"
  end)

  it("that a task assigns stay at home, and the traceback says so", function()
    global("codec_counter", 1)
    local ok, err = pcall(call, load("codec_counter = codec_counter + 1", "=task"))
    assert.is_false(ok)
    assert.matches("task:1: attempt to perform arithmetic on a nil value %(global 'codec_counter'%)",
      err)
    assert.matches("note: the global 'codec_counter' is nil here: the submitting program has it", err)
    assert.matches("assigns it", err)
    forget "codec_counter"
    ok, err = pcall(call, load("codec_counter = codec_counter + 1", "=task"))
    assert.is_false(ok)
    assert.is_nil(err:find "note:")
  end)

  it("stay at home with globals = \"none\"", function()
    local w = s.pair { globals = false }
    global("codec_helper", function() end)
    local ok, err = pcall(s.call, w, load "return codec_helper()")
    assert.is_false(ok)
    assert.matches("globals = \"none\"", err)
    forget "codec_helper"
  end)

  it("that cannot travel are an error only where they are missing", function()
    global("codec_db", s.test.codec())
    global("codec_use", load("return codec_db and 1", "=use"))
    local ok, err = pcall(call, _G.codec_use)
    assert.is_false(ok)
    assert.matches("global 'codec_db' of function at use: cannot send a userdata %(tine.test%)", err)
    c:eval "codec_db = 'own'"
    assert.equal(1, call(_G.codec_use))
    assert.same({ 1, 2 }, { call(load "return codec_use(), 2") })
    c:eval "codec_db = nil"
    forget("codec_db", "codec_use")
  end)

  it("survive a strict worker and a strict submitter", function()
    local strict = { __index = function(_, k) error("undeclared " .. k) end }
    local w = s.pair()
    w:eval "setmetatable(_G, { __index = function(_, k) error('undeclared ' .. k) end })"
    global("codec_strict", 6)
    local meta = getmetatable(_G)
    setmetatable(_G, strict)
    local ok, got = pcall(s.call, w, load "return codec_strict, type(rawget(_G, 'codec_none'))")
    local ok2, got2 = pcall(s.call, w, load "return codec_absent")
    setmetatable(_G, meta)
    assert(ok, got)
    assert.equal(6, got)
    assert.is_false(ok2)
    assert.matches("undeclared codec_absent", got2)
    forget "codec_strict"
  end)

  it("are found in busted's environments", function()
    codec_busted = "of this block" -- luacheck: ignore
    assert.equal("of this block", call(function() return codec_busted end)) -- luacheck: ignore
    codec_busted = nil -- luacheck: ignore
  end)

  it("of different environments are told apart", function()
    local a = setmetatable({ codec_e = "a" }, { __index = _G })
    local b = setmetatable({ codec_e = "b" }, { __index = _G })
    local f, g = load("return codec_e", "=f", "t", a), load("return codec_e", "=g", "t", b)
    assert.same({ "a", "b" }, { call(function() return f(), g() end) })
  end)

  it("of very many environments are told apart, or refused: the last of them were one", function()
    local list = {}
    local function count()
      local n = 0
      for i, f in ipairs(list) do n = n + (f() == i and 1 or 0) end
      return n
    end
    for i = 1, 198 do
      list[i] = load("return codec_e", "=f", "t", setmetatable({ codec_e = i }, { __index = _G }))
    end
    assert.equal(198, call(count))
    for i = 199, 210 do
      list[i] = load("return codec_e", "=f", "t", setmetatable({ codec_e = i }, { __index = _G }))
    end
    local fn, message = c:fn(count)
    assert.is_nil(fn)
    assert.matches("upvalue '_ENV' of function at f: cannot send functions with more than 200 environments", message)
  end)

  it("of functions in a result come back", function()
    local f = call(load [[
      function codec_made() return 'made' end
      return function() return codec_made() end
    ]])
    assert.equal("made", f())
    c:eval "codec_made = nil"
  end)

  -- It came back with the copies that it was called with as an environment of its own, which hid the program's.
  it("are the program's own for a function that comes back", function()
    load "codec_seen = { 1 }"()
    local f = call(load [[
      local _ = codec_seen
      return function() codec_set = codec_seen[1] return codec_seen end
    ]])
    local same = load "return (...)() == codec_seen and codec_set == codec_seen[1]"
    assert.is_true(same(f))
    load "codec_seen = { 2 }"()
    assert.is_true(same(f))
    load "codec_seen, codec_set = nil"()
  end)

  it("leave _ENV alone when none is needed", function()
    assert.is_true(call(load "return _ENV == _G and _G == _G._G"))
  end)
end)
