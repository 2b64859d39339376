-- Faults of 0.1's middle (pool, waiting, map), each with its story.
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local tine = require "tine"

-- What the program prints, which must end well.
local function output_of(source)
  local ended = program.run(source)
  assert.same({ "exit", 0, "" }, { ended.how, ended.code, ended.err })
  return ended.out
end

describe("regressions of the middle:", function()
  describe("an encode function that shuts the pool down", function()
    it("fails the submit, and no file of the program is touched", function()
      -- The call heap still held the number of its closed descriptor and grew by ftruncate and mmap on
      -- whatever file had that number by then: 29 MB of task data in a file of the user's.
      local files, meta = {}, {}
      local pool = tine.pool { workers = 1 }
      local function encode()
        pool:shutdown()
        for i = 1, 12 do
          files[i] = assert(io.tmpfile())
          files[i]:write "precious"
          files[i]:flush()
        end
        return 1
      end
      tine.register("regress_middle.closes", meta, encode, function(x) return x end)
      pool:submit(math.abs, -1):result()
      local ok, err = pcall(pool.submit, pool, string.len, setmetatable({}, meta), ("X"):rep(20 << 20))
      assert.is_false(ok)
      assert.equal("shutdown", tine.kind(err))
      for i = 1, 12 do
        assert.equal(8, files[i]:seek "end")
        files[i]:close()
      end
    end)
  end)

  describe("waiting inside of a wait", function()
    it("by a debug hook, which takes what the outer one waits for", function()
      -- Each thread had one place for what it waits with: a wait in the hook of another one overwrote it
      -- (a crash), or took the news that the outer one then waited for without end.
      for call = 2, 6 do
        assert.equal("one\n", output_of(([[
          local tine = require "tine"
          local pool = tine.pool { workers = 2 }
          local function nap(s, v) os.execute("sleep " .. s) return v end
          pool:submit(math.abs, -1):result() pool:submit(math.abs, -1):result()
          local one, two = pool:submit(nap, 0.3, "one"), pool:submit(nap, 0.1, "two")
          local n, busy = 0, false
          debug.sethook(function()
            if busy then return end
            busy, n = true, n + 1
            if n == %d then two:result() end
            busy = false
          end, "c")
          local v = one:result(20)
          debug.sethook()
          print(v)]]):format(call)))
      end
    end)

    it("by a hook that waits for the very same future", function()
      assert.equal("both\tboth\n", output_of [[
        local tine = require "tine"
        local pool = tine.pool(1)
        pool:submit(math.abs, -1):result()
        local future = pool:submit(function() os.execute "sleep 0.2" return "both" end)
        local inner, busy
        debug.sethook(function()
          if busy then return end
          busy = true
          inner = future:result()
          busy = false
        end, "c")
        local outer = future:result(20)
        debug.sethook()
        print(outer, inner)]])
    end)

    it("by a hook that ends the pool of the outer one", function()
      assert.equal("cancelled\n", output_of [[
        local tine = require "tine"
        local other, pool = tine.pool(1), tine.pool(1)
        pool:submit(math.abs, -1):result()
        local running = pool:submit(function() os.execute "sleep 1" end)
        local waiting = pool:submit(math.abs, -1)
        local busy, done
        debug.sethook(function()
          if busy or done then return end
          busy, done = true, true
          pool:shutdown { cancel_futures = true }
          busy = false
        end, "c")
        local _, err = waiting:pcall(20)
        debug.sethook()
        print(tine.kind(err))]])
    end)

    it("by a callback that takes the last result of a map that the loop waits for", function()
      assert.equal("callback\t1\t1\nloop\tnil\n", output_of [[
        local tine = require "tine"
        local pool, other = tine.pool(1), tine.pool(1)
        local gate = os.tmpname()
        os.remove(gate)
        local map = pool:map(function(x) while not io.open(gate) do end return x end, { 1 })
        other:submit(math.abs, -1):add_done_callback(function()
          io.open(gate, "w"):close()
          print("callback", map())
          os.remove(gate)
        end)
        print("loop", (map()))]])
    end)

    it("by a callback that takes the next result of a map that the loop waits for", function()
      -- The loop went on waiting for that one, whose chunk was no more, and never looked at the others.
      assert.equal("callback\t1\t1\nloop\t2\t2\n", output_of [[
        local tine = require "tine"
        local pool, other = tine.pool(1), tine.pool(1)
        local gate = os.tmpname()
        os.remove(gate)
        local function first_waits(x) while x == 1 and not io.open(gate) do end return x end
        local map = pool:map(first_waits, { 1, 2 }, { chunksize = 1, timeout = 20 })
        other:submit(math.abs, -1):add_done_callback(function()
          io.open(gate, "w"):close()
          print("callback", map())
          os.remove(gate)
        end)
        print("loop", map())]])
    end)
  end)

  describe("a map that is closed while it is filled", function()
    it("by its own input", function()
      -- What was read was sent to a map that was gone: a crash (ordered), memory used after its end.
      for _, ordered in ipairs { true, false } do
        local pool <close> = tine.pool(1)
        local map, n = nil, 0
        map = pool:map(function(x) return x end, function()
          n = n + 1
          if n == 9 then map:close() end
          return n < 40 and n or nil
        end, { ordered = ordered, chunksize = 2 })
        local taken = 0
        for _ in map do taken = taken + 1 end
        assert.is_true(taken <= 9)
        map = nil
        collectgarbage()
        assert.equal(1, pool:submit(math.abs, -1):result())
        collectgarbage()
      end
    end)

    it("by an encode function", function()
      local pool <close> = tine.pool(1)
      local meta, map, n = {}, nil, 0
      tine.register("regress_middle.map", meta, function() map:close() return 1 end, function(v) return v end)
      map = pool:map(function(x) return x end, function()
        n = n + 1
        return n == 30 and setmetatable({}, meta) or n < 60 and n or nil
      end)
      for _ in map do end
      assert.equal(2, pool:submit(math.abs, -2):result())
    end)

    it("by an __index of its list", function()
      local pool <close> = tine.pool(1)
      local map
      local list = setmetatable({ n = 40 }, { __index = function(_, i)
        if i == 33 then map:close() end
        return i
      end })
      map = pool:map(function(x) return x end, list, { chunksize = 4, buffersize = 8 })
      for _ in map do end
      assert.equal(3, pool:submit(math.abs, -3):result())
    end)
  end)

  describe("a map whose time is over", function()
    it("ends, and what has not begun does not run", function()
      -- It went on in the background, and could be asked again.
      local wait, open = gate()
      local pool = tine.pool(1)
      local first = pool:submit(wait)
      eventually(function() return first:running() end)
      local marks = {}
      for i = 1, 12 do marks[i] = os.tmpname() os.remove(marks[i]) end
      local map = pool:map(function(name) io.open(name, "w"):close() end, marks, { timeout = 0 })
      local ok, err = pcall(map)
      assert.is_false(ok)
      assert.equal("timeout", tine.kind(err))
      assert.matches("12 of 12 unfinished", tostring(err))
      assert.is_nil(map())
      open()
      pool:shutdown()
      local ran = 0
      for i = 1, 12 do ran = ran + (os.remove(marks[i]) and 1 or 0) end
      assert.equal(0, ran)
    end)

    it("counts what is unfinished, as as_completed does", function()
      local wait, open = gate()
      local pool <close> = tine.pool(1)
      local fs = { pool:submit(math.abs, -1), pool:submit(wait), tine.future() }
      fs[1]:result()
      local ok, err = pcall(function() for _ in tine.as_completed(fs, 0.01) do end end)
      assert.is_false(ok)
      assert.matches("2 of 3 unfinished", tostring(err))
      open()
    end)
  end)

  describe("a task that was ended by force", function()
    it("does nothing any more once its future is done", function()
      -- The future ended when the kill was decided; the task went on writing for some milliseconds.
      local pool <close> = tine.pool(1)
      for round = 1, 6 do
        local name = os.tmpname()
        local limit = round % 2 == 0 and 0.1 or nil
        local future = pool:with { timeout = limit }:submit(function(path)
          local file = io.open(path, "a")
          file:setvbuf "no"
          while true do file:write "x" end
        end, name)
        if not limit then
          eventually(function() local f <close> = io.open(name) return f:seek "end" > 0 end)
          assert.is_true(future:abort())
        end
        local _, err = future:pcall()
        assert.equal(limit and "timeout" or "cancelled", tine.kind(err))
        local file <close> = io.open(name)
        local before = file:seek "end"
        assert.equal(1, pool:submit(math.abs, -1):result()) -- so much time has passed
        assert.equal(before, file:seek "end")
        os.remove(name)
      end
    end)

    it("is still running when its worker is stopped by a signal, and ends all the same", function()
      -- abort waited for the stopped worker, spinning.
      local pool <close> = tine.pool(1)
      local future = pool:submit(function() while true do end end)
      eventually(function() return future:running() end)
      processes.signal("STOP", pool:workers()[1].pid)
      assert.is_true(future:abort())
      assert.is_false(future:abort())
      assert.equal("cancelled", tine.kind(select(2, future:pcall(20))))
      assert.equal(1, pool:submit(math.abs, -1):result(20))
    end)
  end)

  describe("time limits", function()
    it("make nobody busy once what had one has ended", function()
      -- The manager looked at all workers every millisecond as long as any limited task was open, after
      -- one with a limit of a millisecond had ended.
      local used = tonumber(output_of [[
        local tine = require "tine"
        local pool = tine.pool(2)
        pool:with { timeout = 0.001 }:submit(function() while true do end end):pcall()
        local long = pool:with { timeout = 3600 }:submit(function() os.execute "sleep 1" end)
        while not long:running() do end
        local function wakes()
          local n = 0
          for line in io.popen("cat /proc/" .. io.open("/proc/self/stat"):read "n"
              .. "/task/*/status"):lines() do
            n = n + (tonumber(line:match "^voluntary_ctxt_switches:%s*(%d+)") or 0)
          end
          return n
        end
        local before = wakes()
        os.execute "sleep 0.5"
        print(wakes() - before)
        long:abort()
        pool:shutdown()]])
      assert.is_true(used < 50, used .. " wake-ups in half a second")
    end)
  end)

  describe("workers that cannot be started yet", function()
    it("do not keep the manager busy", function()
      -- A full socket to the fork server was tried again and again, without a pause.
      local used = tonumber(output_of [[
        local tine = require "tine"
        local pool = tine.pool { workers = 1000, preload = function() os.execute "sleep 1" end }
        for i = 1, 1000 do pool:submit(math.abs, -i) end
        local before = os.clock()
        os.execute "sleep 0.7"
        print(os.clock() - before)
        pool:kill_workers()
        pool:shutdown()]])
      assert.is_true(used < 0.2, used .. " s of processor time in 0.7 s of waiting")
    end)
  end)

  describe("labels", function()
    it("are the same on both sides, in maps too", function()
      -- The worker did not know the index of an item: "#3" there, "[3] #3" here.
      local pool <close> = tine.pool(1)
      local function label() return require "tine".worker.task.label end
      for i, there in pool:map(label, { "a", "b", "c" }, { chunksize = 3 }) do
        assert.matches(("%%[%d%%]"):format(i), there)
      end
      assert.matches("^function %(.*:%d+%) #%d+$", pool:submit(label):result())
      assert.equal("mine", pool:with { label = "mine" }:submit(label):result())
      assert.equal("mine[1]", select(2, pool:with { label = "mine" }:map(label, { 1 })()))
      -- and in an error of the same task
      local future = pool:submit(function() local l = require "tine".worker.task.label os.exit(l and 3) end)
      local err = future:exception()
      assert.matches("%(.*:%d+%) #%d+", err.task.label)
    end)
  end)
end)
