-- Traces: what is in the file, whatever happens to tasks, pools, the program and the disk.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local events = require "spec.support.trace_events"
local leftovers = require "spec.support.leftovers"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

describe("a trace", function()
  local folder, number = nil, 0

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  teardown(function()
    os.execute("rm -r " .. folder)
    leftovers.none()
  end)

  local function new_file()
    number = number + 1
    return ("%s/%d.json"):format(folder, number)
  end

  -- What a pool with these options leaves behind that `f` is called with.
  local function traced(options, f)
    options.trace, options.name = options.trace or new_file(), options.name or "p"
    do
      local pool <close> = tine.pool(options)
      f(pool)
    end
    local trace = events.read(options.trace)
    assert.is_true(trace.whole)
    return trace
  end

  for _, workers in ipairs { 2, 0 } do
    describe(("of a pool with workers = %d"):format(workers), function()
      it("has an event for each task, with its label, when and where it ran, and how it ended", function()
        local futures, before = {}, tine.clock()
        local trace = traced({ workers = workers }, function(pool)
          for i = 1, 10 do futures[i] = pool:with { label = "job " .. i }:submit(string.rep, "x", i) end
          tine.wait(futures)
        end)
        assert.equal(10, #trace:tasks())
        for i = 1, 10 do
          local e, times = trace:task("^job " .. i .. "$"), futures[i]:times()
          assert.same({ i, 1, "finished" }, { e.args.id, e.args.attempt, e.args.how })
          assert.equal("p worker " .. (workers == 0 and 1 or times.worker), trace:row_of(e))
          assert.is_true(math.abs(e.ts / 1e6 - times.started) < 1e-6)
          assert.is_true(math.abs(e.dur / 1e6 - (times.ended - times.started)) < 1e-3)
          assert.is_true(e.ts / 1e6 - e.args.wait >= before)
        end
        assert.is_table(trace.rows["p queue"])
      end)

      it("has one for each item of a map, chunks or not", function()
        local items = {}
        for i = 1, 40 do items[i] = i end
        local trace = traced({ workers = workers }, function(pool)
          for _, chunksize in ipairs { 1, 8 } do
            local function double(x) return 2 * x end
            for _ in pool:map(double, items, { chunksize = chunksize }) do end -- luacheck: ignore
          end
        end)
        assert.equal(80, #trace:tasks "%[%d+%]")
        for _, e in ipairs(trace:tasks()) do
          assert.is_true(e.args.wait > 0 and trace:row_of(e):find "^p worker" ~= nil)
        end
      end)

      it("tells errors from results, and says them", function()
        local trace = traced({ workers = workers }, function(pool)
          pool:with { label = "text" }:submit(error, "no \"such\"\nthing \255", 0):pcall()
          pool:with { label = "table" }:submit(error, {}):pcall()
          pool:with { label = "memory", memory = 1000 }:submit(string.rep, "x", 1e6):pcall()
          pool:with { label = "function" }:submit(coroutine.create, print):pcall()
          pool:with { label = "values" }:submit(function() return coroutine.create(print) end):pcall()
        end)
        assert.same({ "error", 'no "such"\nthing \u{fffd}' },
                    { trace:task "^text$".args.how, trace:task "^text$".args.error })
        assert.equal("error", trace:task "^table$".args.how)
        assert.equal("memory", trace:task "^memory$".args.how)
        assert.equal("serialization", trace:task "^values$".args.how)
        assert.truthy(trace:task "^values$".args.error:find "coroutine")
        assert.truthy(trace:task "^text$".cname)
      end)

      it("has each attempt, and arrows between them", function()
        local trace = traced({ workers = workers }, function(pool)
          local function third() return tine.worker.task.attempt == 3 or error "not yet" end
          assert.is_true(pool:with { label = "again", retry = { error = 5, delay = 0.001 } }:submit(third):result(20))
        end)
        local list = trace:tasks "^again$"
        assert.same({ "error", "error", "finished" }, { list[1].args.how, list[2].args.how, list[3].args.how })
        assert.same({ 1, 2, 3 }, { list[1].args.attempt, list[2].args.attempt, list[3].args.attempt })
        local arrows = 0
        for _, e in ipairs(trace.events) do arrows = arrows + (e.ph == "f" and 1 or 0) end
        assert.equal(2, arrows)
      end)
    end)
  end

  it("shows crashes, time limits, what was cancelled, and ends of workers", function()
    local trace = traced({ workers = 1, on_crash = "replace" }, function(pool)
      local function spin() while true do end end
      pool:with { label = "crash" }:submit(os.exit, 7):pcall()
      pool:with { label = "slow", timeout = 0.02 }:submit(spin):pcall()
      local running = pool:with { label = "aborted" }:submit(spin)
      local waiting = pool:with { label = "cancelled" }:submit(spin)
      eventually(function() return running:running() end)
      assert.is_true(waiting:cancel())
      assert.is_true(running:abort())
      running:pcall()
    end)
    local crash = trace:task "^crash$"
    assert.same({ "crashed", "timeout", "cancelled" },
                { crash.args.how, trace:task "^slow$".args.how, trace:task "^aborted$".args.how })
    assert.truthy(crash.args.error:find "exit code 7")
    local cancelled = trace:task "^cancelled$"
    assert.same({ "p queue", 0, "cancelled", 0.0 },
                { trace:row_of(cancelled), cancelled.args.attempt, cancelled.args.how, cancelled.dur })
    assert.equal("p worker 1", trace:row_of(crash))
    local ends = {}
    for _, e in ipairs(trace.events) do
      if e.ph == "i" then ends[#ends + 1] = e.name end
    end
    assert.same({ "end: crash", "end: shutdown" }, { ends[1], ends[#ends] })
    local starts = 0
    for _, e in ipairs(trace.rows["p worker 1"]) do starts = starts + (e.name == "start" and 1 or 0) end
    assert.is_true(starts >= 2)
  end)

  it("tells tasks that tasks submit from others", function()
    local trace = traced({ workers = 1 }, function(pool)
      local function outer(x)
        return tine.worker.pool:with { label = "inner" }:submit(math.abs, x):result()
      end
      assert.equal(5, pool:with { label = "outer" }:submit(outer, -5):result(20))
    end)
    local outer, inner = trace:task "^outer$", trace:task "^inner$"
    assert.same({ outer.args.id, nil }, { inner.args.parent, outer.args.parent })
    assert.is_true(inner.ts >= outer.ts and inner.ts + inner.dur <= outer.ts + outer.dur)
  end)

  it("says of each attempt that crashed where it was", function()
    local trace = traced({ workers = 2, on_crash = "replace" }, function(pool)
      pool:with { label = "twice", retry = { crashed = 1, delay = 0 } }:submit(os.exit, 7):pcall()
    end)
    local list = trace:tasks "^twice$"
    assert.same({ "crashed", "crashed" }, { list[1].args.how, list[2].args.how })
    for _, e in ipairs(list) do assert.truthy(trace:row_of(e):find "^p worker") end
  end)

  it("has counters that end at nothing, and waits", function()
    local trace = traced({ workers = 1 }, function(pool)
      local function busy() for _ = 1, 1e5 do end end -- luacheck: ignore
      for _ = 1, 20 do pool:submit(busy) end
    end)
    local counts = trace.counters["p tasks"]
    assert.same({ running = 0, pending = 0 }, counts[#counts].args)
    assert.is_true(counts[1].args.pending + counts[1].args.running > 0)
    assert.same({ workers = 0 }, trace.counters["p workers"][#trace.counters["p workers"]].args)
    local waits, n = 0, 0
    for _, e in ipairs(trace.rows["p queue"]) do
      if e.cat == "queue" then waits, n = waits + e.dur, n + e.args.tasks end
    end
    assert.is_true(waits > 0 and n > 0 and n <= 20)
  end)

  it("takes labels of any bytes and lengths", function()
    local long = ("x"):rep(9000)
    local trace = traced({ workers = 1 }, function(pool)
      for _, label in ipairs { "b\\\"\27\n", "\u{e9}\u{1f600}", "\xff\xc0\x80\xed\xa0\x80", long } do
        pool:with { label = label }:submit(math.abs, 1):result(20)
      end
    end)
    local names = {}
    for _, e in ipairs(trace:tasks()) do names[e.args.id] = e.name end
    assert.same({ "b\\\"\27\n", "\u{e9}\u{1f600}", ("\u{fffd}"):rep(6), long }, names)
  end)

  it("is shared by pools that name the same file, at once and one after the other", function()
    local file = new_file()
    do
      local one <close> = tine.pool { workers = 1, trace = file, name = "one" }
      local two <close> = tine.pool { workers = 1, trace = folder .. "/./" .. file:match "[^/]+$", name = "two" }
      one:with { label = "first" }:submit(math.abs, 1):result(20)
      two:with { label = "second" }:submit(math.abs, 1):result(20)
    end
    local trace = traced({ workers = 1, trace = file, name = "three" }, function(pool)
      pool:with { label = "third" }:submit(math.abs, 1):result(20)
    end)
    for label, row in pairs { first = "one worker 1", second = "two worker 1", third = "three worker 1" } do
      assert.equal(row, trace:row_of(trace:task(label)))
    end
    assert.truthy(trace.rows["two queue"])
  end)

  it("begins anew in a file that another program has written", function()
    local file = new_file()
    local f <close> = assert(io.open(file, "w"))
    f:write(("not a trace\n"):rep(1000))
    f:close()
    traced({ workers = 1, trace = file }, function(pool) pool:submit(math.abs, 1):result(20) end)
  end)

  it("is of each pool with %n, and of this process with %p", function()
    local made = ("%s/%%p-%%n-%%%%-%%q.json"):format(folder)
    for _ = 1, 2 do
      local pool <close> = tine.pool { workers = 1, trace = made }
      pool:submit(math.abs, 1):result(20)
    end
    local names = shell.ok("ls %s/*-%%-%%q.json", folder)
    local first, second = names:match "(%d+%-%d+)%-%%.*\n.-(%d+%-%d+)%-%%"
    assert.is_true(first ~= nil and first ~= second)
    assert.equal(first:match "^%d+", second:match "^%d+")
    for name in names:gmatch "[^\n]+" do assert.equal(1, #events.read(name):tasks()) end
  end)

  it("that cannot be opened is an error of the pool, as is a wrong name", function()
    local ok, err = pcall(tine.pool, { workers = 1, trace = folder .. "/none/x.json" })
    assert.is_false(ok)
    assert.equal("system", tine.kind(err))
    assert.truthy(tostring(err):find("cannot open the trace '" .. folder .. "/none/x.json': No such file", 1, true))
    assert.is_false(pcall(tine.pool, { workers = 1, trace = folder }))
    for _, wrong in ipairs { 5, true, {}, "a\0b" } do
      ok, err = pcall(function() return tine.pool { workers = 1, trace = wrong } end)
      assert.is_false(ok)
      assert.truthy(err:find "option 'trace' must be")
    end
  end)

  it("is written as it goes", function()
    local file = new_file()
    local pool <close> = tine.pool { workers = 1, trace = file }
    pool:with { label = "seen" }:submit(math.abs, 1):result(20)
    eventually(function() -- it is empty at first
      local there, read = pcall(events.read, file)
      return there and #read:tasks "seen" == 1
    end)
    assert.is_false(events.read(file).whole)
  end)

  -- --- programs -----------------------------------------------------------------------------------------

  local function run(file, source, options)
    options = options or {}
    options.before = ("env TINE_TRACE=%s"):format(program.quote(file))
    return program.start('local tine = require "tine"\n' .. source, options)
  end

  it("of a program that is killed has all but the last moments", function()
    local file = new_file()
    local p = run(file, [[
      local pool <close> = tine.pool(2)
      local function some() local t = {} for i = 1, 200 do t[i] = i end return t end
      print "ready" io.stdout:flush()
      while true do for _ in pool:map(tostring, some()) do end end
    ]])
    assert.equal("ready", p:line())
    eventually(function() return #shell.contents(file) > 100000 end)
    p:signal "KILL"
    p:close()
    local trace = events.read(file)
    assert.is_false(trace.whole)
    assert.is_true(#trace:tasks() > 500)
  end)

  it("of a program that ends without closing its pools has all that has ended", function()
    local file = new_file()
    local ended = run(file, [[
      local pool = tine.pool(1)
      for i = 1, 50 do pool:submit(math.abs, i):result() end
      os.exit(0)
    ]]):close()
    assert.equal(0, ended.code)
    assert.equal(50, #events.read(file):tasks())
  end)

  it("of pools in workers is there only if the name tells them apart", function()
    local source = [[
      local pool <close> = tine.pool { workers = 1 }
      pool:submit(function()
        local tine = require "tine"
        local inner <close> = tine.pool(1)
        inner:submit(math.abs, 1):result()
      end):result()
      local quiet <close> = tine.pool { workers = 1, trace = false }
      quiet:submit(math.abs, 1):result()
    ]]
    local file = new_file()
    assert.equal("", run(file, source):close().err)
    assert.equal(1, #events.read(file):tasks())
    assert.equal("", run(folder .. "/own-%p.json", source):close().err)
    local names = {}
    for name in shell.ok("ls %s/own-*", folder):gmatch "[^\n]+" do names[#names + 1] = name end
    assert.equal(2, #names)
    for _, name in ipairs(names) do assert.equal(1, #events.read(name):tasks()) end
  end)

  it("that cannot be written ends alone, and Lua's warn says so once", function()
    local ended = run("/dev/full", [[
      warn "@on"
      do
        local pool <close> = tine.pool(1)
        for i = 1, 3000 do pool:submit(math.abs, i) end
        print(pool:submit(math.abs, -5):result())
      end
      local pool <close> = tine.pool(1)
      print(pool:submit(math.abs, -6):result())
    ]]):close()
    assert.same({ 0, "5\n6\n" }, { ended.code, ended.out })
    assert.equal("Lua warning: tine: the trace '/dev/full' ends here, the program goes on: No space left on device\n",
                 ended.err)
  end)

  it("that nobody reads any more ends alone, too", function()
    -- What the end of a pool wrote into a pipe without a reader ended the program.
    local file = new_file()
    assert(os.execute("mkfifo " .. file))
    local ended = run(file, [[
      warn "@on"
      local reader = assert(io.open(os.getenv "TINE_TRACE", "r+"))
      local pool = tine.pool(1)
      reader:close()
      print(pool:submit(math.abs, -5):result())
      pool:shutdown()
      print "goes on"
    ]]):close()
    assert.same({ "exit", 0, "5\ngoes on\n" }, { ended.how, ended.code, ended.out })
    assert.matches("ends here, the program goes on: Broken pipe", ended.err, 1, true)
  end)

  it("is not written by two programs at once", function()
    local file = new_file()
    local p = run(file, [[
      local pool <close> = tine.pool(1)
      pool:submit(math.abs, 1):result()
      print "ready" io.stdout:flush()
      io.read()
    ]], { stdin = "/dev/zero" })
    assert.equal("ready", p:line())
    finally(function()
      p:signal "KILL"
      p:close()
    end)
    local ok, err = pcall(tine.pool, { workers = 1, trace = file })
    assert.is_false(ok)
    assert.truthy(tostring(err):find("another program writes it", 1, true))
  end)
end)
