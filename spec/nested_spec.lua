-- tine.worker.pool: tasks that a task submits, and waits for, with as few workers as one.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"

local function deep(n)
  if n == 0 then return "bottom" end
  return (tine.worker.pool:submit(deep, n - 1):result())
end

local function fib(n)
  if n < 2 then return n end
  local a, b = tine.worker.pool:submit(fib, n - 1), tine.worker.pool:submit(fib, n - 2)
  return a:result() + b:result()
end

local function double(x) return 2 * x end

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

for _, workers in ipairs { 0, 1, 2 } do
  describe("a task that submits tasks, workers = " .. workers, function()
    teardown(leftovers.none)

    local function pool_of(options)
      options = options or {}
      options.workers = workers
      local pool = tine.pool(options)
      finally(function() pool:kill_workers() end)
      return pool
    end

    -- Its result, and the calls that it submits, are written into one buffer. An encode function that submitted or
    -- waited meanwhile emptied it, and what followed was written beside it.
    it("cannot do so in an encode function, while something is being encoded", function()
      local pool <close> = pool_of { initializer = function()
        local class = {}
        tine.worker.state.class = class
        tine.register("spec.nested.asks", class, function(o) return o.ask(o.future) end, function(x) return x end)
      end }
      local function values(ask)
        local list = {}
        for i = 1, 100 do list[i] = ("x"):rep(i * 100) end
        local future = tine.worker.pool:submit(double, 1)
        list[101] = setmetatable({ ask = ask, future = future }, tine.worker.state.class)
        return list, "behind it"
      end
      local function submits() return tine.worker.pool:submit(double, 1):result() end
      local function waits(future) return future:result() end
      local function cancels(future) return future:cancel() end
      local why = "key 101: the encode function .* failed: tine.worker.pool in an encode function"
      for _, ask in ipairs(workers > 0 and { submits, waits, cancels } or { submits }) do
        assert.matches(why, tostring(pool:submit(function() return values(ask) end):exception(20)))
        assert.matches(why, tostring(pool:submit(function()
          return tine.worker.pool:submit(select, "#", values(ask)):result()
        end):exception(20)))
      end
      assert.equal(8, pool:submit(fib, 6):result(20))
    end)

    -- In states that tasks run in some of Lua's functions are Tine's own: a task's functions that name them were
    -- refused by the next worker ("module 'tine' is another one"), and what the program sent was not what a worker has.
    it("sends on functions of Lua's libraries, as they come and go", function()
      local pool <close> = pool_of()
      local names = { "coroutine.wrap", "coroutine.resume", "coroutine.close", "coroutine.yield", "os.exit", "print" }
      for _, name in ipairs(names) do
        local value = assert(load("return " .. name))()
        local function same(other) return other == load("return " .. name)() end
        assert.equal(value, pool:submit(load("return " .. name)):result(20), name)
        assert.is_true(pool:submit(same, value):result(20), name)
        assert.is_true(pool:submit(function()
          local mine = load("return " .. name)()
          return tine.worker.pool:submit(function() return same(mine) end):result()
        end):result(20), name)
      end
      assert.same({ "wrapped", "resumed" }, pool:submit(function()
        return tine.worker.pool:submit(function()
          local _, resumed = coroutine.resume(coroutine.create(function() return "resumed" end))
          return { coroutine.wrap(function() return "wrapped" end)(), resumed }
        end):result()
      end):result(20))
      assert.equal("in a pool of its own", pool:submit(function()
        local own <close> = tine.pool(workers)
        local library = coroutine
        return own:submit(function() return library.wrap(function() return "in a pool of its own" end)() end):result()
      end):result(20))
    end)

    it("waits for what it submits", function()
      local pool <close> = pool_of()
      assert.equal(55, pool:submit(fib, 10):result(60))
      assert.same({ 1, nil, "three", n = 3 }, table.pack(pool:submit(function()
        return tine.worker.pool:submit(function(...) return ... end, 1, nil, "three"):result()
      end):result(20)))
    end)

    it("may be nested to a depth of 1,000", function()
      local pool <close> = pool_of()
      assert.equal("bottom", pool:submit(deep, 1000):result(60))
      local err = pool:submit(deep, 1001):exception(60)
      assert.equal("invalid_state", tine.kind(err))
      assert.matches("to a depth of 1000", err.message)
      assert.equal(42, pool:submit(double, 21):result(20))
    end)

    it("gives and gets buffers that nobody else has by then", function()
      -- They were held by the Lua state that had made them alone.
      local pool = pool_of()
      local before, mark = processes.arena_bytes(), os.tmpname()
      os.remove(mark)
      assert.equal(4096, pool:submit(function()
        local given = tine.worker.pool:submit(function(b) return #b end, tine.buffer(4096))
        collect()
        return given:result()
      end):result(20))
      assert.equal(10, pool:submit(function()
        local p, made, sum = tine.worker.pool, {}, 0
        for i = 1, 4 do
          made[i] = p:submit(function()
            local b = tine.buffer(4096)
            b:add(1, i)
            return b
          end)
        end
        p:submit(function()
          collect()
          io.open(mark, "w"):close()
        end)
        if workers == 2 then -- the other one runs them
          local file
          repeat file = io.open(mark) until file
          file:close()
        end
        for i = 1, 4 do
          local b = made[i]:result()
          collect()
          sum = sum + b:get "j"
        end
        return sum
      end):result(20))
      pool:shutdown()
      os.remove(mark)
      collect()
      eventually(function() return processes.arena_bytes() <= before end, "all are given back")
    end)

    it("has a limit of memory that is its own alone", function()
      -- What ran on top of it was held to it, too.
      local pool <close> = pool_of()
      assert.same({ 64 << 20, false, "not enough memory" }, { pool:with { memory = 16 << 20 }:submit(function()
        local child = tine.worker.pool:submit(function() return #("x"):rep(64 << 20) end)
        return child:result(), pcall(function() return #("y"):rep(64 << 20) end)
      end):result(60) })
    end)

    it("gets results as any submitter does", function()
      local pool <close> = pool_of()
      assert.same({ true, 4, "task", "boom", true, "serialization" }, { pool:submit(function()
        local p = tine.worker.pool
        local good, bad = p:submit(double, 2), p:submit(function() error("boom", 0) end)
        local none = p:submit(function() return coroutine.create(print) end)
        good:result()
        return good:done(), good:result(), select(2, bad:pcall()) == "boom" and "task", bad:exception(),
          select(2, bad:exception()):find "traceback" ~= nil, tine.kind(none:exception())
      end):result(20) })
    end)

    -- The traceback was that of the task that had waited, which said "in method 'result'" and no more.
    it("tells whose error it was when one passes through", function()
      local pool <close> = pool_of()
      local ok, err, traceback = pool:submit(function()
        local p = tine.worker.pool
        local caught = { p:with { label = "first" }:submit(function() error("caught", 0) end):pcall() }
        local function fails() error("boom " .. #caught) end
        return p:with { label = "second" }:submit(function()
          return tine.worker.pool:with { label = "third" }:submit(fails):result()
        end):result()
      end):pcall(20)
      assert.is_false(ok)
      assert.matches("nested_spec.lua:%d+: boom 3$", err)
      local second, third = traceback:find("in task second", 1, true), traceback:find("in task third", 1, true)
      assert.is_truthy(second and third and second < third)
      assert.matches("in function 'error'.*nested_spec.lua", traceback:sub(third))
      assert.is_nil(traceback:find("in task first", 1, true))
    end)

    it("waits for several", function()
      local pool <close> = pool_of()
      assert.same({ 100, 0, 1, 10, 10100, 30 }, { pool:submit(function()
        local p = tine.worker.pool
        local function some(n)
          local list = {}
          for i = 1, n do list[i] = p:submit(double, i) end
          return list
        end
        local done, left = tine.wait(some(100))
        local first, rest = tine.wait(some(10), { return_when = "first_completed" })
        local sum, squares = 0, 0
        for f in tine.as_completed(some(100)) do sum = sum + f:result() end
        for _, x in p:map(double, { 1, 2, 3, 4, 5 }, { ordered = false }) do squares = squares + x end
        return #done, #left, math.min(#first, 1), #first + #rest, sum, squares
      end):result(20) })
    end)

    it("maps in order, and raises at its place", function()
      local pool <close> = pool_of()
      assert.same({ "2 4 6", "odd", "1:2 2:odd 3:6" }, { pool:submit(function()
        local p, list, mixed = tine.worker.pool, {}, {}
        local function even(x) if x == 2 then error("odd", 0) end return 2 * x end
        for _, x in p:map(double, { 1, 2, 3 }) do list[#list + 1] = x end
        local _, err = pcall(function() for _ in p:map(even, { 1, 2, 3 }) do end end) -- luacheck: ignore
        for i, x, e in p:map(even, { 1, 2, 3 }, { on_error = "return" }) do
          mixed[#mixed + 1] = i .. ":" .. (x or e)
        end
        return table.concat(list, " "), err, table.concat(mixed, " ")
      end):result(20) })
    end)

    it("ends a map whose time is over as pool:map does", function()
      -- The error was nil, or of kind `cancelled`; without processes there was none, however long it took.
      local pool <close> = pool_of()
      for _, ordered in ipairs { true, false } do
        local kinds, texts, seconds = pool:submit(function()
          local kinds, texts, start = {}, {}, tine.clock()
          local function nap() tine.sleep(0.3) end
          for i, items in ipairs { { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, function() return 1 end } do
            local results = tine.worker.pool:map(nap, items, { timeout = 0.1, ordered = ordered })
            local ok, err
            repeat ok, err = pcall(results) until not ok
            kinds[i], texts[i] = tine.kind(err), err.message
            assert(results() == nil)
          end
          return kinds, texts, tine.clock() - start
        end):result(60)
        assert.same({ "timeout", "timeout" }, kinds)
        assert.matches("^the map has not finished in the time allowed: [6-9] of 9 unfinished$", texts[1])
        assert.matches("^the map has not finished in the time allowed: %d+ of %d+ unfinished$", texts[2])
        assert.is_true(seconds < 2.5)
      end
    end)

    it("ends a map though the last item is there by then", function()
      -- What is run on top is not interrupted, and was given as if it had come in time.
      local pool <close> = pool_of()
      if workers == 0 then return end -- it has ended before anybody asks
      for _, ordered in ipairs { true, false } do
        local ok, err = pool:submit(function()
          local function nap() tine.sleep(0.3) end
          local results = tine.worker.pool:map(nap, { 1 }, { timeout = 0.1, ordered = ordered })
          return pcall(results)
        end):result(20)
        assert.same({ false, "timeout" }, { ok, tine.kind(err) })
      end
    end)

    it("maps what its input gave before it failed", function()
      -- The results of those items were lost, and it was map itself that raised.
      local pool <close> = pool_of()
      assert.same({ "2 4", "no third", "over", "no first" }, { pool:submit(function()
        local function input(n, text)
          local i = 0
          return function()
            i = i + 1
            return i < n and i or error(text, 0)
          end
        end
        local list, results = {}, tine.worker.pool:map(double, input(3, "no third"))
        local ok, _, x
        repeat
          ok, _, x = pcall(results)
          list[#list + 1] = ok and x or nil
        until not ok
        return table.concat(list, " "), _, results() == nil and "over",
          select(2, pcall(tine.worker.pool.map, tine.worker.pool, double, input(1, "no first")))
      end):result(20) })
    end)

    it("is asked to end while the input of a map is read", function()
      -- Not an error of the input, which comes after the results.
      local pool <close> = pool_of()
      local start = tine.clock()
      local err = pool:with { timeout = 0.2, grace = 30 }:submit(function()
        local i = 0
        local function input()
          i = i + 1
          while i > 1 do end
          return i
        end
        for _ in tine.worker.pool:map(double, input, { buffersize = 2 }) do -- luacheck: ignore
          local since = tine.clock()
          while i > 1 and tine.clock() - since < 10 do end
        end
      end):exception(60)
      assert.equal("timeout", tine.kind(err))
      assert.is_true(tine.clock() - start < 8)
    end)

    it("tells how far a map is, and knows no events of it", function()
      -- Both options were taken, and nothing was done.
      local pool <close> = pool_of()
      local told, text = pool:submit(function()
        local p, told = tine.worker.pool, {}
        local function even(x) if x == 2 then error("odd", 0) end return 2 * x end
        local function progress(...) told[#told + 1] = table.concat({ ... }, " ") end
        for _ in p:map(even, { 1, 2, 3 }, { on_error = "return", progress = progress }) do end -- luacheck: ignore
        return told, select(2, pcall(p.map, p, even, {}, { on_event = print }))
      end):result(20)
      assert.is_true(#told >= 2)
      assert.equal("3 3 1", told[#told])
      assert.matches("bad argument #3 to 'map' %(option 'on_event' is not there in a task%)", text)
    end)

    it("is told that nobody hears what they emit, and how they are chained", function()
      -- `events` waited, and said that this could never end; `on_event` took a function that was never called.
      local pool <close> = pool_of()
      local function say(what, ...)
        local future = tine.worker.pool:submit(function() tine.worker.emit(1) end)
        local ok, err = pcall(future[what], future, ...)
        return ok, tine.kind(err), err.message
      end
      for _, what in ipairs { "events", "on_event" } do
        local ok, kind, message = pool:submit(say, what, print):result(20)
        assert.same({ false, "invalid_state" }, { ok, kind })
        assert.matches("emits is heard by nobody", message)
      end
      local ok, kind, message = pool:submit(say, "chain", print):result(20)
      assert.same({ false, "invalid_state" }, { ok, kind })
      assert.matches("tine.worker.pool:submit(fn, future, ...)", message, 1, true)
    end)

    it("tells whose error it was that a map has raised", function()
      local pool <close> = pool_of()
      local ok, err, traceback = pool:submit(function()
        for _ in tine.worker.pool:map(error, { "boom" }) do end -- luacheck: ignore
      end):pcall(20)
      assert.same({ false, "boom" }, { ok, err })
      assert.matches("whose worker says:.*in function 'error'", traceback)
    end)

    it("maps frozen lists, and knows wrong ones as pool:map does", function()
      local pool <close> = pool_of()
      local texts = { pool:submit(function()
        local p, list = tine.worker.pool, tine.freeze { 5, 6, 7 }
        local results = p:map(double, list):totable()
        local function why(...) return (select(2, pcall(p.map, p, ...)):gsub("^[^(]*", "")) end
        return table.concat(results, " "), results.n, why(double, 7), why(double, { n = -1 }), why(7, {}),
          why(double, {}, 7)
      end):result(20) }
      assert.same({ "10 12 14", 3, "(list or iterator expected, got number)",
        "(field 'n' of the list must be an integer of 0 or more)", "(function expected, got number)",
        "(table expected, got number)" }, texts)
    end)

    it("passes futures on as arguments", function()
      local pool <close> = pool_of()
      assert.same({ 42, "bad" }, { pool:submit(function()
        local p = tine.worker.pool
        local bad = p:submit(function() error("bad", 0) end)
        return p:submit(function(a, b) return a + b end, p:submit(double, 20), 2):result(),
          (p:submit(double, bad):exception())
      end):result(20) })
    end)

    it("is cancelled with what it was to be given", function()
      -- It had finished, with an error of kind `cancelled`.
      local pool <close> = pool_of()
      assert.same({ "cancelled", true, "cancelled" }, { pool:submit(function()
        local by_hand = tine.future()
        by_hand:cancel()
        local future = tine.worker.pool:submit(double, by_hand)
        return future:state(), future:cancelled(), tine.kind(select(2, future:pcall()))
      end):result(20) })
    end)

    it("gives to pools of its own what it submits, and to futures made by hand", function()
      -- Nothing was under way that could end them, it said.
      local pool <close> = pool_of()
      assert.same({ 8, "bad", 12, 6 }, { pool:submit(function()
        local p, by_hand, sum = tine.worker.pool, tine.future(), 0
        local own <close> = tine.pool(1)
        local value = own:submit(double, p:submit(double, 2)):result()
        local bad = own:submit(double, p:submit(function() error("bad", 0) end))
        for _, x in own:map(double, { p:submit(double, 1), p:submit(double, 2) }) do sum = sum + x end
        p:submit(double, 3):add_done_callback(function(f) by_hand:set_result(f:result()) end)
        return value, (bad:exception()), sum, by_hand:result()
      end):result(20) })
    end)

    it("names what it submits", function()
      local pool <close> = pool_of()
      local label, given, kind = pool:submit(function()
        local p = tine.worker.pool
        return p:submit(function() return tine.worker.task.label end):result(),
          p:with { label = "given" }:submit(function() return tine.worker.task.label end):result(),
          tine.worker.task.label
      end):result(20)
      assert.matches("^function %(.*nested_spec.lua:%d+%) #%d+$", label)
      assert.equal("given", given)
      assert.matches("nested_spec.lua", kind)
    end)

    it("gives limits to what it submits", function()
      local pool <close> = pool_of()
      assert.same({ "timeout", "running", "memory", 1048576, "fine" }, { pool:submit(function()
        local p = tine.worker.pool
        local late = p:with { timeout = 0.1 }:submit(function() while true do end end):exception()
        local large = p:with { memory = 1 << 20 }:submit(function() return ("x"):rep(1 << 23) end):exception()
        return tine.kind(late), late.phase, tine.kind(large), large.limit,
          p:with { timeout = 60, deadline = 60, cpu = 60 }:submit(function() return "fine" end):result()
      end):result(20) })
    end)

    it("tries it again", function()
      local pool <close> = pool_of()
      assert.equal(3, pool:submit(function()
        return tine.worker.pool:with { retry = { error = 5, delay = 0 } }:submit(function()
          local attempt = tine.worker.task.attempt
          if attempt < 3 then error "again" end
          return attempt
        end):result()
      end):result(20))
    end)

    -- The error of the first attempt lay in the pool's shared memory. It was freed with the task, by a thread that held
    -- the pool's lock and then waited for it: the program stood still.
    it("tries it again after an error that is large", function()
      local pool <close> = pool_of()
      assert.same({ false, 3000000 }, { pool:submit(function()
        local view = tine.worker.pool:with { retry = { error = 1, delay = 0 } }
        local ok, err = view:submit(function() error(("x"):rep(3000000), 0) end):pcall()
        return ok, #err
      end):result(20) })
    end)

    it("draws the same numbers wherever they run", function()
      local function draw() return math.random(1 << 30) end
      local function numbers()
        local pool <close> = pool_of { seed = 7 }
        return { pool:submit(function()
          local own = draw()
          local a, b = tine.worker.pool:submit(draw), tine.worker.pool:submit(draw)
          return own, a:result(), b:result(), draw()
        end):result(20) }
      end
      local first = numbers()
      assert.same(first, numbers())
      assert.not_equal(first[2], first[3])
    end)
  end)
end

describe("a task that submits tasks", function()
  teardown(leftovers.none)

  it("has nothing left behind when it ends", function()
    local pool <close> = tine.pool { workers = 2 }
    finally(function() pool:kill_workers() end)
    assert.equal("over", pool:submit(function()
      for _ = 1, 20 do tine.worker.pool:submit(function() while true do end end) end
      return "over"
    end):result(20))
    eventually(function()
      local s = pool:stats()
      return s.running == 0 and s.pending == 0
    end, "they are ended")
    assert.equal(42, pool:submit(double, 21):result(20))
  end)

  it("gives what is ready before it reads on from a slow input", function()
    -- 64 items were read first.
    local pool <close> = tine.pool { workers = 2 }
    finally(function() pool:kill_workers() end)
    for _, ordered in ipairs { true, false } do
      local mark = os.tmpname()
      os.remove(mark)
      local order = pool:submit(function()
        local order, n = {}, 0
        local function note(x)
          io.open(mark, "w"):close()
          return x
        end
        local function input()
          n = n + 1
          order[#order + 1] = "read " .. n
          if n == 2 then -- by then the first one has ended
            local file
            repeat file = io.open(mark) until file
            file:close()
            tine.sleep(0.3)
          end
          return n < 4 and n or nil
        end
        for i in tine.worker.pool:map(note, input, { ordered = ordered }) do order[#order + 1] = "give " .. i end
        return order
      end):result(20)
      os.remove(mark)
      local text = table.concat(order, " ")
      assert.is_true(text:find "give 1" < text:find "read 3", text)
    end
  end)

  it("cancels what has not begun", function()
    local pool <close> = tine.pool { workers = 1 }
    finally(function() pool:kill_workers() end)
    assert.same({ true, true, "cancelled", 2 }, { pool:submit(function()
      local f, g = tine.worker.pool:submit(double, 1), tine.worker.pool:submit(double, 1)
      return f:cancel(), f:cancelled(), tine.kind(select(2, f:pcall())), g:result()
    end):result(20) })
  end)

  it("takes along what it waits for when it is aborted", function()
    local pool <close> = tine.pool { workers = 1 }
    finally(function() pool:kill_workers() end)
    local wait, open = gate()
    local task = pool:submit(function()
      return tine.worker.pool:submit(function()
        open()
        while true do end
      end):result()
    end)
    wait()
    local pid = pool:workers()[1].pid
    assert.is_true(task:abort())
    assert.equal("cancelled", tine.kind(select(2, task:pcall(20))))
    assert.equal(pid, pool:submit(function() return tine.worker.pid end):result(20))
    assert.equal(0, pool:stats().running)
  end)

  it("ends with its time limit, whoever runs what it waits for", function()
    local pool <close> = tine.pool { workers = 2 }
    finally(function() pool:kill_workers() end)
    local err = pool:with { timeout = 0.2 }:submit(function()
      local p = tine.worker.pool
      return p:submit(function() while true do end end):result()
    end):exception(20)
    assert.equal("timeout", tine.kind(err))
    eventually(function() return pool:stats().running == 0 end, "what it has submitted is ended")
  end)

  it("goes down with a crash on top of it, which is blamed on the topmost", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    finally(function() pool:kill_workers() end)
    local err = pool:submit(function()
      return tine.worker.pool:submit(function()
        return tine.worker.pool:with { label = "the crasher" }:submit(function() os.exit(3) end):result()
      end):result()
    end):exception(20)
    assert.equal("crashed", tine.kind(err))
    assert.equal("the crasher", err.task.label)
    assert.equal(3, err.exit_code)
    assert.equal(42, pool:submit(double, 21):result(20))
  end)

  it("hears of a crash elsewhere", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "replace" }
    finally(function() pool:kill_workers() end)
    local kind, code = pool:submit(function()
      -- with a limit: on a worker of its own
      local err = tine.worker.pool:with { timeout = 60 }:submit(function() os.exit(4) end):exception()
      return tine.kind(err), err.exit_code
    end):result(20)
    assert.same({ "crashed", 4 }, { kind, code })
  end)

  it("has one worker more for a task with limits, which ends afterwards", function()
    local pool <close> = tine.pool { workers = 1 }
    finally(function() pool:kill_workers() end)
    local own, other = pool:submit(function()
      local p = tine.worker.pool:with { timeout = 60 }
      return tine.worker.id, p:submit(function() return tine.worker.id end):result()
    end):result(20)
    assert.not_equal(own, other)
    eventually(function() return #pool:workers() == 1 end, "it ends")
  end)

  it("does not wait for max_pending, nor count for it", function()
    local pool <close> = tine.pool { workers = 1, max_pending = 1 }
    finally(function() pool:kill_workers() end)
    assert.equal(10100, pool:submit(function()
      local sum, list = 0, {}
      for i = 1, 100 do list[i] = tine.worker.pool:submit(double, i) end
      for _, f in ipairs(list) do sum = sum + f:result() end
      return sum
    end):result(20))
  end)

  it("goes on while the pool is shut down", function()
    local pool = tine.pool { workers = 1 }
    finally(function() pool:kill_workers() end)
    local task = pool:submit(fib, 8)
    pool:shutdown()
    assert.equal(21, task:result(20))
  end)

  -- cancel_futures cancelled those that had not begun, and the task that waited for them failed.
  it("has them run though those of the program are cancelled", function()
    local pool = tine.pool { workers = 2 }
    finally(function() pool:kill_workers() end)
    local flags = tine.buffer(8)
    local function came(n) -- each comes to its turn
      while flags:get("j", 1) < n do tine.sleep(0.001) end
    end
    local task = pool:submit(function()
      local p, sum = tine.worker.pool, 0
      local futures = { p:with { retry = { error = 1, delay = 0.2 } }:submit(function()
        if tine.worker.task.attempt > 1 then return 1 end
        flags:add(1, 1)
        error "not yet"
      end) }
      came(2)
      futures[2] = p:submit(double, 1)
      futures[3] = p:with { priority = 3, group = "a" }:submit(double, 2)
      futures[4] = p:with { timeout = 60 }:submit(double, 3)
      flags:add(1, 1)
      came(4)
      for _, f in ipairs(futures) do sum = sum + f:result() end
      return sum + p:submit(double, 4):result()
    end)
    eventually(function() return flags:get("j", 1) == 1 end, "it is to be tried again")
    local blocker = pool:submit(came, 4)
    eventually(function() return blocker:running() end, "no worker is free")
    flags:add(1, 1)
    eventually(function() return flags:get("j", 1) == 3 end, "it has submitted the others")
    local pending = pool:submit(double, 5)
    pool:shutdown { wait = false, cancel_futures = true }
    flags:add(1, 1)
    assert.equal(21, task:result(20))
    assert.is_true(pending:cancelled())
  end)

  it("sends and gets what is large", function()
    local pool <close> = tine.pool { workers = 1 }
    finally(function() pool:kill_workers() end)
    assert.same({ 8388609, 8388608 }, { pool:submit(function()
      local s, n = tine.worker.pool:submit(function(s) return s .. "!", #s end, ("x"):rep(8 << 20)):result()
      return #s, n
    end):result(20) })
  end)

  it("may emit what nobody hears", function()
    local pool <close> = tine.pool(1)
    finally(function() pool:kill_workers() end)
    assert.equal("emitted", pool:submit(function()
      return tine.worker.pool:submit(function()
        for i = 1, 3000 do tine.worker.emit(i) end
        return "emitted"
      end):result()
    end):result(20))
  end)

  it("finds a worker for a task with limits, however many wait", function()
    local pool <close> = tine.pool(1)
    finally(function() pool:kill_workers() end)
    local function tree(n)
      if n == 0 then return 1 end
      local p = tine.worker.pool
      local a, b = p:submit(tree, n - 1), p:with { timeout = 60 }:submit(tree, n - 1)
      return b:result() + a:result()
    end
    local tasks = {}
    for i = 1, 4 do tasks[i] = pool:submit(tree, 4) end
    for i = 1, 4 do assert.equal(16, tasks[i]:result(60)) end
    eventually(function() return #pool:workers() == 1 end, "those beyond end")
  end)

  -- The one on top of it was taken for a task that had crashed its worker, which broke the pool.
  it("is ended by force alone, with what runs on top of it", function()
    local function insist(n)
      n:add(1, 1)
      while true do pcall(function() while true do end end) end -- luacheck: ignore
    end
    local function wait_on(n) -- asked to end it begins another one, and waits for that
      for _ = 1, 2 do pcall(function() tine.worker.pool:submit(insist, n):result() end) end
    end
    for _, grace in ipairs { 0, 0.2 } do
      local reasons = {}
      local pool <close> = tine.pool { workers = 1, grace = grace,
                                       on_worker_exit = function(exit) reasons[#reasons + 1] = exit.reason end }
      finally(function() pool:kill_workers() end)
      local begun = tine.buffer(8)
      local aborted = pool:submit(wait_on, begun)
      eventually(function() return begun:get("j", 1) > 0 end)
      aborted:abort()
      assert.equal("cancelled", tine.kind(select(2, aborted:pcall(20))))
      assert.equal("timeout", tine.kind(pool:with({ cpu = 0.01 }):submit(wait_on, begun):exception(20)))
      assert.equal(1, pool:submit(math.abs, -1):result(20))
      pool:shutdown()
      assert.same({ "cancelled", "timeout", "shutdown" }, reasons)
    end
  end)

  -- A request that came while the pool's thread was awake rang for nobody, and was not seen when it lay down again:
  -- within some hundred requests it slept on, for up to 5 seconds.
  it("is answered while its program does something else", function()
    local pool <close> = tine.pool(2)
    finally(function() pool:kill_workers() end)
    local rounds = tine.buffer(8)
    pool:submit(function(n)
      for i = 1, 5000 do n:add(1, tine.worker.pool:submit(math.abs, -i):result() // i) end
    end, rounds)
    eventually(function() return rounds:get("j", 1) == 5000 end, "all were run")
  end)

  it("waits for many thousands of them as for few", function()
    -- Each wait went through all of them, in the worker and in the program: 10,000 took 40 seconds.
    local pool <close> = tine.pool(1)
    finally(function() pool:kill_workers() end)
    assert.equal(15000, pool:submit(function()
      local list, n = {}, 0
      for i = 1, 15000 do list[i] = tine.worker.pool:submit(double, i) end
      for f in tine.as_completed(list) do n = n + (f:done() and 1 or 0) end
      return n
    end):result(60))
  end)

  it("is the only one that may", function()
    local pool <close> = tine.pool { workers = 1, initializer = function()
      local ok, err = pcall(function() tine.worker.pool:submit(print) end)
      tine.worker.state.said = { ok, tine.kind(err), err.message }
    end }
    local said = pool:submit(function() return tine.worker.state.said end):result(20)
    assert.same({ false, "invalid_state" }, { said[1], said[2] })
    assert.matches("none runs here", said[3])
  end)
end)
