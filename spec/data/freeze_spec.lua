-- tine.freeze: images of tables that all processes read in place.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

-- Is what a view reads as what it was made of? Both ways, each pair of tables once.
local function same(view, t, met)
  met = met or {}
  if type(t) ~= "table" then
    return rawequal(view, t) and math.type(view) == math.type(t) and (t ~= 0 or 1 / view == 1 / t)
      or t ~= t and view ~= view
  end
  if met[t] then return met[t] == view end
  met[t] = view
  if tine.type(view) ~= "table" or #view ~= #t then return false end
  local n = 0
  for key, value in pairs(view) do
    n = n + 1
    if not same(value, t[key], met) or not same(view[key], t[key], met) then return false end
  end
  for _ in pairs(t) do n = n - 1 end
  return n == 0
end

local function sample()
  local shared = { "shared" }
  local t = {
    1, 2, nil, 4, "five",
    a = 1, b = "text", c = 1.5, yes = true, no = false, [""] = "empty", ["a\0b"] = "\0", [1.5] = "f", [-7] = "n",
    [true] = 1, [false] = 2, [math.maxinteger] = math.mininteger, [1 << 47] = -(1 << 47) - 1, [1e300] = -0.0,
    inf = -math.huge, long = ("x"):rep(1000), [("y"):rep(100)] = ("x"):rep(1000),
    nested = { { { 3 } } }, one = shared, two = shared, nothing = {}, array = { 1.5, 2.5, 3.5 },
  }
  t.self = t
  t.nested[2] = t.nested
  return t
end

-- Any table, with keys of all kinds in any order, and holes; about as often a sequence as not.
local function any_value(depth)
  local kind = math.random(8)
  if kind <= 2 then return "s" .. math.random(50) end
  if kind == 3 then return ("x"):rep(math.random(100)) end
  if kind == 4 then return math.random() end
  if kind == 5 then return math.random(0) end
  if kind == 6 or depth > 4 then return math.random(2) == 1 end
  local t = {}
  for i = 1, math.random(0, 16) do
    local key = math.random(4) == 1 and math.random(20) or math.random(3) == 1 and i or "k" .. math.random(40)
    t[key] = any_value(depth + 1)
  end
  return t
end

local function fails(pattern, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(err))
  return err
end

describe("a frozen table", function()
  it("reads like the table it was made of", function()
    local t = sample()
    local view = tine.freeze(t)
    assert.is_true(same(view, t))
    assert.equal("table", tine.type(view))
    assert.is_nil(view.none)
    assert.is_nil(view[3])
    assert.is_nil(view[6])
    assert.is_nil(view[0])
    assert.is_nil(view[2.5])
    assert.is_nil(view[0 / 0])
    assert.is_nil(view[{}])
    assert.equal(1, view[1.0])
    assert.equal(4, view[2 ^ 2])
    local nan = tine.freeze { 0 / 0, -(0 / 0) }
    assert.is_true(nan[1] ~= nan[1] and nan[2] ~= nan[2])
  end)

  it("keeps what is shared, and circles", function()
    local view = tine.freeze(sample())
    assert.is_true(view.one == view.two)
    assert.is_true(view.self == view)
    assert.is_true(view.nested[2][2] == view.nested)
    assert.is_false(view.one == view.nested)
    assert.is_false(view.one == {})
    assert.is_false(tine.freeze {} == tine.freeze {})
  end)

  -- Lua asks the second operand's metatable when the first one's has no __eq, as those of files and of our handles.
  it("equals no other userdata, on whichever side", function()
    local view, others = tine.freeze { 1 }, { io.stdout, tine.buffer(8), tine.future() }
    for _, other in ipairs(others) do
      assert.is_false(view == other)
      assert.is_false(other == view)
      assert.is_true(other ~= view)
    end
  end)

  it("goes with ipairs, table.concat, table.unpack", function()
    local list = {}
    for i, v in ipairs(tine.freeze { "a", "b", nil, "d" }) do list[i] = v end
    assert.same({ "a", "b" }, list)
    assert.equal("1,2,3", table.concat(tine.freeze { 1, 2, 3 }, ","))
    assert.same({ 1, 2, 3 }, { table.unpack(tine.freeze { 1, 2, 3 }) })
  end)

  it("is as large as it must be, sequences in the hash part included", function()
    local t = {}
    for i = 100, 1, -1 do t[i] = i end
    for i = 1, 5000 do t["k" .. i] = { i } end
    t[1 << 40] = "far"
    assert.is_true(same(tine.freeze(t), t))
    for _, n in ipairs { 0, 1, 2, 254, 255, 256, 65534, 65535, 65536 } do -- widths of its inside
      local fields = {}
      for i = 1, n do fields["f" .. i] = i end
      local view = tine.freeze(fields)
      assert.equal(n > 0 and n or nil, view["f" .. n])
      assert.is_nil(view["f" .. n + 1])
      local count = 0
      for _ in pairs(view) do count = count + 1 end
      assert.equal(n, count)
    end
  end)

  it("has all of a table whose integer keys come in no order", function()
    assert.equal("two", tine.freeze { [3] = 3, k = 1, [2] = "two", [9] = 9 }[2])
    math.randomseed(42)
    for _ = 1, 300 do
      local t = { any_value(0), any_value(0), x = any_value(0) }
      assert.is_true(same(tine.freeze(t), t))
    end
    local powers = {}
    for i = 0, 30 do powers[1 << i] = i end -- its length is found to be any of them
    local view = tine.freeze(powers)
    for i = 0, 30 do assert.equal(i, view[1 << i]) end
  end)

  it("is as deep as can be", function()
    local list
    for i = 1, 100000 do list = { next = list, i = i } end
    local view, n = tine.freeze(list), 0
    local copy = tine.thaw(view)
    while view do
      n = n + 1
      assert(view.i == copy.i)
      view, copy = view.next, copy.next
    end
    assert.equal(100000, n)
  end)

  it("is read only", function()
    local view = tine.freeze { a = 1, 2 }
    local line = debug.getinfo(1, "l").currentline + 1
    local err = fails("write field 'a' of a frozen table", function() view.a = 2 end)
    assert.is_truthy(err:find("freeze_spec.lua:" .. line, 1, true), err)
    fails("frozen table", function() view[1] = 2 end)
    fails("frozen table", function() view.new = 2 end)
    fails("frozen table", table.insert, view, 3)
    fails("table expected", rawset, view, 1, 1)
    assert.same({ 2, a = 1 }, tine.thaw(view))
  end)

  it("is thawed to a copy of its own", function()
    local t = sample()
    local view = tine.freeze(t)
    local copy = tine.thaw(view)
    assert.is_true(same(view, copy))
    assert.equal(copy, copy.self)
    assert.equal(copy.one, copy.two)
    copy.one[1] = "changed"
    assert.equal("shared", view.one[1])
    assert.same({ { 3 } }, tine.thaw(view.nested[1]))
    fails("frozen table expected", tine.thaw, {})
    fails("frozen table expected", tine.thaw)
  end)

  it("of what cannot be frozen is an error that says where it is", function()
    local function refused(path, t)
      local ok, err = pcall(tine.freeze, t)
      assert.is_false(ok)
      assert.equal("serialization", tine.kind(err))
      assert.is_truthy(err.message:find(path, 1, true), err.message)
    end
    refused('key "a"["b"][3]: cannot freeze a function', { a = { b = { 1, 2, print } } })
    refused("key 1: cannot freeze a thread", { coroutine.create(print) })
    refused("cannot freeze a table as a key", { [{}] = 1 })
    refused('key "x": cannot freeze a function as a key', { x = { [print] = 1 } })
    refused("key true[1.5]: cannot freeze a userdata", { [true] = { [1.5] = io.stdout } })
    refused("key 1: cannot freeze a view of another frozen table", { tine.freeze {} })
    refused("key 1: cannot freeze a buffer", { tine.buffer(8) })
    for _, wrong in ipairs { 1, "x", true, print } do fails("table expected", tine.freeze, wrong) end
    fails("table expected", tine.freeze)
  end)

  it("has no metatable, and runs no metamethod", function()
    local t = setmetatable({ a = 1 }, {
      __index = function() error "no" end, __pairs = function() error "no" end, __len = function() error "no" end,
    })
    assert.same({ a = 1 }, tine.thaw(tine.freeze(t)))
  end)

  it("of a frozen one is that", function()
    local view = tine.freeze { a = {} }
    assert.is_true(rawequal(view, tine.freeze(view)))
    assert.is_true(view.a == tine.freeze(view.a))
  end)
end)

for _, workers in ipairs { 2, 0 } do
  describe("a frozen table and a pool with workers = " .. workers, function()
    teardown(leftovers.none)

    it("is read by tasks: an argument, an upvalue, inside tables; and views of its parts", function()
      local pool <close> = tine.pool { workers = workers }
      local view = tine.freeze(sample())
      local function read(v, list, part) return v.b, view.nested[1][1][1], list[1].one == v.two, part[1] end
      for _ = 1, 20 do
        assert.same({ "text", 3, true, "shared" }, { pool:submit(read, view, { view }, view.one):result() })
      end
    end)

    it("comes back, and from tasks, and goes to other pools", function()
      local pool <close> = tine.pool { workers = workers }
      local view = tine.freeze(sample())
      local whole, list = pool:submit(function(v) return v, { v.one } end, view):result()
      assert.is_true(whole == view and list[1] == view.two)
      local made = pool:submit(function() return require "tine".freeze { a = { b = 7 } }.a end):result()
      collectgarbage()
      assert.equal(7, made.b)
      local other <close> = tine.pool(1)
      assert.equal(7, other:submit(function(v) return v.b end, made):result())
      local gift = pool:submit(function() return require "tine".freeze { "gift" } end)
      assert.equal("gift", pool:submit(function(v) return v[1] end, gift):result())
      assert.same({ "gift" }, pool:submit(require "tine".thaw, gift):result())
    end)

    it("is input of map, and its items are", function()
      local pool <close> = tine.pool { workers = workers }
      local view = tine.freeze { { i = 1 }, { i = 2 }, { i = 3 }, n = 3 }
      assert.same({ 1, 2, 3, n = 3 }, pool:map(function(v) return v.i end, view):totable())
      local results = pool:map(function(v) return v end, tine.freeze { { i = 5 }, { i = 6 } }, { chunksize = 2 })
      assert.equal(6, results:totable()[2].i)
    end)

    it("outlives its pool, and is shared by shared values", function()
      local future
      do
        local pool <close> = tine.pool { workers = workers }
        future = pool:submit(function() return require "tine".freeze { "alive" } end)
        local shared <close> = pool:share { tine.freeze { "within" } }
        assert.equal("within", pool:submit(function(s) return s[1][1] end, shared):result())
      end
      assert.equal("alive", future:result()[1])
    end)
  end)
end

describe("a frozen table", function()
  teardown(leftovers.none)

  it("takes memory once, however many read it, and gives it back", function()
    local t = {}
    for i = 1, 20000 do t["key " .. i] = { id = i, name = "name " .. i } end
    local pool <close> = tine.pool(2)
    local function kilobytes(pid)
      local pss, ours = 0, false
      for line in io.lines(("/proc/%s/smaps"):format(pid)) do
        if line:find "^%x+%-%x+ " then ours = line:find("tine-arena", 1, true) end
        pss = pss + (ours and tonumber(line:match "^Pss:%s+(%d+)") or 0)
      end
      return pss
    end
    local function read(v)
      local n = 0
      for _, record in pairs(v) do n = n + record.id end
      return n, tine.worker.pid
    end
    local view = tine.freeze(t)
    local before = kilobytes "self"
    local futures, seen = {}, {}
    for i = 1, 50 do futures[i] = pool:submit(read, view) end
    for i = 1, 50 do
      local sum, pid = futures[i]:result()
      assert.equal(20000 * 20001 // 2, sum)
      seen[pid] = true
    end
    local all = kilobytes "self"
    for pid in pairs(seen) do all = all + kilobytes(pid) end
    assert.is_true(all < before + 1500, ("%d kB, and %d for the program alone"):format(all, before))
    view, futures = nil, nil -- luacheck: ignore
    eventually(function()
      collectgarbage()
      for _ = 1, 4 do pool:submit(collectgarbage):result() end
      return kilobytes "self" < 1000
    end)
  end)

  it("is not spoilt by the death of who made it", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    local made = pool:submit(function() return require "tine".freeze { "stays" } end):result()
    processes.signal("KILL", pool:workers()[1].pid)
    assert.equal("stays", made[1])
    eventually(function() return (pool:submit(function(v) return v[1] end, made):pcall()) end)
  end)

  it("in a forked child of the program is an error", function()
    local ended = program.run([[
      local tine = require "tine"
      local posix = require "spec.support.posix"
      io.stdout:setvbuf "no"
      local view = tine.freeze { a = 1 }
      local child = posix.fork()
      if child == 0 then
        print(tine.kind(select(2, pcall(function() return view.a end))), tine.kind(select(2, pcall(pairs, view))))
        print(tine.freeze { a = 2 }.a)
        posix.exit(0)
      end
      posix.wait(child)
      print(view.a)
      os.execute("rm -r " .. posix.folder)
    ]], { before = "env ASAN_OPTIONS=detect_leaks=0" })
    assert.equal("", ended.err)
    assert.equal("forked\tforked\n2\n1\n", ended.out)
  end)
end)
