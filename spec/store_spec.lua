-- timeout: 120
-- Functions are sent once and named afterwards. A program that goes on making them (a server with templates, a
-- rule engine) cost its workers 15 KB and itself 11 KB for each, for ever, and its submits got slower.
local tine = require "tine"

-- The i-th of many functions, with a source, lines and a name of its own.
local function made(i)
  return load(("local s = %q return #s + %d, ..."):format(("y"):rep(2000), i), "=generated" .. i)
end

local function result(i) return 2000 + i end

local function resident(pid)
  local f <close> = assert(io.open("/proc/" .. (pid or "self") .. "/status"))
  return tonumber(f:read("a"):match "VmRSS:%s+(%d+)")
end

describe("a program that goes on making functions", function()
  it("does not grow, nor do its workers", function()
    local pool <close> = tine.pool(1)
    local function batch(from, to)
      for i = from, to do assert(pool:submit(made(i)):result() == result(i)) end
      collectgarbage()
    end
    batch(1, 2000)
    local pid = pool:workers()[1].pid
    local here, there = resident(), resident(pid)
    batch(2001, 14000)
    assert.is_true(resident() - here < 8000, "the program grew by " .. resident() - here .. " kB")
    assert.is_true(resident(pid) - there < 8000, "the worker grew by " .. resident(pid) - there .. " kB")
  end)

  it("may keep thousands of them waiting, and more come before they run", function()
    local pool <close> = tine.pool(2)
    local futures = {}
    for i = 1, 6000 do futures[i] = pool:submit(made(i), i) end
    for i = 6001, 9000 do pool:submit(made(i)) end
    for i = 1, 6000 do
      local n, x = futures[i]:result()
      assert(n == result(i) and x == i)
    end
  end)

  it("finds those again that it has used before", function()
    local pool <close> = tine.pool(2)
    local list = {}
    for i = 1, 3000 do list[i] = made(i) end
    for _ = 1, 3 do
      local futures = {}
      for i = 1, #list do futures[i] = pool:submit(list[i]) end
      for i = 1, #list do assert(futures[i]:result() == result(i)) end
    end
  end)

  it("may send them as arguments, upvalues and results", function()
    local pool <close> = tine.pool(2)
    local function call(f, g) return f(), g, function() return f() end end
    local futures = {}
    for i = 1, 2500 do
      local up = made(i)
      futures[i] = pool:submit(function(f) return call(f, up) end, made(-i))
    end
    for i = 1, 2500 do
      local n, g, h = futures[i]:result()
      assert(n == result(-i) and g() == result(i) and h() == result(-i))
    end
  end)

  it("may name thousands in one message", function()
    local pool <close> = tine.pool(1)
    local list = {}
    for i = 1, 5000 do list[i] = made(i) end
    local back = pool:submit(function(l)
      local sum = 0
      for i = 1, #l do sum = sum + (l[i]()) end
      return sum, l[1], l[#l]
    end, list)
    local sum, first, last = back:result()
    assert.equal(2000 * 5000 + 5000 * 5001 // 2, sum)
    assert.equal(result(1), (first()))
    assert.equal(result(5000), (last()))
  end)

  it("may map them, and lose and recycle workers meanwhile", function()
    local pool <close> = tine.pool { workers = 2, on_crash = "replace", max_tasks_per_worker = 37 }
    for i = 1, 40 do
      local f, seen = made(i), 0
      for _, n, x in pool:map(function(x) return f(x) end, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, { chunksize = 5 }) do
        assert(n == result(i))
        seen = seen + x
      end
      assert.equal(55, seen)
      for j = 1, 100 do pool:submit(made(100 * i + j)) end
      if i % 10 == 0 then
        local ok, err = pool:submit(function() os.exit(3) end):pcall()
        assert.is_false(ok)
        assert.equal("crashed", tine.kind(err))
      end
    end
  end)

  it("can tell each by its label, in the worker and after the pool has ended", function()
    local pool = tine.pool(1)
    local futures = {}
    for i = 1, 2000 do
      local make = load("return function() return require 'tine'.worker.task.label end", "=labelled" .. i)
      futures[i] = pool:submit(make())
    end
    for i = 1, 2000 do assert.matches(futures[i]:result(), tostring(futures[i]), 1, true) end
    pool:shutdown()
    pool = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    for i = 1, 2000 do assert.matches("labelled" .. i .. ":1", tostring(futures[i]), 1, true) end
  end)
end)
