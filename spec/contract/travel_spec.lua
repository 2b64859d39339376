-- luacheck: globals spec_fib spec_limit spec_counter spec_co spec_only_here spec_table
-- What travels between processes, and how: by value, by name, through registration.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"
local sample = require "spec.support.sample"

describe("what travels", function()
  local pool

  setup(function() pool = tine.pool { workers = 1 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  local function run(...) return pool:submit(...):result(20) end
  local function echo(...) return run(function(...) return ... end, ...) end

  -- The error of a task that must fail with `serialization`.
  local function refused(...)
    local err = pool:submit(...):exception(20)
    assert.equal("serialization", tine.kind(err))
    return tostring(err)
  end

  describe("by value", function()
    it("has nil and booleans, anywhere among arguments and results", function()
      assert.same({ n = 0 }, table.pack(echo()))
      assert.same({ n = 1 }, table.pack(echo(nil)))
      assert.same({ n = 5, [2] = true, [4] = false }, table.pack(echo(nil, true, nil, false, nil)))
      assert.same({ n = 200, [200] = 1 }, table.pack(echo(table.unpack({ [200] = 1 }, 1, 200))))
    end)

    it("has numbers with their subtype", function()
      for _, n in ipairs { 0, 1, -1, 127, 128, 255, 256, -128, -129, 65535, 65536, -32769, 2 ^ 31 | 0, 2 ^ 32 | 0,
                           -2 ^ 31 | 0, -(2 ^ 31 | 0) - 1, 2 ^ 53 | 0, math.maxinteger, math.mininteger } do
        local back = echo(n)
        assert.equal(n, back)
        assert.equal("integer", math.type(back))
      end
      for _, n in ipairs { 0.0, 1.0, 0.1, -2.5, 2.0 ^ 53, 1e308, 5e-324, math.huge, -math.huge } do
        local back = echo(n)
        assert.equal(n, back)
        assert.equal("float", math.type(back))
      end
      assert.equal(-math.huge, 1 / echo(-0.0))
      local nan = echo(0 / 0)
      assert.is_true(nan ~= nan)
    end)

    it("has strings of any bytes", function()
      local all = {}
      for byte = 0, 255 do all[#all + 1] = string.char(byte) end
      local bytes = table.concat(all)
      for _, size in ipairs { 0, 1, 31, 32, 255, 256, 65535, 65536, 3 * 1024 * 1024 } do
        local text = bytes:rep(size // 256 + 1):sub(1, size)
        assert.is_true(text == echo(text), size)
      end
    end)

    it("has tables of all shapes", function()
      for _, t in ipairs {
        {}, { 1, 2, 3 }, { a = 1, b = { c = {} } }, { 1, 2, x = 3 }, { [2] = 2, [5] = 5 }, { [0] = 0, [-1] = 1 },
        { [1.5] = 1, [true] = 2, [false] = 3 }, { 1, nil, 3 }, { { { { {} } } } }, { ["1"] = 1, [1] = 2 },
      } do assert.same(t, echo(t)) end
      local long = {}
      for i = 1, 70000 do long[i] = i end
      local back = echo(long)
      assert.equal(70000, #back)
      assert.equal(70000, back[70000])
    end)

    it("nests tables deeply", function()
      local top = {}
      local t = top
      for _ = 1, 150 do
        t[1] = {}
        t = t[1]
      end
      t[1] = "bottom"
      local back = echo(top)
      for _ = 1, 150 do back = back[1] end
      assert.equal("bottom", back[1])
    end)

    it("keeps cycles and shared references within a message", function()
      local shared, cycle = {}, {}
      cycle.self, cycle.list = cycle, { shared, shared, cycle }
      local a, b, c = echo(cycle, shared, shared)
      assert.equal(a, a.self)
      assert.equal(a, a.list[3])
      assert.equal(a.list[1], a.list[2])
      assert.equal(b, a.list[1])
      assert.equal(b, c)
      local key = {}
      local by_key = echo { [key] = "value", key = key }
      assert.equal("value", by_key[by_key.key])
    end)

    it("shares between upvalues and arguments", function()
      local shared = {}
      assert.is_true(run(function(t) return t == shared end, shared))
    end)

    it("has metatables", function()
      local mt = { __index = function(_, key) return key .. "!" end, __tostring = function() return "me" end }
      local a, b = echo(setmetatable({}, mt), setmetatable({}, mt))
      assert.equal("x!", a.x)
      assert.equal("me", tostring(a))
      assert.equal(getmetatable(a), getmetatable(b))
      assert.equal("x! me", run(function(t) return t.x .. " " .. tostring(t) end, setmetatable({}, mt)))
    end)

    it("runs no metamethod of what it sends", function()
      local function never() error "a metamethod was run" end
      local t = setmetatable({ 1, 2, a = 3 }, { __index = never, __len = never, __pairs = never, __newindex = never })
      assert.equal(3, run(function(v) return rawget(v, "a") end, t))
    end)

    it("is as it was at submit", function()
      local t, n = { 1 }, 1
      local future = pool:submit(function(v) return v[1], n end, t)
      t[1], n = 2, 2
      assert.same({ 1, 1 }, { future:result(20) })
      assert.equal(2, n)
    end)

    it("decodes a result once: the same tables each time", function()
      local future = pool:submit(function() return {} end)
      assert.equal(future:result(20), future:result(20))
      assert.equal(future:result(20), select(2, future:pcall()))
    end)
  end)

  describe("as functions", function()
    it("has upvalues", function()
      local a, b = 2, { 3 }
      assert.equal(6, run(function() return a * b[1] end))
    end)

    it("leaves upvalues of one task out of the next", function()
      local n = 0
      local function bump()
        n = n + 1
        return n
      end
      assert.equal(1, run(bump))
      assert.equal(1, run(bump))
      assert.equal(0, n)
    end)

    it("keeps upvalues shared between the functions of a message", function()
      local n = 0
      local function bump() n = n + 1 end
      local function get() return n end
      assert.equal(2, run(function(up, look)
        up()
        up()
        return look()
      end, bump, get))
      local up, look = run(function()
        local m = 10
        return function() m = m + 1 end, function() return m end
      end)
      up()
      assert.equal(11, look())
    end)

    it("can recurse, also into each other", function()
      local function factorial(n) return n == 0 and 1 or n * factorial(n - 1) end
      assert.equal(120, run(factorial, 5))
      local even
      local function odd(n) return n ~= 0 and even(n - 1) end
      function even(n) return n == 0 or odd(n - 1) end
      assert.is_true(run(even, 10))
      assert.is_false(run(odd, 10))
    end)

    it("come back from workers", function()
      local add = run(function(a) return function(b) return a + b end end, 40)
      assert.equal(42, add(2))
      assert.equal(42, run(add, 2)) -- and go there again
    end)

    it("takes varargs, many upvalues, and many arguments", function()
      assert.equal(250, run(function(...) return select("#", ...) end, table.unpack({}, 1, 250)))
      local names, values = {}, {}
      for i = 1, 120 do names[i], values[i] = "v" .. i, i end
      local source = ("local %s = %s return function() return %s end"):format(
        table.concat(names, ","), table.concat(values, ","), table.concat(names, "+"))
      assert.equal(120 * 121 // 2, run(load(source)()))
    end)

    it("has C functions by name", function()
      assert.equal("ababab", run(string.rep, "ab", 3))
      local format = string.format
      assert.equal("7", run(function() return format == string.format and format("%d", 7) end))
      assert.equal(string.rep, run(function() return string.rep end))
      assert.is_true(run(function(f) return f == print end, print))
    end)
  end)

  describe("as _ENV", function()
    it("becomes the worker's globals, busted's own environment too", function()
      assert.is_true(run(function() return string == _G.string and _ENV.string == _G.string end))
      assert.is_true(run(function(g) return g == _G end, _G))
      assert.is_true(run(function() return rawequal(_ENV, _G) end))
    end)

    it("is the worker's globals also from a sandbox that reads through to _G", function()
      local sandbox = setmetatable({}, { __index = _G })
      local f = load("return rawequal(_ENV, _ENV._G), math.max(1, 2)", "=sandbox", "t", sandbox)
      assert.same({ true, 2 }, { run(f) })
    end)

    it("keeps what a task stores in them in that worker", function()
      run(function() rawset(_G, "spec_kept", "here") end)
      assert.equal("here", run(function() return rawget(_G, "spec_kept") end))
      assert.is_nil(rawget(_G, "spec_kept"))
      run(function() rawset(_G, "spec_kept", nil) end)
    end)

    it("travels by value when it is another table", function()
      assert.equal(5, run(load("return x", "=own", "t", { x = 5 })))
      assert.is_nil(run(load("return print", "=own", "t", {})))
    end)

    it("is looked at under protection", function()
      local env = setmetatable({ x = 7 }, { __index = function(_, key) error("no " .. key) end })
      assert.equal(7, run(load("return x", "=own", "t", env)))
    end)
  end)

  describe("by name", function()
    it("has a module's own table", function()
      assert.equal(run(function() return tine.worker.pid end), run(function() return sample.pid end))
      assert.is_true(run(function() return sample == require "spec.support.sample" end))
    end)

    it("has the functions that a module holds", function()
      local count = sample.count
      assert.is_true(run(function() return count == sample.count end))
      local first = run(sample.count)
      assert.equal(first + 1, run(count)) -- the worker's module keeps its state
      assert.equal(1, sample.count())
      assert.equal(sample.hello, run(function() return sample.hello end))
    end)

    it("has the classes that a module holds", function()
      local Point = sample.Point
      local p = Point.new(3, 4)
      assert.is_true(run(function(v) return getmetatable(v) == sample.Point and getmetatable(v) == Point end, p))
      assert.equal(5.0, run(function(v) return v:norm() end, p))
      local back = run(function() return Point.new(1, 2) end)
      assert.equal(Point, getmetatable(back))
      assert.is_true(back == Point.new(1, 2))
    end)

    it("has a module's data by value", function()
      local limits = sample.limits
      limits.high = 99
      assert.equal(99, run(function() return limits.high end))
      assert.equal(99, run(function() return sample.limits.high end)) -- of the worker's module, for that call
      limits.high = 2
    end)

    it("has a function that is not found in its module any more by value", function()
      local original = sample.hello
      sample.hello = function() return "replaced" end
      local future = pool:submit(function() return original("you"), original == sample.hello end)
      sample.hello = original
      assert.same({ "hello you", false }, { future:result(20) })
    end)

    it("has the userdata that a loaded module holds", function()
      local out = io.stdout
      assert.is_true(run(function() return out == io.stdout end))
      assert.equal(io.stdout, run(function() return io.stdout end))
      local ok, json = pcall(require, "cjson")
      if ok then
        assert.is_true(run(function(v) return v == require("cjson").null end, json.null))
        assert.equal(json.null, run(function() return json.decode("[null]")[1] end))
        assert.equal('{"a":1}', run(json.encode, { a = 1 }))
      end
    end)

    it("does not count _G as a module for Lua functions and tables", function()
      rawset(_G, "spec_only_here", function() return "by value" end)
      rawset(_G, "spec_table", { 1 })
      finally(function()
        rawset(_G, "spec_only_here", nil)
        rawset(_G, "spec_table", nil)
      end)
      assert.equal("by value", run(rawget(_G, "spec_only_here")))
      assert.equal(1, run(function(t) return t[1] end, rawget(_G, "spec_table")))
    end)

    it("has a module that no path finds by value", function()
      package.loaded["made.up.here"] = { f = function(x) return x + 1 end, data = 5 }
      finally(function() package.loaded["made.up.here"] = nil end)
      local m = require "made.up.here"
      assert.equal(6, run(function() return m.f(m.data) end))
      assert.equal(8, run(m.f, 7))
    end)
  end)

  describe("as named globals", function()
    after_each(function()
      for _, name in ipairs { "spec_fib", "spec_limit", "spec_counter", "spec_co" } do rawset(_G, name, nil) end
    end)

    it("go along with the call that reads them", function()
      rawset(_G, "spec_limit", 3)
      rawset(_G, "spec_fib", function(n)
        if n < 2 then return n end
        return spec_fib(n - 1) + spec_fib(n - 2)
      end)
      assert.equal(55, run(rawget(_G, "spec_fib"), 10))
      assert.equal(55, run(function() return spec_fib(10) end))
      assert.equal(4, run(function() return spec_limit + 1 end))
      assert.equal(2, run(function() return (function() return spec_limit end)() - 1 end))
    end)

    it("are seen by that call alone", function()
      rawset(_G, "spec_limit", 3)
      assert.is_nil(run(function()
        local _ = spec_limit
        return rawget(_G, "spec_limit")
      end))
      local future = pool:submit(function() return spec_limit end)
      rawset(_G, "spec_limit", 4)
      assert.equal(3, future:result(20))
      assert.equal(4, run(function() return spec_limit end))
      rawset(_G, "spec_limit", nil)
      assert.is_nil(run(function() return spec_limit end))
    end)

    it("stay behind when the task assigns them", function()
      rawset(_G, "spec_counter", 10)
      assert.equal(1, run(function()
        spec_counter = (spec_counter or 0) + 1
        local n = spec_counter
        spec_counter = nil
        return n
      end))
      assert.equal(10, rawget(_G, "spec_counter"))
    end)

    it("give way to the worker's own", function()
      local own <close> = tine.pool { workers = 1, initializer = function() rawset(_G, "spec_limit", "worker's") end }
      rawset(_G, "spec_limit", "submitter's")
      assert.equal("worker's", own:submit(function() return spec_limit end):result(20))
    end)

    it("that cannot travel are an error only in a worker that lacks them", function()
      rawset(_G, "spec_co", coroutine.create(print))
      local text = refused(function() return spec_co end)
      assert.matches("spec_co", text, 1, true)
      local own <close> = tine.pool { workers = 1, initializer = function() rawset(_G, "spec_co", "mine") end }
      assert.equal("mine", own:submit(function() return spec_co end):result(20))
    end)

    it('stay behind with globals = "none"', function()
      local own <close> = tine.pool { workers = 1, globals = "none" }
      rawset(_G, "spec_limit", 3)
      assert.is_nil(own:submit(function() return spec_limit end):result(20))
    end)
  end)

  describe("not at all", function()
    it("is a coroutine", function()
      assert.matches("coroutine", refused(function() end, coroutine.create(print)))
      assert.matches("coroutine", refused(function() return coroutine.create(print) end))
    end)

    it("is a userdata that no module holds, and the error names the path", function()
      local db <close> = assert(io.open "/dev/null")
      local text = refused(function() return db:read() end)
      assert.matches("upvalue 'db'", text, 1, true)
      assert.matches("travel_spec.lua:%d+", text)
      assert.matches("userdata %(FILE%*%)", text)
      local nested = { list = { 1, 2, { handle = db } } }
      text = refused(function() end, "first", nested)
      assert.matches("handle", text, 1, true)
      assert.matches("list", text, 1, true)
      assert.matches("userdata %(FILE%*%)", text)
    end)

    it("harms the task alone, on either side", function()
      local before = pool:submit(function() return "before" end)
      local bad = pool:submit(function() end, coroutine.create(print))
      local bad_result = pool:submit(function() return 1, { co = coroutine.create(print) } end)
      local after = pool:submit(function() return "after" end)
      assert.equal("before", before:result(20))
      assert.equal("serialization", tine.kind(bad:exception(20)))
      assert.equal("serialization", tine.kind(bad_result:exception(20)))
      assert.equal("after", after:result(20))
      assert.equal("finished", bad:state())
    end)

    it("is an error value that cannot travel: its text does", function()
      local err = pool:submit(function()
        error(setmetatable({ co = coroutine.create(print) }, { __tostring = function() return "no such row" end }))
      end):exception(20)
      assert.matches("no such row", tostring(err), 1, true)
    end)
  end)

  describe("through tine.register", function()
    local Job = {} -- holds a coroutine, which cannot travel
    Job.__index = Job
    local function new_job(n) return setmetatable({ n = n, co = coroutine.create(print) }, Job) end
    local function encode(job) return job.n end
    local function decode(n) return setmetatable({ n = n, decoded = true }, Job) end

    it("has arguments when the submitter alone knows", function()
      tine.register("spec.job", Job, encode, decode)
      local n, decoded = run(function(job) return job.n, job.decoded end, new_job(7))
      assert.equal(7, n)
      assert.is_true(decoded)
    end)

    it("has results when the worker knows too", function()
      tine.register("spec.job", Job, encode, decode)
      local own <close> = tine.pool {
        workers = 1,
        initializer = function() tine.register("spec.job", Job, encode, decode) end,
      }
      local back = own:submit(function(job)
        job.n, job.co = job.n + 1, coroutine.create(print)
        return job
      end, new_job(7)):result(20)
      assert.equal(8, back.n)
      assert.is_true(back.decoded)
      assert.equal(Job, getmetatable(back))
    end)

    it("has coroutines, whose metatable is the one of all", function()
      local Coroutine = {}
      debug.setmetatable(coroutine.running(), Coroutine)
      finally(function() debug.setmetatable(coroutine.running(), nil) end)
      tine.register("spec.coroutine", Coroutine, coroutine.status,
        function(status) return coroutine.create(function() return status end) end)
      local co = coroutine.create(print)
      assert.is_true(run(function(a, b, t)
        return a == b and t[1] == a and select(2, coroutine.resume(a)) == "suspended"
      end, co, co, { co }))
      debug.setmetatable(co, nil)
      assert.matches("cannot send a coroutine", refused(function() end, co), 1, true)
    end)

    it("replaces when it is said again, and refuses a clash", function()
      tine.register("spec.job", Job, encode, decode)
      tine.register("spec.job", Job, encode, function(n) return setmetatable({ n = -n }, Job) end)
      assert.equal(-7, run(function(job) return job.n end, new_job(7)))
      assert.has_error(function() tine.register("spec.job", {}, encode, decode) end)
      assert.has_error(function() tine.register("spec.other", Job, encode, decode) end)
    end)
  end)
end)
