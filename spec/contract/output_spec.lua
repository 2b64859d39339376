-- Output of tasks: captured, and what of it is in errors.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local lfs = require "lfs"
local program = require "spec.support.program"

-- A pool whose workers are killed if the test fails.
local function open(options)
  options.output = options.output or "capture"
  local pool = tine.pool(options)
  finally(function() pool:kill_workers() end)
  return pool
end

describe("captured output", function()
  teardown(leftovers.none)

  -- Who waits took the first notes, made the epoll, and told nobody: the pool's thread slept beside it, and a task that
  -- had filled its pipe stood until that looked around, after five seconds.
  it("is read by the pool's thread, whoever has read the first of it", function()
    for _ = 1, 30 do
      local pool = open { workers = 2 }
      local small = pool:submit(function() io.write "x" end)
      local large = pool:submit(function()
        for _ = 1, 400 do io.write(("y"):rep(1024)) end
      end)
      small:result(20)
      large:result(4)
      pool:shutdown()
    end
  end)

  it("is the future's: what the task and its programs write, in order", function()
    local pool = open { workers = 1 }
    local first = pool:submit(function()
      print("print", 1)
      io.write "write\n"
      os.execute "echo shell; echo error >&2"
      local p <close> = io.popen("cat; echo cat >&2", "w")
      p:write "to a pipe\n"
      p:close()
      io.stderr:write "standard error\n"
      io.stdout:write "no newline"
      return "a value"
    end)
    assert.equal("a value", first:result(20))
    assert.equal("print\t1\nwrite\nshell\nerror\nto a pipe\ncat\nstandard error\nno newline", first:output())
    local second = pool:submit(function() print "second" end)
    second:result(20)
    assert.equal("second\n", second:output())
    pool:shutdown()
    assert.equal("second\n", second:output())
  end)

  it("is nil before the end, and empty text when there was none", function()
    local pool = open { workers = 1 }
    local wait, go = gate()
    local running, silent = pool:submit(function() print "x" wait() end), pool:submit(math.abs, -1)
    local cancelled = pool:submit(math.abs, -1)
    assert.is_nil(running:output())
    assert.is_nil(silent:output())
    cancelled:cancel()
    assert.equal("", cancelled:output())
    go()
    assert.equal(1, silent:result(20))
    assert.equal("", silent:output())
    assert.equal("x\n", running:output())
  end)

  it("is of tasks that raise and of such as cannot travel, too", function()
    local pool = open { workers = 1 }
    local failing = pool:submit(function() print "before" error "x" end)
    assert.matches("x", failing:exception(20), 1, true)
    assert.equal("before\n", failing:output())
    local odd = pool:submit(function() print "odd" return coroutine.create(print) end)
    assert.equal("serialization", tine.kind(odd:exception(20)))
    assert.equal("odd\n", odd:output())
    local unsendable = pool:submit(math.abs, coroutine.create(print))
    assert.equal("serialization", tine.kind(unsendable:exception(20)))
    assert.equal("", unsendable:output())
  end)

  it("is nil where it is inherited, by pool, view, and future made by hand", function()
    local pool = open { workers = 1 }
    local inherited = pool:with({ output = "inherit" }):submit(math.abs, -1)
    assert.equal(1, inherited:result(20))
    assert.is_nil(inherited:output())
    local plain = open { workers = 1, output = "inherit" }
    assert.is_nil((function() local f = plain:submit(math.abs, -1) f:result(20) return f:output() end)())
    local future = plain:with({ output = "capture" }):submit(print, "viewed")
    future:result(20)
    assert.equal("viewed\n", future:output())
    local made = tine.future()
    made:set_result(1)
    assert.is_nil(made:output())
  end)

  it("does not block a task that prints a gigabyte, and keeps its end", function()
    local pool = open { workers = 1 }
    local future = pool:submit(function() os.execute "head -c 1G /dev/zero; echo the end" return "through" end)
    assert.equal("through", future:result(120))
    assert.equal(1 << 20, #future:output())
    assert.equal("\0\0the end\n", future:output():sub(-10))
  end)

  it("is cut to its limit, from the front", function()
    local pool = open { workers = 1, output_limit = 10 }
    local function count()
      for i = 1, 2000 do io.write(i, "\n") end
    end
    local function printed(view)
      local future = view:submit(count)
      future:result(20)
      return future:output()
    end
    local all = {}
    for i = 1, 2000 do all[i] = i .. "\n" end
    all = table.concat(all)
    assert.equal(all:sub(-10), printed(pool))
    assert.equal("", printed(pool:with { output_limit = 0 }))
    assert.equal(all:sub(-5000), printed(pool:with { output_limit = 5000 }))
    assert.equal(all, printed(pool:with { output_limit = math.huge }))
    local large = pool:with({ output_limit = math.huge }):submit(function() io.write(("0123456789"):rep(500000)) end)
    large:result(20)
    assert.equal(("0123456789"):rep(500000), large:output())
  end)

  it("of a task that died is in its error, and with the future", function()
    local pool = open { workers = 1, on_crash = "replace", grace = 0.05 }
    local limited, small = pool:with { timeout = 1 }, pool:with { memory = 1 << 20 }
    local cases = {
      { "crashed", pool:submit(function() io.write "last words" os.execute("kill -9 " .. tine.worker.pid) end) },
      { "crashed", pool:submit(function() os.execute("printf 'last words'; kill -9 " .. tine.worker.pid) end) },
      { "crashed", pool:submit(function() io.write "last words" os.exit(3) end) },
      { "timeout", limited:submit(function() io.write "last words" os.execute "exec sleep 600" end) },
      { "timeout", limited:submit(function() io.write "last words" while true do end end) },
      { "memory", small:submit(function() io.write "last words" return ("x"):rep(1 << 24) end) },
    }
    for i, case in ipairs(cases) do
      local err = case[2]:exception(20)
      assert.equal(case[1], tine.kind(err), i)
      assert.equal("last words", err.output, i)
      assert.equal("last words", case[2]:output(), i)
    end
    local aborted = pool:submit(function() io.write "begun" while true do end end)
    eventually(function() return aborted:running() end, "it runs")
    aborted:abort()
    pcall(aborted.result, aborted, 20)
    assert.is_string(aborted:output())
  end)

  it("is in errors to 4 KiB, the last ones, and to the limit", function()
    local pool = open { workers = 1, on_crash = "replace" }
    local function die()
      io.write(("x"):rep(5000), "end")
      os.execute("kill -9 " .. tine.worker.pid)
    end
    local future = pool:submit(die)
    assert.equal(("x"):rep(4093) .. "end", future:exception(20).output)
    assert.equal(5003, #future:output())
    assert.equal("xend", pool:with({ output_limit = 4 }):submit(die):exception(20).output)
    assert.is_nil(pool:with({ output = "inherit" }):submit(function() os.exit(1) end):exception(20).output)
    assert.equal("", pool:submit(function() os.exit(1) end):exception(20).output)
    local late = pool:with({ deadline = 0 }):submit(math.abs, -1):exception(20)
    assert.equal("pending", late.phase)
    assert.equal("", late.output)
  end)

  -- #here: a crash on another machine breaks no pool
  it("of the task that broke the pool is in the pool's error #here", function()
    local pool = open { workers = 1 }
    local future = pool:submit(function() io.write "last words" os.execute("kill -9 " .. tine.worker.pid) end)
    local err = future:exception(20)
    assert.equal("broken", tine.kind(err))
    assert.equal("last words", err.output)
  end)

  it("is each item's own in a map", function()
    local pool = open { workers = 2, on_crash = "replace", memory = 1 << 20 }
    local function item(i)
      print("item " .. i)
      if i % 3 == 0 then return ("x"):rep(1 << 24) end
      if i % 10 == 5 then os.execute("kill -9 " .. tine.worker.pid) end
      return i
    end
    local items = {}
    for i = 1, 40 do items[i] = i end
    local seen = 0
    for i, value, err in pool:map(item, items, { chunksize = 7, on_error = "return", timeout = 60 }) do
      seen = seen + 1
      local kind = i % 3 == 0 and "memory" or i % 10 == 5 and "crashed" or nil
      assert.equal(kind, tine.kind(err), i)
      assert.equal(not kind and i or nil, value)
      if kind then assert.equal("item " .. i .. "\n", err.output) end
    end
    assert.equal(40, seen)
  end)

  it("is the last attempt's, and each attempt's error has its own", function()
    local pool = open { workers = 1, on_crash = "replace", retry = { error = 3, crashed = 3, delay = 0 } }
    local function attempt()
      local n = tine.worker.task.attempt
      print("attempt " .. n)
      if n == 1 then os.exit(1) end
      if n == 2 then error "again" end
      return n
    end
    local future = pool:submit(attempt)
    assert.equal(3, future:result(20))
    assert.equal("attempt 3\n", future:output())
    assert.equal("attempt 1\n", future:attempts()[1].error.output)
    local silent = pool:submit(function()
      if tine.worker.task.attempt == 1 then print "x" os.exit(1) end
    end)
    silent:result(20)
    assert.equal("", silent:output())
  end)

  it("of a program that is left behind is dropped, and the program lives", function()
    local pool = open { workers = 1 }
    local name = os.tmpname()
    finally(function() os.remove(name) os.remove(name .. ".go") end)
    os.remove(name)
    local first = pool:submit(function(path)
      os.execute(("(echo early; until test -e %s.go; do sleep 0.01; done; yes late | head -c 300000; echo > %s) &")
        :format(path, path))
    end, name)
    first:result(20)
    local wait, open_gate = gate()
    local second = pool:submit(function() print "second" wait() print "over" end)
    assert(io.open(name .. ".go", "w")):close()
    eventually(function()
      local f <close> = io.open(name)
      return f ~= nil
    end, "the program has written all, and ends")
    open_gate()
    second:result(20)
    assert.equal("second\nover\n", second:output())
    assert.not_matches("late", first:output(), 1, true)
  end)

  -- #here: tasks on other machines submit none
  it("is each one's own where tasks submit tasks, also on top of the one that waits #here", function()
    local pool = open { workers = 1, on_crash = "replace" }
    local outer = pool:submit(function()
      print "outer"
      local views = tine.worker.pool
      local n = views:submit(function() print "inner" os.execute "echo inner" return 5 end):result()
      os.execute "echo between"
      views:with({ output = "inherit" }):submit(function() io.write "" end):result()
      print "after"
      return n
    end)
    assert.equal(5, outer:result(20))
    assert.equal("outer\nbetween\nafter\n", outer:output())
    local dying = pool:submit(function()
      print "below"
      tine.worker.pool:submit(function() print "on top" os.execute("kill -9 " .. tine.worker.pid) end):result()
    end)
    assert.equal("crashed", tine.kind(dying:exception(20)))
    assert.equal("below\n", dying:output())
  end)

  it("is that of the worker, on top of a task, also when that has closed its stderr", function()
    local posix = require "spec.support.posix"
    finally(function() os.execute("rm -r " .. posix.folder) end)
    local pool = open { workers = 1, initializer = function() require("spec_posix").close(2, 2) end }
    local outer = pool:submit(function()
      tine.worker.pool:with({ output = "inherit" }):submit(function() end):result()
      print "outer"
    end)
    outer:result(20)
    assert.equal("outer\n", outer:output())
  end)

  -- #here: what inherits its streams writes where its host does
  it("leaves the worker's own streams as they were #here", function()
    local run = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1 }
      local captured = pool:with { output = "capture" }
      pool:submit(function() io.write "a " end):result(20)
      captured:submit(function() io.write "hidden" end):result(20)
      pool:submit(function() os.execute "printf 'b '" io.write "c" end):result(20)
      captured:submit(function() io.stdout:setvbuf "full" io.write "hidden" io.stdout:close() end):result(20)
      pool:submit(function() os.execute "printf ' d'" io.stderr:write "e" end):result(20)
    ]]
    assert.equal("a b c d", run.out)
    assert.equal("e", run.err)
  end)

  it("of thousands of tasks leaves no descriptor", function()
    local pool = open { workers = 2 }
    local function descriptors()
      local n = 0
      for _ in lfs.dir "/proc/self/fd" do n = n + 1 end
      return n
    end
    local wait, go = gate()
    local first, second = pool:submit(wait), pool:submit(print)
    second:result(20)
    go()
    first:result(20)
    local before = descriptors()
    local sum = 0
    for _, n in pool:map(function(i) print(i) return i end, (function()
      local list = {}
      for i = 1, 2000 do list[i] = i end
      return list
    end)(), { chunksize = 100, timeout = 100 }) do
      sum = sum + n
    end
    assert.equal(2001000, sum)
    for _ = 1, 100 do pool:submit(print, "x"):result(20) end
    -- fewer: connections of pools before that were killed may stay for a moment
    eventually(function() return descriptors() <= before end, "all pipes are closed")
  end)

  -- What the program had of one future was read after a finalizer, which came between, had taken in the same one.
  it("is taken in whole when a finalizer takes it in meanwhile", function()
    local run = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, output = "capture" }
      local before, busy, ran = pool:submit(math.abs, -1), false, 0
      local function leave()
        setmetatable({}, { __gc = function()
          if not busy then return end
          ran = ran + 1
          before:done()
          leave()
        end })
      end
      for _ = 1, 40 do
        local futures, name = {}, os.tmpname()
        os.remove(name)
        for i = 1, 30 do futures[i] = pool:submit(function(n) io.write(("x"):rep(n)) end, i * 40) end
        local last = pool:submit(function(path) io.open(path, "w"):close() end, name)
        repeat until os.rename(name, name) -- nothing has been taken in, and there is all of it
        collectgarbage()
        collectgarbage "stop"
        busy = true
        leave()
        collectgarbage "restart"
        collectgarbage("generational", 1, 1) -- the finalizer runs when a little has been allocated
        last:result(20)
        busy = false
        collectgarbage "incremental"
        os.remove(name)
        for i = 1, 30 do
          futures[i]:result(20)
          assert(futures[i]:output() == ("x"):rep(i * 40), "another output")
        end
      end
      print(ran > 0)
    ]]
    assert.same({ "true\n", "" }, { run.out, run.err })
  end)

  it("is accepted, and not there, without processes", function()
    local pool <close> = tine.pool { workers = 0, output = "capture", output_limit = 5 }
    local future = pool:submit(math.abs, -1)
    assert.equal(1, future:result(20))
    assert.is_nil(future:output())
  end)
end)

describe("output behind prefixes", function()
  teardown(leftovers.none)

  it("comes line by line behind the label, on the program's own streams, before the task is done", function()
    local run = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, output = "prefix", label = "job" }
      local future = pool:submit(function()
        print "one"
        io.write "two\nthr"
        io.write "ee\n\n"
        os.execute "echo shell; echo error >&2"
        io.stderr:write "no newline"
        io.write "last"
        return 1
      end)
      assert(future:result() == 1 and future:output() == nil)
      io.write "program\n" io.flush()
      for i in pool:with({ label = "item" }):map(function(i) print(i) end, { 7, 8 }, { chunksize = 2 }) do end
      pool:submit(function() end):result()
    ]]
    assert.equal("[job] one\n[job] two\n[job] three\n[job] \n[job] shell\n[job] last\nprogram\n" ..
                 "[item[1]] 7\n[item[2]] 8\n", run.out)
    assert.equal("[job] error\n[job] no newline\n", run.err)
  end)

  -- #here: what inherits its streams writes where its host does
  it("is not there where a task inherits the program's streams #here", function()
    local run = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, output = "prefix", label = "job" }
      pool:with({ output = "inherit" }):submit(print, "plain"):result()
      pool:submit(print, "behind"):result()
    ]]
    assert.equal("plain\n[job] behind\n", run.out)
  end)

  it("never mixes lines, of several workers, short or long", function()
    local run = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 4, output = "prefix" }
      local function talk(letter)
        for i = 1, 200 do
          for _ = 1, 10 do io.write((letter):rep(i % 7 == 0 and 1000 or 7)) end
          io.write "\n"
        end
      end
      local futures = {}
      for i = 1, 8 do
        local letter = string.char(96 + i)
        futures[i] = pool:with({ label = letter }):submit(talk, letter)
      end
      tine.wait(futures)
    ]]
    local n = 0
    for line in run.out:gmatch "[^\n]*\n" do
      local label, text = line:match "^%[(%l)%] (%l+)\n$"
      assert(label and text == label:rep(#text) and (#text == 10000 or #text == 70), line:sub(1, 80))
      n = n + 1
    end
    assert.equal(1600, n)
    assert.equal("", run.err)
  end)

  local function lines_of(code)
    local lines = {}
    for line in program.run(code).out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    return lines
  end

  it("comes of tasks that die, too", function()
    assert.same({ "[x] asked", "[x] killed", "[x] last words" }, lines_of [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, output = "prefix", on_crash = "replace", label = "x" }
      pool:submit(function() io.write "last words" os.execute("kill -9 " .. tine.worker.pid) end):exception()
      local view = pool:with { timeout = 1, grace = 0.1 }
      view:submit(function() print "asked" while true do end end):exception()
      view:submit(function() print "killed" os.execute "exec sleep 600" end):exception()
    ]])
  end)

  -- #here: what is under way from another machine then is lost
  it("comes of tasks that run in a pool that is killed #here", function()
    assert.same({ "[x] begun" }, lines_of [[
      local tine = require "tine"
      local pool = tine.pool { workers = 1, output = "prefix", label = "x" }
      local name, begun = os.tmpname()
      os.remove(name)
      pool:submit(function() os.execute("echo begun; echo >" .. name .. "; exec sleep 600") end)
      repeat tine.sleep(0.01) begun = io.open(name) until begun
      os.remove(name)
      pool:kill_workers()
      pool:shutdown()
    ]])
  end)

  it("of a program that is left behind is dropped, and does not hold up the task", function()
    local run = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, output = "prefix", label = "x" }
      local name = os.tmpname()
      os.remove(name)
      pool:submit(function(path)
        print "early"
        os.execute(("(until test -e %s; do sleep 0.01; done; yes late | head -c 300000; rm %s) &"):format(path, path))
      end, name):result()
      assert(io.open(name, "w")):close()
      local gone
      repeat tine.sleep(0.01) gone = not io.open(name) until gone
      pool:submit(print, "next"):result()
    ]]
    assert.equal("[x] early\n[x] next\n", run.out)
  end)

  it("breaks lines that are longer than a megabyte", function()
    local run = program.run [[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, output = "prefix", label = "x" }
      pool:submit(function() os.execute "head -c 3000000 /dev/zero | tr '\\0' x" end):result()
    ]]
    local n = 0
    for line in run.out:gmatch "[^\n]*\n" do
      assert.matches("^%[x%] x+\n$", line)
      n = n + #line - 5
    end
    assert.equal(3000000, n)
  end)

  it("ends with the program whose reader is gone", function()
    local run = program.run([[
      local tine = require "tine"
      local pool <close> = tine.pool { workers = 1, output = "prefix" }
      local future = pool:submit(function() for i = 1, 100000 do print(i) end return "through" end)
      io.stderr:write(future:result())
    ]], { before = [[sh -c '"$0" "$@" | head -n 1 >/dev/null']] })
    assert.equal("through", run.err)
  end)
end)
