-- pool:share: a value that is encoded once, decoded once in each worker, and is that value in all tasks.
local tine = require "tine"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local program = require "spec.support.program"

local function records(n)
  local list = {}
  for i = 1, n do list[i] = { id = i, name = "name " .. i } end
  return list
end

local function address(t) return ("%p"):format(t) end
local function kib() collectgarbage() collectgarbage() return collectgarbage "count" end

for _, workers in ipairs { 0, 1, 2 } do
  describe("a shared value, workers = " .. workers, function()
    teardown(leftovers.none)

    it("is the value wherever it travels", function()
      local pool <close> = tine.pool { workers = workers }
      local list = records(1000)
      local shared <close> = pool:share(list)
      assert.equal("name 7", pool:submit(function(t, i) return t[i].name end, shared, 7):result(20))
      assert.equal("name 8", pool:submit(function() return shared[8].name end):result(20))
      assert.same({ "name 9", true }, { pool:submit(function(x)
        return x.deep.list[9].name, x.deep.list == x.again and x.again == shared
      end, { deep = { list = shared }, again = shared }):result(20) })
      local names = {}
      for _, name in pool:map(function(i) return shared[i].name end, { 3, 2, 1 }) do names[#names + 1] = name end
      assert.same({ "name 3", "name 2", "name 1" }, names)
    end)

    it("may be any value", function()
      local pool <close> = tine.pool { workers = workers }
      local up = { 5 }
      local five = pool:share(function() return up[1] end)
      assert.equal(5, pool:submit(function(f) return f() end, five):result(20))
      for _, value in ipairs { 1, 1.5, "text", true, false } do
        local shared <close> = pool:share(value)
        assert.equal(value, pool:submit(function(x) return x end, shared):result(20))
        assert.equal(value, shared:get())
      end
      local none <close> = pool:share(nil)
      assert.same({ n = 2, nil, "nil" }, table.pack(pool:submit(function(x) return x, type(x) end, none):result(20)))
      local meta = pool:share(setmetatable({}, { __index = function(_, k) return k .. "!" end }))
      assert.equal("a!", pool:submit(function(t) return t.a end, meta):result(20))
    end)

    it("is the same object for all tasks of a worker", function()
      local pool <close> = tine.pool { workers = math.min(workers, 1) }
      local shared <close> = pool:share(records(10))
      local first = pool:submit(address, shared):result(20)
      assert.equal(first, pool:submit(address, shared):result(20))
      assert.equal(first, pool:submit(function() return address(shared) end):result(20))
    end)

    it("holds others", function()
      local pool <close> = tine.pool { workers = workers }
      local inner = pool:share(records(5))
      local outer <close> = pool:share { inner = inner, count = function() return #inner end }
      inner:close()
      assert.same({ 5, true }, { pool:submit(function(o) return o.count(), o.inner[1].id == 1 end, outer):result(20) })
      assert.equal(5, outer:get().count())
      assert.error(function() inner:get() end)
    end)

    -- Each is decoded inside of the one that holds it. A long chain of them took more than the C stack. #here: so many
    -- shared values of one task are not sent to other machines
    it("holds others, down to a depth #here", function()
      local pool <close> = tine.pool { workers = workers }
      local shared, all = pool:share { depth = 1 }, {}
      for depth = 2, 20000 do
        all[#all + 1] = shared
        shared = pool:share { depth = depth, inner = shared }
        if depth == 900 then
          assert.equal(1, pool:submit(function(t)
            while t.inner do t = t.inner end
            return t.depth
          end, shared):result(20))
        end
      end
      local future = pool:submit(function(t) return t.depth end, shared)
      assert.match("nested more than %d+ levels deep", tostring(future:exception(20)))
      assert.match("nested more than %d+ levels deep", tostring(select(2, pcall(shared.get, shared))))
      assert.equal(7, pool:submit(function() return 7 end):result(20))
      assert.equal(19999, #all) -- they have lived so long
    end)

    it("is given to tasks submitted before it is closed, and to no others", function()
      local pool <close> = tine.pool { workers = workers }
      local gates = {}
      for i = 1, workers do
        local wait, open = gate()
        gates[i] = open
        pool:submit(wait)
      end
      local shared = pool:share(records(10))
      local before = pool:submit(function(t) return #t end, shared)
      shared:close()
      shared:close()
      for _, open in ipairs(gates) do open() end
      assert.equal(10, before:result(20))
      local after = pool:submit(function(t) return #t end, shared):exception(20)
      assert.equal("invalid_state", tine.kind(after))
      assert.equal("argument 1: this shared value was closed", after.message)
      for _, method in ipairs { "get", "bytes" } do
        local ok, err = pcall(shared[method], shared)
        assert.same({ false, "invalid_state" }, { ok, tine.kind(err) })
      end
      assert.equal("tine.shared (closed)", tostring(shared))
    end)

    it("is dropped by workers when it is closed or collected here", function()
      local pool <close> = tine.pool { workers = math.min(workers, 1) }
      local before = pool:submit(kib):result(20)
      local one, two = pool:share(records(20000)), pool:share(records(20000))
      pool:submit(function(a, b) return #a + #b end, one, two):result(20)
      assert.is_true(pool:submit(kib):result(20) > before + 4000)
      one:close()
      two = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.is_true(pool:submit(kib):result(20) < before + 1000)
    end)

    it("goes by value from a worker on", function()
      local pool <close> = tine.pool { workers = workers }
      local shared <close> = pool:share { 1, 2, { 3 } }
      assert.same({ 1, 2, { 3 } }, pool:submit(function(t) return t end, shared):result(20))
    end)

    it("can be had here, as workers have it", function()
      local pool <close> = tine.pool { workers = workers }
      local list = { 1, 2 }
      local shared <close> = pool:share(list)
      list[1] = "changed since"
      local value = shared:get()
      assert.same({ 1, 2 }, value)
      assert.equal(value, shared:get())
      assert.is_true(shared:bytes() > 0 and shared:bytes() < 100)
    end)
  end)
end

describe("a shared value", function()
  teardown(leftovers.none)

  it("belongs to one pool", function()
    local pool <close> = tine.pool(1)
    local other <close> = tine.pool(1)
    local shared <close> = pool:share {}
    local err = other:submit(print, shared):exception(20)
    assert.equal("serialization", tine.kind(err))
    assert.matches("^argument 1: cannot send a value that another pool shares", err.message)
  end)

  it("is refused where it cannot travel, with the path", function()
    local pool <close> = tine.pool(1)
    local ok, err = pcall(pool.share, pool, { a = { coroutine.create(print) } })
    assert.same({ false, "serialization" }, { ok, tine.kind(err) })
    assert.matches('^shared value: key "a"%[1%]: cannot send a coroutine', err.message)
    assert.error_matches(function() pool:share() end, "bad argument #1 to 'share' %(value expected%)")
  end)

  it("is not to be had from a pool that has ended", function()
    local pool = tine.pool(1)
    local shared = pool:share { 1 }
    pool:shutdown()
    local ok, err = pcall(shared.get, shared)
    assert.same({ false, "invalid_state" }, { ok, tine.kind(err) })
    ok, err = pcall(pool.share, pool, 1)
    assert.same({ false, "shutdown" }, { ok, tine.kind(err) })
    shared:close()
  end)

  -- It said that the pool was shut down.
  it("is refused by a broken pool with what broke it", function()
    local pool = tine.pool { workers = 1, initializer = function() error "no licence" end }
    pool:submit(math.abs, -1):exception(20)
    local ok, err = pcall(pool.share, pool, 1)
    assert.same({ false, "broken" }, { ok, tine.kind(err) })
    assert.matches("no licence", err.message)
    pool:shutdown()
  end)

  it("is there for each attempt, and in a worker that takes the place of another", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    local shared = pool:share(records(100))
    local task = pool:with { retry = 1 }:submit(function(t)
      if tine.worker.task.attempt == 1 then os.exit(1) end
      return #t
    end, shared)
    shared:close()
    assert.equal(100, task:result(20))
  end)

  it("gives its memory back #here", function() -- that of other machines is not this program's
    local pool <close> = tine.pool(1)
    local text = ("x"):rep(8 << 20)
    local function size(t) return #t end
    for _ = 1, 40 do -- 320 MiB, if it were kept
      local shared <close> = pool:share(text)
      assert.equal(#text, pool:submit(size, shared):result(20))
    end
    local resident
    for line in io.lines "/proc/self/status" do
      resident = resident or tonumber(line:match "^RssShmem:%s+(%d+)")
    end
    assert.is_true(resident < 128 * 1024, resident)
  end)

  -- Each was dropped by a call inside the call that dropped the one before it: a list of some hundred thousand
  -- values was too much for the C stack.
  it("goes with all that it names, however long the chain is", function()
    local out = program.output [[
      local tine = require "tine"
      local pool = tine.pool(0)
      local first = pool:share { 0 }
      for i = 1, 300000 do
        local more = pool:share { i, first }
        first:close()
        first = more
      end
      print "made"
      first:close()
      print "closed"
    ]]
    assert.equal("made\nclosed\n", out)
  end)
end)
