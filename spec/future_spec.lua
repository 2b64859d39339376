-- Futures: what a result is, how often it can be asked for, and what outlives what.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"

describe("future", function()
  local pool
  setup(function() pool = tine.pool { workers = 2 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  describe("result", function()
    it("gives no value, one, or several, with nil anywhere", function()
      local function echo(...) return ... end
      for _, values in ipairs {
        table.pack(), table.pack(nil), table.pack(nil, nil, nil), table.pack(1, nil), table.pack(nil, 2, nil),
        table.pack(true, false), table.pack("", ("x"):rep(100), ("y"):rep(100000)),
      } do
        local f = pool:submit(echo, table.unpack(values, 1, values.n))
        for _ = 1, 2 do assert.same(values, table.pack(f:result())) end
        local with_ok = table.pack(f:pcall())
        assert.is_true(with_ok[1])
        assert.equal(values.n + 1, with_ok.n)
        assert.is_nil(f:exception())
      end
    end)

    it("is decoded once: the same table each time", function()
      local f = pool:submit(function() return { 1 }, { 2 } end)
      local a, b = f:result()
      local c, d = f:result()
      assert.is_true(rawequal(a, c) and rawequal(b, d))
      assert.is_true(rawequal(a, select(2, f:pcall())))
    end)

    it("gives five hundred values", function()
      local f = pool:submit(function(t) return table.unpack(t) end, (function()
        local t = {}
        for i = 1, 500 do t[i] = i end
        return t
      end)())
      assert.equal(500, select("#", f:result()))
      assert.equal(500, (select(500, f:result())))
    end)

    it("is there for a future whose pool handle is gone", function()
      local own = tine.pool { workers = 1 }
      local big = own:submit(string.rep, "z", 300000)
      local small = own:submit(math.abs, -3)
      local wrong = own:submit(function() error "late" end)
      own = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.equal(300000, #big:result())
      assert.equal(3, small:result())
      assert.matches("late", wrong:exception())
    end)

    it("is there after shutdown, labels too", function()
      local own = tine.pool { workers = 1 }
      local f = own:submit(string.rep, "z", 300000)
      local failed = own:with { label = "the one" }:submit(function() os.exit(7) end)
      own:shutdown()
      assert.equal("finished", f:state())
      assert.equal(300000, #f:result())
      assert.matches("string of 300000 bytes", tostring(f), 1, true)
      assert.equal("the one", failed:exception().task.label)
      assert.matches("the one", tostring(failed), 1, true)
    end)

    it("can be asked for in a coroutine", function()
      local f = pool:submit(math.abs, -5)
      local g = pool:submit(error, "in there")
      local co = coroutine.wrap(function()
        coroutine.yield(f:result())
        coroutine.yield(select(2, pcall(g.result, g)))
      end)
      assert.equal(5, co())
      assert.equal("in there", co())
    end)

    it("does not keep the memory of results that nobody asked for", function()
      local own <close> = tine.pool { workers = 1 }
      for _ = 1, 200 do own:submit(string.rep, "m", 1000000) end -- 200 MB if it did
      own:submit(math.abs, 1):result()
      eventually(function()
        own:dispatch()
        collectgarbage()
        return own:stats().pending + own:stats().running == 0
      end)
      collectgarbage()
      collectgarbage()
      local file <close> = assert(io.open "/proc/self/smaps_rollup")
      local resident = tonumber(file:read("a"):match "Rss:%s+(%d+)")
      assert.is_true(resident < 150000, resident .. " kB resident")
    end)
  end)

  describe("a value that cannot be decoded here", function()
    local meta = {}
    setup(function()
      tine.register("future_spec.fragile", meta, function(v) return v.value end, function(value)
        if not rawget(_G, "tine_in_submitter") then return setmetatable({ value = value }, { __name = "x" }) end
        error("will not be rebuilt: " .. tostring(value))
      end)
    end)

    it("fails its own future, with the pool intact", function()
      rawset(_G, "tine_in_submitter", true)
      local own <close> = tine.pool { workers = 1, initializer = function()
        local tine = require "tine" -- luacheck: ignore tine
        _G.meta = {}
        tine.register("future_spec.fragile", _G.meta, function(v) return v.value end, function() error "cannot be" end)
      end }
      local f = own:submit(function() return setmetatable({ value = 3 }, _G.meta) end)
      local ok, err = f:pcall()
      rawset(_G, "tine_in_submitter", nil)
      assert.is_false(ok)
      assert.equal("serialization", tine.kind(err))
      assert.is_true(rawequal(err, f:exception()))
      assert.equal(4, own:submit(math.abs, -4):result())
    end)
  end)

  describe("an error", function()
    it("is the very value, traceback beside it", function()
      for _, value in ipairs { "text", 12, 1.5, true, false, { code = 1 } } do
        local ok, err, traceback = pool:submit(function(v) error(v, 0) end, value):pcall()
        assert.is_false(ok)
        assert.same(value, err)
        assert.equal("string", type(traceback))
      end
      local answer = table.pack(pool:submit(function() error() end):pcall())
      assert.equal(3, answer.n)
      assert.is_nil(answer[2])
    end)

    it("is raised as the same object each time", function()
      local f = pool:submit(function() error { code = 2 } end)
      local _, a = pcall(f.result, f)
      local _, b = pcall(f.result, f)
      assert.is_true(rawequal(a, b))
      assert.is_true(rawequal(a, (f:exception())))
      assert.is_true(rawequal(a, select(2, f:pcall())))
    end)

    it("of nil is told from success", function()
      local f = pool:submit(function() error(nil) end)
      assert.is_false((f:pcall()))
      assert.is_false((pcall(f.result, f)))
      assert.equal(2, select("#", f:exception()))
    end)
  end)

  describe("tostring", function()
    it("says state, label and end", function()
      local named = pool:with { label = "my task" }
      local f = named:submit(function(n) return n end, 12)
      f:result()
      assert.equal("tine.future (finished, my task: returned 12)", tostring(f))
      f = named:submit(error, "bad luck")
      f:exception()
      assert.matches('tine.future (finished, my task: raised "bad luck")', tostring(f), 1, true)
      f = tine.future()
      assert.equal("tine.future (pending, manual future)", tostring(f))
      f:cancel()
      assert.equal("tine.future (cancelled, manual future)", tostring(f))
    end)

    it("calls no metamethod of a result", function()
      local f = tine.future()
      f:set_result(setmetatable({}, { __tostring = function() error "asked" end, __name = "Mine" }))
      assert.matches("returned a table", tostring(f))
    end)
  end)

  describe("without a pool", function()
    it("runs callbacks when it is settled", function()
      local f, seen = tine.future(), {}
      f:add_done_callback(function(g) seen[#seen + 1] = g:result() end)
      f:set_result(8)
      assert.same({ 8 }, seen)
      f:add_done_callback(function() seen[#seen + 1] = "again" end)
      assert.same({ 8, "again" }, seen)
    end)

    it("keeps several results, and an error with its traceback", function()
      local f = tine.future()
      f:set_result(1, nil, 3, nil)
      assert.same(table.pack(1, nil, 3, nil), table.pack(f:result()))
      f = tine.future()
      f:set_exception({ why = 1 }, "my traceback")
      assert.same({ false, { why = 1 }, "my traceback" }, { f:pcall() })
      f = tine.future()
      f:set_exception(nil)
      assert.same(table.pack(false, nil, ""), table.pack(f:pcall()))
    end)

    it("once cancelled stays so", function()
      local f = tine.future()
      assert.is_true(f:cancel())
      assert.is_true(f:cancel())
      assert.is_false(f:abort()) -- as that of a task that is done
      assert.is_false(f:set_running_or_notify_cancel())
      for _, move in ipairs { "set_result", "set_exception", "set_running_or_notify_cancel" } do
        local ok, err = pcall(f[move], f)
        assert.is_false(ok)
        assert.equal("invalid_state", tine.kind(err))
      end
      assert.equal("cancelled", tine.kind(select(2, f:pcall())))
    end)
  end)

  it("is collected while it is in flight without harm", function()
    for _ = 1, 2000 do pool:submit(string.rep, "a", 200) end
    collectgarbage()
    assert.equal("ok", pool:submit(function() return "ok" end):result())
  end)

  it("that an encoder or a decoder submits inside another is a task as any", function()
    local meta = {}
    local inner
    tine.register("future_spec.nested", meta, function(v)
      inner = pool:submit(math.abs, -v.n)
      return v.n
    end, function(n) return { n = n } end)
    local outer = pool:submit(function(a, b) return a.n + b end, setmetatable({ n = 4 }, meta), 3)
    assert.equal(7, outer:result())
    assert.equal(4, inner:result())
  end)

  it("that a finalizer submits in the middle of another is a task as any", function()
    local results = {}
    local function leave(n)
      setmetatable({}, { __gc = function() results[#results + 1] = pool:submit(math.abs, -n) end })
    end
    local futures = {}
    for i = 1, 3000 do
      if i % 10 == 0 then leave(i) end
      futures[i] = pool:submit(function(s, t) return #s + t[1] end, ("x"):rep(i % 100), { i })
    end
    for i, f in ipairs(futures) do assert.equal(i % 100 + i, f:result()) end
    collectgarbage()
    collectgarbage()
    assert.equal(300, #results)
    for _, f in ipairs(results) do assert.equal(0, f:result() % 10) end
  end)

  -- Lua finalizes what was made last first; who was made before his pool, and has it still, crashed the program.
  it("that a finalizer submits to a pool or view which has been finalized is refused", function()
    local refused = {}
    local function leave(owner, have)
      setmetatable(owner, { __gc = function(o)
        for _, method in ipairs { "submit", "try_submit", "map", "with" } do
          refused[method] = select(2, pcall(o.have[method], o.have, method == "with" and {} or math.abs, { 1 }))
        end
      end })
      owner.have = have()
    end
    for what, make in pairs { pool = function() return tine.pool(1) end,
                              view = function() return pool:with { label = "last", timeout = 5 } end } do
      leave({}, make)
      collectgarbage()
      collectgarbage()
      for _, method in ipairs { "submit", "try_submit", "map" } do
        assert.matches("^this pool, or view of one, has been finalized", tostring(refused[method]), what .. method)
        refused[method] = nil
      end
    end
    assert.equal(1, pool:submit(math.abs, -1):result())
  end)

  -- What a result is kept in was made after its future, and so is finalized before those that were made earlier: it was
  -- read where it had been.
  it("that a finalizer asks for its result when that has been finalized says so", function()
    local said = {}
    do
      local owner = setmetatable({}, { __gc = function(o)
        said.argument = tostring(pool:submit(string.len, o.future):exception(20))
        said.text = tostring(o.future)
        said.result = select(2, pcall(o.future.result, o.future))
      end })
      owner.future = pool:submit(string.rep, "x", 1000)
      tine.wait { owner.future }
    end
    collectgarbage()
    collectgarbage()
    for what, text in pairs { text = said.text, argument = said.argument, result = tostring(said.result) } do
      assert.matches("the result of this future has been finalized", text, 1, true, what)
    end
    assert.equal("invalid_state", said.result.kind)
  end)

  -- What else there is to keep of it makes room, which runs finalizers.
  it("is an argument in a finalizer that runs while it is taken in", function()
    local results, future = {}, nil
    local function long()
      tine.worker.progress(1, 2, "half")
      return ("x"):rep(1000)
    end
    for round = 1, 150 do
      local new, ran = pool:submit(long), 0
      while not new:done() do end -- it is not taken in by that
      for _ = 1, 1000 do
        setmetatable({}, { __gc = function()
          ran = ran + 1
          local now = future and (ran + round) % 10 == 0 and ran <= 250
          results[#results + 1] = now and pool:submit(string.len, future) or nil
        end })
      end
      collectgarbage("incremental", 200, 1000, 1)
      repeat collectgarbage "step" until ran > 0
      ran = 0
      future = new
      assert.equal(1000, #new:result(20))
      future = nil
    end
    collectgarbage("incremental", 200, 100, 13)
    for _, f in ipairs(results) do assert.equal(1000, f:result(20)) end
    assert.is_true(#results > 0)
  end)
end)
