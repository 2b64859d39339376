-- tine.buffer: memory that all processes see.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

-- KiB of the memory that processes share, as far as this one has it mapped.
local function resident()
  local sum, ours = 0, false
  for line in io.lines "/proc/self/smaps" do
    if line:find "^%x+%-%x+ " then ours = line:find("tine-arena", 1, true) end
    sum = sum + (ours and tonumber(line:match "^Rss:%s+(%d+)") or 0)
  end
  return sum
end

local function fails(pattern, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(err))
end

describe("a buffer", function()
  it("has zeros at first, and as many bytes as were asked for", function()
    local buf = tine.buffer(100)
    assert.equal(100, #buf)
    assert.equal(("\0"):rep(100), buf:string())
    assert.equal(0, #tine.buffer(0))
    assert.equal("userdata", tine.type(buf))
    assert.matches("^tine.buffer %(100 bytes%)", tostring(buf))
  end)

  it("takes and gives what string.pack and string.unpack do", function()
    local buf = tine.buffer(400)
    local cases = {
      { "d", 1.5 }, { "<d", -0.0 }, { ">d", 1e300 }, { "n", math.huge }, { "f", 0.5 },
      { "j", math.mininteger }, { "<i8", -1 }, { ">I8", 1 << 62 }, { "b", -128 }, { "B", 255 },
      { "h", -32768 }, { "H", 65535 }, { "i4", -5 }, { "<I4", 4294967295 }, { "i3", -70000 }, { "i16", 7 },
      { "z", "hello" }, { "s4", "text" }, { "<!8 b i8 z", 1, 2, "three" }, { ">I2 x s1", 513, "" },
    }
    for _, case in ipairs(cases) do
      local format = case[1]
      for _, offset in ipairs { 1, 2, 17, 50 } do
        local after = buf:set(format, offset, table.unpack(case, 2))
        local bytes = string.rep("\0", offset - 1) .. buf:string(offset)
        assert.same(table.pack(string.unpack(format, bytes, offset)), table.pack(buf:get(format, offset)), format)
        assert.same(table.pack(table.unpack(case, 2)), table.pack(select(2, after, table.unpack(case, 2))))
        assert.equal(after, (select(-1, buf:get(format, offset))), format)
      end
    end
  end)

  it("gives texts of any length", function()
    local buf = tine.buffer(200000)
    local text = ("x"):rep(150000)
    assert.equal(150005, buf:set("s4", 1, text))
    assert.equal(text, (buf:get "s4"))
    buf:fill(0)
    buf:set("z", 3, text)
    assert.equal(text, (buf:get("z", 3)))
  end)

  it("counts from the end, too", function()
    local buf = tine.buffer(16)
    buf:set("d", -8, 2.5)
    assert.equal(2.5, (buf:get("d", 9)))
    buf:write(-3, "end")
    assert.equal("end", buf:string(-3))
    buf:fill(65, -2, -1)
    assert.equal("eAA", buf:string(-3, -1))
    assert.equal("e", buf:string(-3, -3))
    assert.equal("", buf:string(5, 4))
    assert.equal("", buf:string(17))
  end)

  it("adds and compares", function()
    local buf = tine.buffer(16)
    assert.equal(0, buf:add(9, 5))
    assert.equal(5, buf:add(9, -7))
    assert.equal(-2, (buf:get("j", 9)))
    assert.is_true(buf:compare(9, -2, math.maxinteger))
    local changed, now = buf:compare(9, -2, 1)
    assert.is_false(changed)
    assert.equal(math.maxinteger, now)
    assert.equal(math.maxinteger, buf:add(9, 1))
    assert.equal(math.mininteger, buf:add(-8, 0))
  end)

  it("refuses what is wrong, at the caller's line", function()
    local buf = tine.buffer(16)
    local here = "buffer_spec.lua:" .. debug.getinfo(1, "l").currentline + 2
    local ok, err = pcall(function()
      buf:get("d", 10)
    end)
    assert.is_false(ok)
    assert.is_truthy(err:find(here, 1, true), err)
    fails("outside of the buffer, which has 16 bytes", buf.get, buf, "d", 10)
    fails("outside", buf.get, buf, "b", 17)
    fails("outside", buf.get, buf, "b", 0)
    fails("outside", buf.get, buf, "b", -17)
    fails("too short", buf.get, buf, "i3i8i8", 1)
    fails("outside", buf.set, buf, "d", 10, 1)
    fails("beyond the end", buf.set, buf, "z", 10, "1234567")
    fails("outside", buf.string, buf, 0)
    fails("outside", buf.string, buf, 1, 17)
    fails("outside", buf.fill, buf, 1, 18)
    fails("outside", buf.write, buf, 16, "ab")
    fails("outside", buf.add, buf, 17, 1)
    fails("#2 to 'add'.*not aligned", function() buf.add(buf, 2, 1) end)
    fails("not aligned", buf.compare, buf, 8, 1, 1)
    fails("invalid format option", buf.get, buf, "q", 1)
    fails("invalid format option", buf.set, buf, "q", 1, 1)
    fails("overflow", buf.set, buf, "b", 1, 128)
    fails("overflow", buf.set, buf, "I2", 1, -1)
    fails("number expected, got string", buf.set, buf, "d", 1, "x")
    fails("no integer representation", buf.set, buf, "j", 1, 1.5)
    fails("0 to 255", buf.fill, buf, 256)
    fails("tine.buffer expected, got table", buf.get, {}, "d", 1)
    fails("must not be negative", tine.buffer, -1)
    fails("number expected", tine.buffer)
    assert.equal(("\0"):rep(16), buf:string())
  end)

  it("that cannot be had is a system error", function()
    local ok, err = pcall(tine.buffer, 1 << 60)
    assert.is_false(ok)
    assert.equal("system", tine.kind(err))
    assert.matches("cannot make a buffer", err.message)
    assert.equal(8, #tine.buffer(8)) -- and harms no other
  end)
end)

for _, workers in ipairs { 2, 0 } do
  describe("a buffer and a pool with workers = " .. workers, function()
    teardown(leftovers.none)

    it("is seen by every task, as an argument, an upvalue, in tables", function()
      local pool <close> = tine.pool(workers == 0 and { workers = 0 } or workers)
      local buf = tine.buffer(24)
      local function count(b, list)
        for _ = 1, 1000 do
          buf:add(1, 1)
          b:add(9, 1)
          list[1].b:add(17, 1)
        end
      end
      local futures = {}
      for i = 1, 40 do futures[i] = pool:submit(count, buf, { { b = buf } }) end
      for i = 1, 40 do futures[i]:result() end
      assert.same({ 40000, 40000, 40000, 25 }, { buf:get("jjj", 1) })
    end)

    it("comes back as the same buffer", function()
      local pool <close> = tine.pool { workers = workers }
      local buf = tine.buffer(8)
      local same, inside = pool:submit(function(b) return b, { b } end, buf):result()
      assert.equal(buf, same)
      assert.equal(buf, inside[1])
    end)

    it("comes from a task, and goes on to others and to other pools", function()
      local pool <close> = tine.pool { workers = workers }
      local function make(text)
        local b = require "tine".buffer(8)
        b:write(1, text)
        return b
      end
      local future = pool:submit(make, "made")
      local made = future:result()
      collectgarbage()
      assert.equal("made", made:string(1, 4))
      local function read(b) return b:string(1, 4) end
      assert.equal("made", pool:submit(read, made):result())
      local other <close> = tine.pool(1)
      assert.equal("made", other:submit(read, made):result())
      assert.equal("gift", pool:submit(read, pool:submit(make, "gift")):result())
      assert.equal("gift", other:submit(read, pool:submit(make, "gift")):result())
    end)

    it("may be in a shared value", function()
      local pool <close> = tine.pool { workers = workers }
      local shared <close> = pool:share { { buf = tine.buffer(8) } }
      collectgarbage()
      local futures = {}
      for i = 1, 20 do futures[i] = pool:submit(function(t) t[1].buf:add(1, 1) end, shared) end
      for i = 1, 20 do futures[i]:result() end
      assert.equal(20, (shared:get()[1].buf:get "j"))
    end)

    it("outlives the pool, and its workers", function()
      local made
      do
        local pool <close> = tine.pool { workers = workers }
        made = pool:submit(function()
          local b = require "tine".buffer(8)
          b:add(1, 77)
          return b
        end)
      end
      assert.equal(77, (made:result():get "j"))
    end)

    it("comes with errors, and to initializers and finalizers", function()
      local buf = tine.buffer(16)
      do
        local pool <close> = tine.pool {
          workers = workers,
          initializer = function(b) b:add(1, 1) end, initargs = { buf },
          finalizer = function() buf:add(9, 1) end,
        }
        local ok, err = pool:submit(function() error { buf } end):pcall()
        assert.is_false(ok)
        assert.equal(buf, err[1])
      end
      assert.same({ 1, 1 }, { buf:get("j", 1), (buf:get("j", 9)) })
    end)

    it("goes down and up through tasks that submit tasks, with frozen tables", function()
      local pool <close> = tine.pool { workers = workers }
      local buf, view = tine.buffer(8), tine.freeze { step = 3 }
      local function tree(n, count, v)
        local lib = require "tine"
        count:add(1, v.step)
        if n == 0 then return count, v, lib.buffer(8) end
        local futures, made = {}, nil
        for i = 1, 2 do futures[i] = lib.worker.pool:submit(tree, n - 1, count, v) end
        for i = 1, 2 do
          local c, w
          c, w, made = futures[i]:result()
          assert(c == count and w == v)
          made:add(1, i)
        end
        return count, v, made
      end
      local count, same, made = pool:submit(tree, 4, buf, view):result(20)
      assert.equal(31 * 3, (buf:get "j"))
      assert.is_true(count == buf and same == view)
      assert.equal(8, (made:get "j"))
    end)

    it("is given back by what never ran: a chunk that was cancelled, a map left early", function()
      local pool <close> = tine.pool { workers = workers }
      local before = processes.arena_bytes()
      local items = {}
      for i = 1, 40 do items[i] = { tine.buffer(4096), i } end
      for _, item in ipairs(items) do item[1]:fill(1) end
      local function slow(item)
        if item[2] == 3 then error "enough" end
        return item[1]
      end
      assert.is_false((pcall(function()
        for _ in pool:map(slow, items, { chunksize = 8 }) do collectgarbage() end
      end)))
      local future = pool:submit(slow, pool:submit(slow, items[5]), items[6])
      future:cancel()
      items, future = nil, nil -- luacheck: ignore
      eventually(function()
        collectgarbage()
        pool:everywhere(collectgarbage):result() -- each of them held some
        return processes.arena_bytes() - before < 8 * 4096
      end, "they are given back")
    end)

    it("is given back when nobody holds it", function()
      local pool <close> = tine.pool { workers = workers }
      local function use(b)
        b:fill(1)
        return b
      end
      pool:submit(use, tine.buffer(8)):result()
      local before = processes.arena_bytes()
      for _ = 1, 5 do
        local made = pool:submit(function(f) return f(require "tine".buffer(1 << 20)) end, use):result()
        pool:submit(use, made):result()
      end
      for _ = 1, 5 do pool:submit(use, tine.buffer(1 << 20)):result() end
      eventually(function()
        collectgarbage()
        pool:submit(collectgarbage):result()
        return processes.arena_bytes() - before < 1 << 20
      end)
      assert.is_true(resident() < 1024)
    end)
  end)
end

describe("a buffer", function()
  teardown(leftovers.none)

  -- Each small one has a page of its own, of which only the used bytes were given back. That sets them to zero and
  -- keeps the page: a program that made a million of them one after the other had 4 GB less.
  it("of a few bytes is given back with all of its page, and so is a small frozen table", function()
    local keep <const> = tine.buffer(8)
    local before = processes.arena_bytes()
    for i = 1, 500 do
      tine.buffer(100):fill(1)
      tine.buffer(4097):fill(1)
      tine.freeze { i }
    end
    collectgarbage()
    collectgarbage()
    local more = processes.arena_bytes() - before
    assert.is_true(more < 100 * 4096, more .. " bytes are left")
    assert.equal(8, #keep)
  end)

  -- To the collector each is some bytes: a process that was given large ones held them all, until memory was at an end.
  it("that has come from another process is given back before there are many", function()
    local function mapped() -- MiB of buffers in this process; nothing was written to them
      local sum = 0
      for line in io.lines "/proc/self/maps" do
        local from, to = line:match "^(%x+)%-(%x+) .*tine%-arena"
        if from then sum = sum + tonumber(to, 16) - tonumber(from, 16) end
      end
      return sum >> 20
    end
    local function make(bytes) return require "tine".buffer(bytes) end
    local pool <close> = tine.pool(1)
    collectgarbage()
    local before, most = mapped(), 0
    for _ = 1, 24 do
      pool:submit(function(buf) return #buf end, tine.buffer(64 << 20)):result()
      most = math.max(most, pool:submit(mapped):result() - before)
    end
    assert.is_true(most <= 448, most)
    collectgarbage()
    before, most = mapped(), 0
    for _ = 1, 24 do
      pool:submit(make, 64 << 20):result()
      most = math.max(most, mapped() - before)
    end
    assert.is_true(most <= 448, most)
  end)

  it("is made in a preload, too, and is then one for all workers", function()
    local pool <close> = tine.pool {
      workers = 2,
      preload = function() _G.shared = require "tine".buffer(8) end,
    }
    local futures = {}
    for i = 1, 20 do futures[i] = pool:submit(function() _G.shared:add(1, 1) end) end
    for i = 1, 20 do futures[i]:result() end
    assert.equal(20, (pool:submit(function() return _G.shared end):result():get "j"))
  end)

  it("is not spoilt by the death of a worker, and what that held is given back", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    local buf = tine.buffer(8)
    pool:submit(function() buf:add(1, 1) end):result()
    local before = processes.arena_bytes()
    for _ = 1, 3 do
      local ok = pool:submit(function(b)
        local worker = require "tine".worker
        worker.state.kept = require "tine".buffer(4 << 20)
        worker.state.kept:fill(1)
        b:add(1, 1)
        os.execute("kill -9 " .. worker.pid)
      end, buf):pcall()
      assert.is_false(ok)
    end
    assert.equal(4, (buf:get "j"))
    pool:submit(function() buf:add(1, 1) end):result()
    assert.equal(5, (buf:get "j"))
    eventually(function() return processes.arena_bytes() - before < 1 << 20 end)
  end)

  it("that came with a result stays though its worker is killed, and goes with the future", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    pool:submit(function() return require "tine".buffer(8) end):result()
    local before = processes.arena_bytes()
    local future = pool:submit(function()
      local b = require "tine".buffer(4 << 20)
      b:fill(1)
      return b
    end)
    eventually(function() return future:done() end)
    local pid = pool:workers()[1].pid
    processes.signal("KILL", pid)
    eventually(function() return not processes.alive(pid) end)
    local ok, made = future:pcall()
    if ok then assert.equal("\1", made:string(1 << 20, 1 << 20)) end
    future, made = nil, nil -- luacheck: ignore
    eventually(function()
      collectgarbage()
      pool:submit(function() end):pcall()
      return processes.arena_bytes() - before < 1 << 20
    end)
  end)

  it("leaves nothing when the program is killed", function()
    local p = program.start [[
      local tine = require "tine"
      local buf = tine.buffer(1 << 20)
      buf:fill(1)
      local pool = tine.pool(2)
      pool:submit(function() buf:add(1, 1) os.execute "sleep 600" end)
      while buf:get "j" == 72340172838076673 do end
      print "running"
      io.stdout:flush()
      pool:join()
    ]]
    p:line()
    p:signal "KILL"
    p:close() -- fails when anything is left
  end)

  it("may be many", function()
    local pool <close> = tine.pool(1)
    local list = {}
    for i = 1, 3000 do
      list[i] = tine.buffer(8)
      list[i]:add(1, i)
    end
    local function sum(l)
      local s = 0
      for _, b in ipairs(l) do s = s + b:get "j" end
      return s, l
    end
    local s, back = pool:submit(sum, list):result()
    assert.equal(3000 * 3001 // 2, s)
    for i = 1, 3000 do assert(back[i] == list[i]) end
  end)

  it("goes into map, and into its results", function()
    local pool <close> = tine.pool(2)
    local list = {}
    for i = 1, 200 do list[i] = tine.buffer(8) end
    for i, b in pool:map(function(b) b:add(1, 1) return b end, list, { chunksize = 7 }) do
      assert.equal(list[i], b)
      assert.equal(1, (b:get "j"))
    end
  end)

  it("in a forked child of the program is an error, and the program's is as it was", function()
    local ended = program.run([[
      local tine = require "tine"
      local posix = require "spec.support.posix"
      io.stdout:setvbuf "no"
      local buf = tine.buffer(8)
      buf:add(1, 5)
      local child = posix.fork()
      if child == 0 then
        local ok, err = pcall(buf.add, buf, 1, 1)
        print(ok, tine.kind(err))
        local own = tine.buffer(8)
        own:add(1, 3)
        print((own:get "j"))
        posix.exit(0)
      end
      posix.wait(child)
      print((buf:get "j"))
      os.execute("rm -r " .. posix.folder)
    ]], { before = "env ASAN_OPTIONS=detect_leaks=0" })
    assert.equal("", ended.err)
    assert.equal("false\tforked\n3\n5\n", ended.out)
  end)
end)
