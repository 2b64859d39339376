-- pool:map, sentence by sentence.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"

describe("map", function()
  local pool
  setup(function() pool = tine.pool { workers = 2 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  local function collect(...)
    local list = {}
    for i, value in pool:map(...) do list[i] = value end
    return list
  end

  local function upto(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
  end

  -- An iterator of 1, 2, 3 ... that counts how often it was asked.
  local function counter(last)
    local asked = { n = 0 }
    return function()
      asked.n = asked.n + 1
      if not last or asked.n <= last then return asked.n end
    end, asked
  end

  local SIZES = { false, 1, 2, 7, 1000 }
  local function options(size, more)
    local o = { chunksize = size or nil }
    for key, value in pairs(more or {}) do o[key] = value end
    return o
  end

  for _, size in ipairs(SIZES) do
    describe("with chunksize " .. tostring(size or "chosen"), function()
      it("gives i and results in the order of a list", function()
        local expected = {}
        for i = 1, 100 do expected[i] = i * i end
        assert.same(expected, collect(function(n) return n * n end, upto(100), options(size)))
      end)

      it("gives all results of each", function()
        local n = 0
        for i, a, b, c, d in pool:map(function(v) return v, nil, v * 2, nil end, upto(10), options(size)) do
          n = n + 1
          assert.same({ n, n, nil, 2 * n, nil }, { i, a, b, c, d })
        end
        assert.equal(10, n)
      end)

      it("takes an iterator, whose values are all arguments", function()
        local n = 0
        local function items()
          n = n + 1
          if n <= 20 then return n, nil, n * 10 end
        end
        local got = {}
        for i, count, a, b, c in pool:map(function(...) return select("#", ...), ... end, items, options(size)) do
          got[i] = { count, a, b, c }
        end
        assert.equal(20, #got)
        for i = 1, 20 do assert.same({ 3, i, nil, i * 10 }, got[i]) end
      end)

      it("raises an error at its item's place, and goes on with the next", function()
        local iterator, state, control = pool:map(function(n)
          if n % 3 == 0 then error("item " .. n, 0) end
          return n
        end, upto(10), options(size))
        local seen = {}
        while true do
          local ok, i, value = pcall(iterator, state, control)
          if not ok then
            seen[#seen + 1] = i
          elseif i == nil then
            break
          else
            assert.equal(i, value)
            seen[#seen + 1] = value
            control = i
          end
        end
        assert.same({ 1, 2, "item 3", 4, 5, "item 6", 7, 8, "item 9", 10 }, seen)
      end)

      it('gives i, nil, err, traceback with on_error = "return"', function()
        local n = 0
        for i, value, err, traceback in pool:map(function(v)
          if v == 4 then error { code = v } end
          return v
        end, upto(8), options(size, { on_error = "return" })) do
          n = n + 1
          assert.equal(n, i)
          if i == 4 then
            assert.is_nil(value)
            assert.same({ code = 4 }, err)
            assert.is_string(traceback)
          else
            assert.equal(i, value)
            assert.is_nil(err)
          end
        end
        assert.equal(8, n)
      end)

      it("gives each once, in any order, with ordered = false", function()
        local seen, n = {}, 0
        for i, value in pool:map(function(v) return v * 2 end, upto(200), options(size, { ordered = false })) do
          assert.equal(2 * i, value)
          assert.is_nil(seen[i])
          seen[i], n = true, n + 1
        end
        assert.equal(200, n)
      end)

      it("keeps an item that cannot travel to itself", function()
        local kinds = {}
        for i, value, err in pool:map(function(v) return v end, { 1, coroutine.create(print), 3 },
                                      options(size, { on_error = "return" })) do
          kinds[i] = value or tine.kind(err)
        end
        assert.same({ 1, "serialization", 3 }, kinds)
      end)

      it("keeps a result that cannot travel to its item", function()
        local kinds = {}
        for i, value, err in pool:map(function(v) return v == 2 and coroutine.create(print) or v end, { 1, 2, 3 },
                                      options(size, { on_error = "return" })) do
          kinds[i] = value or tine.kind(err)
        end
        assert.same({ 1, "serialization", 3 }, kinds)
      end)

      it("raises an error of the iterator after all earlier items", function()
        local n, seen = 0, {}
        local ok, err = pcall(function()
          for i, value in pool:map(math.abs, function()
            n = n + 1
            if n == 6 then error("no more paper", 0) end
            return -n
          end, options(size)) do seen[i] = value end
        end)
        assert.is_false(ok)
        assert.equal("no more paper", err)
        assert.same({ 1, 2, 3, 4, 5 }, seen)
      end)

      it("has nothing to do for nothing", function()
        assert.same({}, collect(math.abs, {}, options(size)))
        assert.same({}, collect(math.abs, function() end, options(size)))
      end)
    end)
  end

  it("takes a list's length from n, so that it may have holes", function()
    local got = {}
    for i, value in pool:map(function(v) return v == nil and "nil" or v end, { 1, nil, 3, nil, n = 4 }) do
      got[i] = value
    end
    assert.same({ 1, "nil", 3, "nil" }, got)
    assert.same({ 1 }, collect(math.abs, { 1, 2, 3, n = 1 }))
  end)

  it("takes a callable table for an iterator", function()
    local n = 0
    local items = setmetatable({}, { __call = function()
      n = n + 1
      if n <= 3 then return n end
    end })
    assert.same({ 1, 2, 3 }, collect(math.abs, items))
  end)

  it("takes io.lines", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    for i = 1, 50 do file:write("line ", i, "\n") end
    file:close()
    local got = collect(string.upper, io.lines(name))
    assert.equal(50, #got)
    assert.equal("LINE 50", got[50])
    os.remove(name)
  end)

  it("asks the iterator first at the call of map, without arguments", function()
    local arguments
    local function items(...)
      if arguments then return nil end
      arguments = select("#", ...)
      return 1
    end
    local iterator, state, control = pool:map(math.abs, items)
    assert.equal(0, arguments)
    for _, value in iterator, state, control do assert.equal(1, value) end
  end)

  it("stays bounded on an endless iterator", function()
    for _, case in ipairs { { {}, 4 * 2 * 2000 }, { { buffersize = 10 }, 10 }, { { chunksize = 5 }, 4 * 2 * 5 },
                            { { buffersize = 6, chunksize = 100 }, 6 } } do
      local items, asked = counter()
      local done = 0
      for i, value in pool:map(math.abs, items, case[1]) do
        assert.equal(i, value)
        done = i
        assert.is_true(asked.n - done <= case[2] + 1, ("%d asked, %d done"):format(asked.n, done))
        if i == 500 then break end
      end
      assert.equal(500, done)
    end
  end)

  it("reads an iterator as far as it goes with math.huge", function() -- it was taken for nothing said
    local wait, let_go = gate()
    local n = 0
    local function items()
      n = n + 1
      if n == 200 then let_go() end
      return n < 200 and n or nil
    end
    local function first_waits(i) if i == 1 then wait() end return i end
    local list = pool:map(first_waits, items, { buffersize = math.huge, chunksize = 1, timeout = 20 }):totable()
    assert.equal(199, list.n)
  end)

  it("reads a list with buffersize only as far", function()
    local running = {}
    for i, value in pool:map(math.abs, upto(100), { buffersize = 3 }) do running[i] = value end
    assert.equal(100, #running)
  end)

  it("left early cancels what has not started", function()
    local before = pool:stats()
    for i in pool:map(function() os.execute "sleep 0.01" end, upto(200), { chunksize = 1 }) do
      if i == 3 then break end
    end
    local stats = pool:stats()
    assert.is_true(stats.cancelled - before.cancelled > 150)
    eventually(function()
      stats = pool:stats()
      return stats.pending + stats.running == 0
    end, "the rest ends")
    assert.is_true(stats.finished - before.finished < 50)
  end)

  it("left by an error cancels too, and so does close", function()
    local before = pool:stats().cancelled
    pcall(function()
      for _ in pool:map(function() os.execute "sleep 0.01" end, upto(100), { chunksize = 1 }) do error "out" end
    end)
    assert.is_true(pool:stats().cancelled - before > 80)
    before = pool:stats().cancelled
    local iterator = pool:map(function() os.execute "sleep 0.01" end, upto(100), { chunksize = 1 })
    iterator:close()
    assert.is_true(pool:stats().cancelled - before > 80)
    assert.is_nil(iterator())
    iterator:close()
  end)

  it("of one big chunk left early cancels inside the chunk", function()
    local own <close> = tine.pool { workers = 1 }
    local iterator = own:map(function() os.execute "sleep 0.02" end, upto(100), { chunksize = 100 })
    iterator()
    iterator:close()
    eventually(function()
      local stats = own:stats()
      return stats.pending + stats.running == 0
    end, "the rest ends")
    assert.is_true(own:stats().cancelled > 50)
  end)

  it("has a timeout for the whole iteration, from the call", function()
    local ok, err = pcall(function()
      local function sleep(s) os.execute("sleep " .. s) end
      for i in pool:map(sleep, { 0.01, 3, 3 }, { timeout = 0.3, chunksize = 1 }) do assert(i == 1) end
    end)
    assert.is_false(ok)
    assert.equal("timeout", tine.kind(err))
    local fast = collect(math.abs, upto(10), { timeout = 20 })
    assert.equal(10, #fast)
  end)

  -- A loop over a map, which goes on past the map's timeout when it has its last item. It raised "0 of 2 unfinished".
  local function late_loop(map)
    local clock, count = require "tine".clock, 0
    local late = clock() + 2
    for _ in map(math.abs, { -1, -2 }, { buffersize = 1, timeout = 2 }) do
      count = count + 1
      while count == 2 and clock() <= late do require "tine".sleep(0.1) end
    end
    return count, map(math.abs, {}, { timeout = 0 }):totable().n
  end

  it("is not late when all items of its list were given, or there are none", function()
    assert.same({ 2, 0 }, { late_loop(function(...) return pool:map(...) end) })
  end)

  -- #here: tasks on other machines have no tine.worker.pool
  it("is not late in a task either #here", function()
    local function nested() return late_loop(function(...) return require "tine".worker.pool:map(...) end) end
    assert.same({ 2, 0 }, { pool:submit(nested):result() })
  end)

  it("names the item's index in the label of an error", function()
    local own <close> = tine.pool { workers = 1, on_crash = "replace" }
    local seen
    local function third_dies(n) return n == 3 and os.exit(1) or n end
    for i, _, err in own:map(third_dies, upto(5), { on_error = "return" }) do
      if i == 3 then seen = err end
    end
    assert.equal("crashed", tine.kind(seen))
    assert.matches("3", seen.task.label, 1, true)
  end)

  describe("totable", function()
    it("gives the list of first results, with n", function()
      assert.same({ 1, 4, 9, n = 3 }, pool:map(function(n) return n * n, "second" end, { 1, 2, 3 }):totable())
      assert.same({ n = 0 }, pool:map(math.abs, {}):totable())
      assert.same({ 1, nil, 3, n = 3 }, pool:map(function(n) if n ~= 2 then return n end end, { 1, 2, 3 }):totable())
    end)

    it("raises the first error", function()
      local map = pool:map(function(n) if n > 1 then error("item " .. n, 0) end end, { 1, 2, 3 })
      local ok, err = pcall(map.totable, map)
      assert.is_false(ok)
      assert.matches("item 2", tostring(err), 1, true)
    end)
  end)

  it("nests and overlaps with other maps and submits", function()
    local sum = 0
    for i, a in pool:map(math.abs, upto(5)) do
      for j, b in pool:map(math.abs, upto(5)) do sum = sum + a * b + pool:submit(math.abs, 0):result(20) * i * j end
    end
    assert.equal(225, sum)
  end)

  it("refuses wrong arguments before anything starts", function()
    local before = pool:stats().submitted
    local function with(opts) return function() pool:map(math.abs, { 1 }, opts) end end
    for _, wrong in ipairs {
      function() pool:map(1, {}) end, function() pool:map(nil, {}) end, function() pool:map(math.abs) end,
      function() pool:map(math.abs, 5) end, function() pool:map(math.abs, "text") end,
      with { chunksize = 0 }, with { chunksize = 1.5 }, with { buffersize = 0 }, with { on_error = "ignore" },
      with { timeout = 0 / 0 }, with { chunksiez = 1 },
    } do
      local ok, err = pcall(wrong)
      assert.is_false(ok)
      assert.matches("map_contract_spec.lua:%d+:", tostring(err))
    end
    assert.equal(before, pool:stats().submitted)
  end)
end)
