-- Asked first: a running task that is ended by a limit or by abort is asked before its worker is killed.
local system = require "system"
local tine = require "tine"
local eventually = require "spec.support.eventually"
local leftovers = require "spec.support.leftovers"
local processes = require "spec.support.processes"

local function loop() while true do end end
local function pid() return tine.worker.pid end

-- Submit, wait until it runs, and ask it to end; the error, and its traceback.
local function abort(pool, fn, ...)
  local future = pool:submit(fn, ...)
  eventually(function() return future:running() end, "it runs")
  system.sleep(0.02)
  assert.is_true(future:abort())
  assert.is_false(future:abort())
  local ok, err, traceback = future:pcall(20)
  assert.is_false(ok)
  assert.equal("cancelled", tine.kind(err))
  assert.equal("cancelled", future:state())
  return err, traceback
end

describe("a task that is asked to end", function()
  teardown(leftovers.none)

  local pool
  before_each(function() pool = tine.pool { workers = 1, grace = 20 } end)
  after_each(function()
    pool:kill_workers()
    pool:shutdown()
  end)

  it("by its limit closes its variables, and its worker goes on", function()
    local worker = pool:submit(pid):result(20)
    local future = pool:with({ timeout = 0.05 }):submit(function()
      local _ <close> = setmetatable({}, { __close = function() tine.worker.state.closed = true end })
      loop()
    end)
    local err, traceback = future:exception(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("running", err.phase)
    assert.matches("asked_spec.lua:%d+: in .*loop", traceback)
    assert.equal(traceback, err.traceback)
    local function look() return tine.worker.pid, tine.worker.state.closed end
    assert.same({ worker, true }, { pool:submit(look):result(20) })
    assert.equal(0, pool:stats().workers_lost)
  end)

  local LISTENING = {
    ["loops"] = loop,
    ["loops in a coroutine"] = function() coroutine.wrap(loop)() end,
    ["goes from coroutine to coroutine"] = function()
      local co = coroutine.wrap(function() while true do coroutine.yield() end end)
      while true do co() end
    end,
    ["sleeps"] = function() tine.sleep(600) end,
    ["sleeps in a coroutine"] = function() coroutine.wrap(tine.sleep)(600) end,
    ["sets hooks of its own"] = function() while true do debug.sethook(function() end, "c", 1) end end,
    ["is watched by a hook"] = function() debug.sethook(function() end, "l") loop() end,
    ["calls short C functions"] = function() while true do ("x"):rep(1000):find("y", 1, true) end end,
    ["makes the text of an error that cannot travel"] = function()
      error(setmetatable({ coroutine.create(loop) }, { __tostring = loop }))
    end,
    ["makes garbage"] = function() while true do setmetatable({}, { __gc = function() end }) end end,
  }

  for what, fn in pairs(LISTENING) do
    it("and " .. what .. " ends, and its worker goes on", function()
      local worker = pool:submit(pid):result(20)
      abort(pool, fn)
      assert.equal(worker, pool:submit(pid):result(20))
    end)
  end

  it("is told by an error object, once, and ends as it was asked whatever it does then", function()
    local worker = pool:submit(pid):result(20)
    local function stubborn()
      local state = tine.worker.state
      state.before = tine.worker.stopping()
      local _, err = pcall(loop)
      state.kind, state.stopping = tine.kind(err), tine.worker.stopping()
      local started = tine.clock()
      tine.sleep(600) -- there is no time for that
      state.slept = tine.clock() - started < 60
      return "a value"
    end
    abort(pool, stubborn)
    local seen = pool:submit(function()
      local state = tine.worker.state
      return { state.before, state.kind, state.stopping, state.slept, tine.worker.stopping(), tine.worker.pid }
    end):result(20)
    assert.same({ false, "cancelled", true, true, false, worker }, seen)
    abort(pool, function() pcall(loop) error "another" end)
    abort(pool, function() pcall(loop) os.exit(3) end)
    assert.equal(0, pool:stats().workers_lost)
  end)

  it("while a variable is being closed may close it", function()
    local future = pool:submit(function()
      do
        local _ <close> = setmetatable({}, { __close = function()
          tine.worker.state.closing = true
          local over = tine.clock() + 0.2
          while tine.clock() < over do end
          tine.worker.state.closed = true
        end })
      end
      loop()
    end)
    eventually(function() return future:running() end, "it runs")
    system.sleep(0.05)
    future:abort()
    assert.equal("cancelled", tine.kind(select(2, future:pcall(20))))
    assert.is_true(pool:submit(function() return tine.worker.state.closed end):result(20))
  end)

  it("before it has begun in its worker never does", function()
    for _ = 1, 200 do
      local future = pool:submit(function() tine.worker.state.ran = (tine.worker.state.ran or 0) + 1 loop() end)
      future:abort()
      assert.equal("cancelled", tine.kind(select(2, future:pcall(20))))
    end
    assert.equal(1, pool:submit(math.abs, -1):result(20))
  end)

  it("takes the programs along that it has started, and no others", function()
    local function start() return assert(io.popen "sleep 600 >&2 & echo $!"):read "n" end
    local earlier = pool:submit(start):result(20)
    system.sleep(0.05) -- the kernel's clock for this has a hundred ticks a second
    local name = os.tmpname()
    local future = pool:submit(function(file)
      os.execute("sleep 600 & echo $! > " .. file)
      loop()
    end, name)
    local program = eventually(function()
      local file <close> = io.open(name)
      return file and file:read "n"
    end, "the program runs")
    future:abort()
    assert.equal("cancelled", tine.kind(select(2, future:pcall(20))))
    assert.is_false(processes.alive(program))
    assert.is_true(processes.alive(earlier))
    os.execute("kill -9 " .. earlier)
    os.remove(name)
  end)

  it("leaves the other items of its chunk alone", function()
    local seen = {}
    local items = { 1, 2, 3, 4, 5 }
    local limited = pool:with { timeout = 0.1 }
    local function item(n) while n % 2 == 0 do end return { n, tine.worker.pid } end
    local worker = pool:submit(pid):result(20)
    for i, value, err in limited:map(item, items, { chunksize = 5, on_error = "return" }) do
      seen[i] = value and value[1] or tine.kind(err)
      assert.equal(value and value[2], value and worker)
    end
    assert.same({ 1, "timeout", 3, "timeout", 5 }, seen)
  end)
end)

describe("a task that does not listen", function()
  teardown(leftovers.none)

  local DEAF = {
    ["blocks in C"] = function() os.execute "exec sleep 600" end,
    ["swallows the error"] = function() while true do pcall(loop) end end,
    ["loops in a finalizer"] = function() setmetatable({}, { __gc = loop }) collectgarbage() end,
    ["loops in one C function"] = function() return (("x"):rep(100000)):find(("x*"):rep(8) .. "y") end,
    ["loops in a hook of its own"] = function() debug.sethook(loop, "c") math.abs(1) end,
    ["loops where it closes a variable"] = function()
      local _ <close> = setmetatable({}, { __close = loop })
    end,
  }

  for what, fn in pairs(DEAF) do
    it("but " .. what .. " is killed after its grace", function()
      local pool <close> = tine.pool { workers = 1, grace = 0.05 }
      finally(function() pool:kill_workers() end)
      local worker = pool:submit(pid):result(20)
      abort(pool, fn)
      assert.not_equal(worker, pool:submit(pid):result(20))
      assert.equal("timeout", tine.kind(pool:with({ timeout = 0.05 }):submit(fn):exception(20)))
    end)
  end

  it("is killed at once with a grace of 0", function()
    local pool <close> = tine.pool { workers = 1, grace = 0 }
    finally(function() pool:kill_workers() end)
    local worker = pool:submit(pid):result(20)
    local _, traceback = abort(pool, loop)
    assert.equal("", traceback)
    assert.not_equal(worker, pool:submit(pid):result(20))
  end)

  it("is not killed with an endless grace", function()
    local pool <close> = tine.pool { workers = 1, grace = math.huge }
    finally(function() pool:kill_workers() end)
    local future = pool:submit(function() pcall(loop) os.execute "sleep 0.5" return 1 end)
    eventually(function() return future:running() end, "it runs")
    system.sleep(0.02)
    future:abort()
    assert.equal("cancelled", tine.kind(select(2, future:pcall(20))))
    assert.equal(0, pool:stats().workers_lost)
  end)

  it("does not break a pool that breaks on crashes, though it crashes", function()
    local pool <close> = tine.pool { workers = 1, on_crash = "break", grace = 20 }
    finally(function() pool:kill_workers() end)
    abort(pool, function() pcall(loop) os.execute("kill -SEGV " .. tine.worker.pid) end)
    assert.equal(1, pool:submit(math.abs, -1):result(20))
  end)
end)

describe("coroutines in workers", function()
  teardown(leftovers.none)

  it("are those of Lua", function()
    local pool <close> = tine.pool { workers = 1 }
    local function try()
      local results = {}
      local function note(...) results[#results + 1] = table.concat({ tostring(select("#", ...)), ... }, " ") end
      local function text(...)
        local t = table.pack(...)
        for i = 1, t.n do t[i] = tostring(t[i]):gsub("0x%x+", "0x") end
        note(table.unpack(t, 1, t.n))
      end
      local co = coroutine.create(function(...) local x = coroutine.yield(...) error { x } end)
      text(coroutine.resume(co, 1, nil, 3))
      text(coroutine.close(co))
      text(coroutine.resume(co))
      co = coroutine.create(function() local _ <close> = setmetatable({}, { __close = function() error "x" end })
        coroutine.yield() end)
      coroutine.resume(co)
      text(coroutine.close(co))
      text(pcall(coroutine.wrap(function() error "text" end)))
      text(pcall(coroutine.wrap(function()
        local _ <close> = setmetatable({}, { __close = function() note "closed" end })
        error {}
      end)))
      text(pcall(coroutine.resume, 1))
      text(pcall(coroutine.wrap, 1))
      text(pcall(coroutine.close, coroutine.running()))
      text(pcall(coroutine.close, 1))
      text(coroutine.wrap(function(...) return select("#", ...), coroutine.isyieldable() end)(1, 2, 3))
      co = coroutine.wrap(function() return coroutine.resume(coroutine.create(function() return co end)) end)
      text(co())
      text(pcall(co))
      text(coroutine.resume(coroutine.create(function(...) return ... end), table.unpack({}, 1, 200)))
      local outer
      outer = coroutine.create(function()
        return coroutine.resume(coroutine.create(function() return pcall(coroutine.close, outer) end))
      end)
      text(coroutine.resume(outer))
      return results
    end
    assert.same(try(), pool:submit(try):result(20))
  end)
end)
