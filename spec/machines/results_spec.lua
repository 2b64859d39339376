-- Pools whose workers are on other machines: what comes back.
local tine = require "tine"
local machines = require "spec.support.machines"
local processes = require "spec.support.processes"

if machines.are_missing(pending) then return end

describe("a pool on other machines", function()
  local server, host, pool

  setup(function()
    server = machines.server()
    host = machines.host(server, "-j 2")
    pool = tine.pool { backend = server:url(), connect_timeout = 20 }
  end)
  teardown(function()
    pool:kill_workers()
    pool:shutdown()
    machines.stop()
  end)

  it("says when it is registered", function()
    assert.equal(("tine: serving %s as %s with 2 workers\n"):format(server:url(), host.name), host.said)
  end)

  it("runs functions by value and by name, with all their arguments and results", function()
    local add = function(a, b) return a + b, nil, "x" end
    assert.same({ 5, nil, "x", n = 3 }, table.pack(pool:submit(add, 2, 3):result(20)))
    assert.equal("ababab", pool:submit("string.rep", "ab", 3):result(20))
    assert.equal("AB", pool:submit(string.upper, "ab"):result(20))
    assert.same({ n = 0 }, table.pack(pool:submit(function() end):result(20)))
  end)

  it("takes upvalues, recursion and large values along", function()
    local big = ("x"):rep(3 << 20)
    assert.equal(big, pool:submit(function(s) return s end, big):result(30))
    local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
    assert.equal(55, pool:submit(fib, 10):result(20))
    local inner = function(x) return 2 * x end
    assert.equal(42, pool:submit(function(f, x) return f(x) end, inner, 21):result(20))
    local made = pool:submit(function(n) return function() return n + 1 end end, 1):result(20)
    assert.equal(2, made())
  end)

  it("brings errors back as they were, with the traceback of the place", function()
    local ok, err, traceback = pool:submit(function() error { code = 7 } end):pcall(20)
    assert.is_false(ok)
    assert.same({ code = 7 }, err)
    assert.matches("results_spec.lua", traceback, 1, true)
  end)

  it("refuses what cannot travel, there as here", function()
    local _, err = pool:submit(function() return coroutine.create(print) end):pcall(20)
    assert.equal("serialization", tine.kind(err))
    _, err = pool:submit(print, coroutine.create(print)):pcall(20)
    assert.equal("serialization", tine.kind(err))
  end)

  it("names tasks alike on both sides", function()
    local id, label = pool:submit(function() return tine.worker.task.id, tine.worker.task.label end):result(20)
    assert.equal("integer", math.type(id))
    assert.matches("^function %(.*results_spec.lua:%d+%) #" .. id .. "$", label)
    assert.equal("mine", pool:with { label = "mine" }:submit(function() return tine.worker.task.label end):result(20))
  end)

  it("maps, in chunks or not, in order, with each item's own error", function()
    local list = pool:map(function(x) return x * x end, { 1, 2, 3, 4, 5 }):totable()
    assert.same({ 1, 4, 9, 16, 25, n = 5 }, list)
    local function some(x)
      if x % 5 == 0 then error("no " .. x, 0) end
      return x
    end
    local items, got = {}, {}
    for i = 1, 50 do items[i] = i end
    for i, value, err in pool:map(some, items, { chunksize = 7, on_error = "return" }) do got[i] = value or err end
    for i = 1, 50 do assert.equal(i % 5 == 0 and "no " .. i or i, got[i]) end
  end)

  it("draws the same random numbers as one on this machine", function()
    local function draw() return math.random(1 << 40) end
    local here <close> = tine.pool { workers = 1, seed = 5 }
    local there <close> = tine.pool { backend = server:url(), seed = 5 }
    for _ = 1, 3 do assert.equal(here:submit(draw):result(20), there:submit(draw):result(20)) end
    local items = { 1, 2, 3, 4 }
    assert.same(here:map(draw, items):totable(), there:map(draw, items, { chunksize = 3 }):totable())
  end)

  it("tries again what has failed, and counts the attempts", function()
    local view = pool:with { retry = { error = 2, crashed = 1, delay = 0 } }
    assert.equal(3, view:submit(function()
      if tine.worker.task.attempt < 3 then error "not yet" end
      return tine.worker.task.attempt
    end):result(20))
    local crashed = view:submit(function()
      if tine.worker.task.attempt < 2 then os.exit(3) end
      return tine.worker.task.attempt
    end)
    assert.equal(2, crashed:result(20))
    assert.equal(host.name, crashed:times().host)
    local attempts = crashed:attempts()
    assert.same({ host.name, host.name, n = 2 }, { attempts[1].host, attempts[2].host, n = #attempts })
  end)

  it("gives results of other tasks as arguments", function()
    local first = pool:submit(function() return 40 end)
    assert.equal(42, pool:submit(function(a, b) return a + b end, first, 2):result(20))
    assert.equal(41, first:chain(function(a) return a + 1 end):result(20))
  end)

  it("blames the worker there for a crash, and goes on", function()
    local _, err = pool:submit(function() os.exit(9) end):pcall(20)
    assert.equal("crashed", tine.kind(err))
    assert.equal(9, err.exit_code)
    assert.equal(host.name, err.host)
    assert.matches("on " .. host.name, err.message)
    assert.matches("results_spec.lua", err.task.label)
    assert.equal(1, pool:submit(function() return 1 end):result(20))
  end)

  it("keeps limits where tasks run", function()
    local function loop() while true do end end
    local _, err = pool:with { timeout = 0.05 }:submit(loop):pcall(20)
    assert.equal("timeout", tine.kind(err))
    assert.equal("running", err.phase)
    _, err = pool:with { cpu = 0.05 }:submit(loop):pcall(20)
    assert.equal("timeout", tine.kind(err))
    assert.is_true(err.cpu)
    _, err = pool:with { memory = 1 << 20 }:submit(function() return #("x"):rep(1 << 24) end):pcall(20)
    assert.equal("memory", tine.kind(err))
    assert.equal(1 << 20, err.limit)
  end)

  it("says who serves it", function()
    pool:submit(function() end):result(20)
    local list = pool:workers()
    assert.equal(1, #list)
    assert.equal(host.name, list[1].host)
    assert.equal(2, list[1].slots)
    assert.is_true(list[1].tasks >= 1)
  end)

  it("brings what tasks print, if it is captured, also of such as died", function()
    local captured = pool:with { output = "capture", output_limit = 12 }
    local future = captured:submit(function() print "0123456789" os.execute "echo xyz" return 1 end)
    assert.equal(1, future:result(20))
    assert.equal("3456789\nxyz\n", future:output())
    local dying = captured:submit(function() io.write "last words" os.execute("kill -9 " .. tine.worker.pid) end)
    assert.equal("last words", dying:exception(20).output)
    assert.equal("last words", dying:output())
    local n = 0
    for i, _, err in captured:map(function(i) print(i) if i == 2 then os.exit(1) end end, { 1, 2, 3 },
                                  { chunksize = 3, on_error = "return" }) do
      n = n + 1
      assert.equal(i == 2 and "2\n" or nil, err and err.output)
    end
    assert.equal(3, n)
    local all <close> = tine.pool { backend = server:url(), output = "capture" }
    local whole = all:submit(print, "whole")
    whole:result(20)
    assert.equal("whole\n", whole:output())
    local plain = pool:submit(math.abs, -1)
    assert.equal(1, plain:result(20))
    assert.is_nil(plain:output())
  end)

  it("takes no code, in arguments neither, where only modules are allowed", function()
    local modules = machines.host(server, "-j 1 --allow modules", "modules")
    local only <close> = tine.pool { backend = server:url "modules" }
    assert.equal("ababab", only:submit("string.rep", "ab", 3):result(20))
    assert.equal(7, only:submit(math.max, 3, 7):result(20))
    local shared <close> = only:share { 1, 2 }
    assert.equal("1 2", only:submit(table.concat, shared, " "):result(20))
    for _, future in ipairs { only:submit(function() end), only:submit(pcall, function() end) } do
      local _, err = future:pcall(20)
      assert.equal("serialization", tine.kind(err))
      assert.matches("tine serve --allow modules", err.message, 1, true)
    end
    assert.is_true(modules:alive())
  end)

  it("sends a shared value once, and drops it with its handle", function()
    local shared = pool:share(("x"):rep(1 << 20))
    for _ = 1, 20 do assert.equal(1 << 20, pool:submit(string.len, shared):result(20)) end
    assert.is_true(pool:stats().bytes_in < 8 << 20)
    shared:close()
    assert.has_error(function() shared:get() end)
  end)

  it("forgets on the host what was not wanted for longest, and asks for it again", function()
    local small = machines.host(server, "-j 1 --cache 4000000", "small")
    local other = tine.pool { backend = server:url "small" }
    finally(function() other:kill_workers() end)
    local shared = {}
    for i = 1, 30 do shared[i] = other:share(("x"):rep(1000000) .. "." .. i) end
    for _ = 1, 2 do
      for i = 1, 30 do
        assert.equal("." .. i, other:submit(function(s) return s:match "%.%d+$" end, shared[i]):result(20))
      end
    end
    -- 30 MB came, twice
    local kept = tonumber(processes.read(("/proc/%d/status"):format(small.pid)):match "RssShmem:%s*(%d+)")
    assert.is_true(kept < 20000, kept)
    other:shutdown()
    small:kill()
  end)

  -- They were looked for along each way: 20 levels took 12 seconds, and of each one more twice as long.
  it("finds shared values to which many ways lead", function()
    local a, b = pool:share { 1 }, pool:share { 2 }
    for _ = 1, 40 do a, b = pool:share { a, b, 1 }, pool:share { b, a, 2 } end
    assert.equal(3, pool:submit(function(t) return #t end, a):result(20))
  end)

  it("says when a host cannot keep all that a call names", function()
    local chain = pool:share {}
    for _ = 1, 5000 do chain = pool:share { chain } end
    local _, err = pool:submit(rawlen, chain):pcall(30)
    assert.equal("lost", tine.kind(err))
    assert.matches("could not keep all functions and values", err.message, 1, true)
    assert.equal(1, pool:submit(math.abs, -1):result(20))
  end)

  it("submits no tasks from there", function()
    local said = pool:submit(function()
      local p, said = tine.worker.pool, {}
      for _, method in ipairs { "submit", "try_submit", "map" } do
        local ok, err = pcall(p[method], p, math.abs, method == "map" and { 1 } or 1)
        said[#said + 1] = { ok, tine.kind(err), tostring(err) }
      end
      return said
    end):result(20)
    for i = 1, 3 do
      assert.same({ false, "invalid_state" }, { said[i][1], said[i][2] })
      assert.matches("not there for a task that came from another machine", said[i][3])
    end
  end)

  it("counts like any other", function()
    local other = tine.pool { backend = server:url() }
    for i = 1, 10 do other:submit(function(n) return n end, i) end
    pcall(other:submit(error, "x").result, nil)
    other:join(20)
    local stats = other:stats()
    assert.equal(11, stats.submitted)
    assert.equal(10, stats.finished)
    assert.equal(1, stats.failed)
    other:shutdown()
  end)
end)
