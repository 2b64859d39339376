-- pool:map: its finer points; spec/contract/map_contract_spec.lua has the rest.
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

  local function upto(n)
    local i = 0
    return function()
      i = i + 1
      if i <= n then return i end
    end
  end

  it("sends each item as it was when it was read", function()
    local t, i = {}, 0
    local function reuse()
      i = i + 1
      t[1] = i
      if i <= 500 then return t end
    end
    for k, v in pool:map(function(item) return item[1] end, reuse, { chunksize = 20 }) do assert.equal(k, v) end
  end)

  it("may have an iterator that submits, waits, and maps itself", function()
    local i = 0
    local function busy()
      i = i + 1
      if i > 100 then return nil end
      if i % 3 == 0 then return pool:submit(math.abs, -i):result() end
      if i % 7 == 0 then return pool:map(math.abs, { -i }):totable()[1] end
      return i
    end
    local n = 0
    for k, v in pool:map(function(x) return x end, busy, { chunksize = 10 }) do
      assert.equal(k, v)
      n = n + 1
    end
    assert.equal(100, n)
  end)

  -- What it gave was encoded in the midst of a chunk, whose next item had lost its function then: the map failed.
  it("may have an iterator that gives a task what that waits for", function()
    local by_hand, more, i = tine.future(), { 10 }, 0
    local waiting = pool:submit(function(t) return t[1] end, by_hand)
    local function giving()
      i = i + 1
      if i == 5 then by_hand:set_result(more) end
      if i <= 10 then return { i, more } end
    end
    for k, v in pool:map(function(item) return item[1] + more[1] end, giving, { chunksize = 10 }) do
      assert.equal(k + 10, v)
    end
    assert.equal(10, waiting:result(20))
  end)

  it("gives each task of a chunk the function as it was sent", function()
    local spoil = load [[
      local i = ...
      local before = tostring(_ENV == _G)
      if i % 3 == 0 then _ENV = { tostring = tostring } end
      return before]]
    for _, seen in pool:map(spoil, upto(30), { chunksize = 10 }) do assert.equal("true", seen) end
  end)

  -- From the second task on of a chunk a worker ran what it had run before from the same place in memory, where the
  -- chunk's own function is found by its name.
  it("gives each task of a chunk its own function, wherever that lies", function()
    local one <close> = tine.pool { workers = 1 }
    local items = {}
    for i = 1, 400 do items[i] = -i * 1000003 end
    for _ = 1, 3 do
      for size = 10, 400, 130 do
        for i, sum in one:map(function(x) return x + 1 end, items, { chunksize = size }) do
          assert.equal(items[i] + 1, sum)
        end
        for i, positive in one:map(math.abs, items, { chunksize = size }) do assert.equal(-items[i], positive) end
      end
    end
  end)

  -- The product with the number of workers overflowed: a map of 4 workers read no item, for ever.
  it("takes chunk sizes of any number", function()
    local four <close> = tine.pool { workers = 4 }
    for _, size in ipairs { 1 << 31, 1 << 32, (1 << 32) + 5, 1 << 61, 1 << 62, math.maxinteger, 2.0 ^ 62, math.huge } do
      assert.same({ 1, 2, 3, 4, 5, n = 5 }, four:map(math.abs, upto(5), { chunksize = size }):totable())
      local n = 0
      local function next_number()
        n = n + 1
        return n <= 5 and n or nil
      end
      assert.same({ 1, 2, 3, 4, 5, n = 5 }, four:map(math.abs, next_number, { chunksize = size }):totable())
    end
  end)

  it("runs tasks that submit others amid a chunk", function()
    local function add(i)
      local function twice(n) return n * 2 end
      if i % 4 == 0 then return (tine.worker.pool:submit(twice, i):result()) end
      return i + 1
    end
    for i, sum in pool:map(add, upto(40), { chunksize = 20 }) do
      assert.equal(i % 4 == 0 and i * 2 or i + 1, sum)
    end
  end)

  it("gives results of all kinds that one chunk has", function()
    local long = ("x"):rep(100000)
    local function make(i)
      local kinds = { i, i / 3, "text " .. i, long, { i }, false }
      return kinds[i % 7 + 1], i % 7 == 6 and error("no. " .. i, 0) or nil
    end
    for i, value, err in pool:map(make, upto(70), { chunksize = 35, on_error = "return" }) do
      local kind = i % 7 + 1
      local expected = ({ i, i / 3, "text " .. i, long, { i }, false })[kind]
      assert.same(expected, value)
      if kind == 7 then assert.matches("no. " .. i, tostring(err), 1, true) end
    end
  end)

  it("of a map gives index and results as arguments", function()
    local squares = pool:map(function(x) return x * x end, upto(50))
    local n = 0
    for i, sum in pool:map(function(k, square) return k + square end, squares) do
      assert.equal(i + i * i, sum)
      n = n + 1
    end
    assert.equal(50, n)
  end)

  it("two at a time do not mix", function()
    local a = pool:map(function(x) return "a" .. x end, upto(1000))
    local b = pool:map(function(x) return "b" .. x end, upto(1000))
    for i = 1, 1000 do
      assert.equal("a" .. i, select(2, a()))
      assert.equal("b" .. i, select(2, b()))
    end
    assert.is_nil(a())
    assert.is_nil(b())
    assert.is_nil(a())
  end)

  it("goes on after each error", function()
    local it = pool:map(function(x)
      if x % 2 == 0 then error("even " .. x, 0) end
      return x
    end, upto(40), { chunksize = 7 })
    for i = 1, 40 do
      local ok, k, v = pcall(it)
      assert.equal(i % 2 == 1, ok)
      if ok then assert.same({ i, i }, { k, v }) else assert.equal("even " .. i, k) end
    end
    assert.is_nil(it())
  end)

  it("raises an error of the input once, then ends", function()
    local i = 0
    local it = pool:map(math.abs, function()
      i = i + 1
      if i == 4 then error({ input = true }) end
      return -i
    end)
    for k = 1, 3 do assert.same({ k, k }, { it() }) end
    local ok, err = pcall(it)
    assert.is_false(ok)
    assert.same({ input = true }, err)
    assert.is_nil(it())
  end)

  it("raises an error of the input at the call when nothing comes before it", function()
    local ok, err = pcall(pool.map, pool, math.abs, function() error("first", 0) end)
    assert.is_false(ok)
    assert.equal("first", err)
  end)

  it("passes interrupted! of the input on at once", function()
    local i = 0
    local pool <close> = tine.pool(1) -- luacheck: ignore pool
    finally(function() pool:kill_workers() end)
    local got = 0
    local ok, err = pcall(function()
      for _ in pool:map(function(n) tine.sleep(n == 2 and 20 or 0) end, function()
        i = i + 1
        if i == 3 then error("interrupted!", 0) end
        return i
      end) do got = got + 1 end
    end)
    assert.is_false(ok)
    assert.equal("interrupted!", err)
    assert.is_true(got < 2) -- the second one is not waited for
    pool:kill_workers()
  end)

  it("fails each item when the function cannot travel", function()
    local co = coroutine.create(print)
    local it = pool:map(function() return co end, { 1, 2, 3 }, { on_error = "return" })
    for i = 1, 3 do
      local k, v, err = it()
      assert.equal(i, k)
      assert.is_nil(v)
      assert.equal("serialization", tine.kind(err))
    end
    assert.is_nil(it())
  end)

  it("gives what is there when the pool is shut down meanwhile, and then raises", function()
    local own = tine.pool { workers = 1 }
    local it = own:map(math.abs, upto(1e9), { buffersize = 5, chunksize = 1 })
    local i = it()
    own:shutdown()
    local ok, err
    repeat
      ok, err = pcall(it)
      if ok then
        i = i + 1
        assert.equal(i, err)
      end
    until not ok
    assert.equal("shutdown", tine.kind(err))
    assert.is_nil(it())
  end)

  it("says so when the pool takes no more", function()
    local own = tine.pool(1)
    own:shutdown()
    for _, items in ipairs { { 1, 2 }, upto(3) } do
      local ok, err = pcall(own.map, own, math.abs, items)
      assert.is_false(ok)
      assert.equal("shutdown", tine.kind(err))
    end
  end)

  it("that is collected cancels what has not started", function()
    local own = tine.pool { workers = 1 }
    finally(function() own:kill_workers() end)
    local wait, go = gate()
    local map = own:map(function() wait() end, upto(3), { chunksize = 1 })
    eventually(function() return map and own:stats().running == 1 end, "the first one runs")
    map = nil
    collectgarbage()
    collectgarbage()
    local function cancelled()
      own:dispatch()
      return own:stats().cancelled
    end
    eventually(function() return cancelled() == 2 end, "the rest is cancelled")
    go()
    eventually(function() return cancelled() == 2 and own:stats().finished == 1 end, "the first one ends")
  end)

  it("ended by close gives nothing more", function()
    local it = pool:map(math.abs, upto(100))
    it()
    it:close()
    it:close()
    assert.is_nil(it())
    assert.has_error(function() it.no_such_method() end)
  end)

  it("with max_pending waits for its own chunks", function()
    local own <close> = tine.pool { workers = 2, max_pending = 2 }
    local list = {}
    for i = 1, 200 do list[i] = -i end
    for i, v in own:map(math.abs, list, { chunksize = 3 }) do assert.equal(i, v) end
  end)

  it("unordered gives results while a slow item runs", function()
    local it = pool:map(function(x)
      if x == 1 then os.execute "sleep 0.3" end
      return x
    end, { 1, 2, 3, 4, 5 }, { ordered = false, chunksize = 1 })
    local seen = {}
    for i, v in it do
      assert.equal(i, v)
      seen[#seen + 1] = i
    end
    assert.equal(5, #seen)
    assert.equal(1, seen[5])
  end)

  it("unordered goes through chunks that end in parts", function()
    local sum = 0
    for i, v in pool:map(function(x)
      if x % 50 == 0 then os.execute "sleep 0.01" end
      return x
    end, upto(1000), { ordered = false, chunksize = 33 }) do
      assert.equal(i, v)
      sum = sum + v
    end
    assert.equal(500500, sum)
  end)

  -- Without a result to take the loop was over at the first event, or at the first question whether to try again.
  it("unordered goes on when what comes of an item is not its result", function()
    local wait, open = gate()
    local got = {}
    for i, v in pool:map(function(x)
      require "tine".worker.emit(x)
      wait()
      return x
    end, { 7 }, { ordered = false, on_event = open }) do
      got[i] = v
    end
    assert.same({ 7 }, got)
    local retried = pool:with { retry = { error = 1, delay = 0, when = function() return true end } }
    local list = retried:map(function(x)
      if require "tine".worker.task.attempt == 1 then error "again" end
      return x
    end, { 1, 2, 3 }, { ordered = false }):totable()
    assert.same({ 1, 2, 3, n = 3 }, list)
  end)

  it("makes chunks of small tasks by itself, and none of slow ones", function()
    local own <close> = tine.pool { workers = 1 }
    for _ in own:map(math.abs, upto(20000)) do end -- luacheck: ignore
    local sent = 0
    local it = own:map(function(x)
      os.execute "sleep 0.02"
      return x
    end, function()
      sent = sent + 1
      return sent
    end)
    for _ = 1, 8 do it() end
    assert.is_true(sent <= 20, sent .. " read ahead")
    it:close()
  end)

  it("carries the label and limit of a view", function()
    local it = pool:with { label = "batch" }:map(function(x) if x == 2 then error "two" end end, { 1, 2, 3 }, {
      on_error = "return", chunksize = 3 })
    it()
    local own <close> = tine.pool { workers = 1, on_crash = "replace" }
    local _, _, err = select(1, own:with { label = "batch" }:map(function() os.exit(1) end, { 1 }, {
      on_error = "return" })())
    assert.equal("batch[1]", err.task.label)
    it = own:with { timeout = 0.05 }:map(function(x) while x do end end, { 1 }, { on_error = "return" })
    _, _, err = it()
    assert.equal("timeout", tine.kind(err))
  end)

  it("blames arguments at the line of the call", function()
    for _, case in ipairs {
      { "#1 to 'map' %(function expected, got nil", nil, { 1 } },
      { "#2 to 'map' %(list or iterator expected, got nil", math.abs, nil },
      { "#3 to 'map' %(table expected, got number", math.abs, { 1 }, 3 },
      { "unknown option 'chunk', did you mean 'chunksize'", math.abs, { 1 }, { chunk = 1 } },
      { "option 'chunksize' must be an integer of 1 or more, got 0", math.abs, { 1 }, { chunksize = 0 } },
      { "option 'buffersize' must be an integer of 1 or more, got \"x\"", math.abs, { 1 }, { buffersize = "x" } },
      { "option 'ordered'", math.abs, { 1 }, { ordered = 1 } },
      { "option 'on_error'", math.abs, { 1 }, { on_error = "ignore" } },
      { "option 'timeout'", math.abs, { 1 }, { timeout = 0 / 0 } },
    } do
      local ok, err = pcall(function()
        pool:map(case[2], case[3], case[4])
      end)
      assert.is_false(ok)
      assert.matches("^[^:]*map_spec.lua:%d+: bad argument", err)
      assert.matches(case[1], err)
    end
    assert.equal(0, pool:stats().pending + pool:stats().running)
  end)
end)
