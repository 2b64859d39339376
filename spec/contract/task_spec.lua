-- What may be a task, where it runs, and what it says: labels, output, seeds, tine.worker.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"
local program = require "spec.support.program"
local eventually = require "spec.support.eventually"

describe("a task", function()
  local pool

  setup(function() pool = tine.pool { workers = 2 } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  local function run(...) return pool:submit(...):result(20) end

  describe("is given as", function()
    it("a Lua function, a C function, a callable table", function()
      assert.equal(49, run(function(n) return n * n end, 7))
      assert.equal("xxx", run(string.rep, "x", 3))
      local doubler = setmetatable({ factor = 2 }, { __call = function(self, n) return self.factor * n end })
      assert.equal(10, run(doubler, 5))
    end)

    it("text: a module and fields", function()
      assert.equal("hello you", run("spec.support.sample.hello", "you"))
      assert.equal(5.0, run(function(...) return ... end, run("math.sqrt", 25)))
      assert.equal(3, run("spec.support.sample.Point.new", 3, 4).x)
    end)

    it("text without a dot: a module that is a function, else a global", function()
      local own <close> = tine.pool { workers = 1, preload = function()
        package.preload.spec_greeter = function() return function(name) return "dear " .. name end end
      end, initializer = function()
        package.preload.spec_greeter = function() return function(name) return "dear " .. name end end
        rawset(_G, "spec_answer", function() return 42 end)
      end }
      assert.equal("dear me", own:submit("spec_greeter", "me"):result(20))
      assert.equal(42, own:submit("spec_answer"):result(20))
      assert.equal("number", own:submit("type", 1):result(20))
    end)

    it("text that names nothing: that task fails", function()
      local future = pool:submit "no.such.module"
      assert.matches("no.such.module", tostring(future:exception(20)), 1, true)
      assert.equal(1, run(math.abs, -1))
    end)

    it("nothing else", function()
      for _, wrong in ipairs { 1, true, {}, io.stdout } do
        local ok, err = pcall(function() pool:submit(wrong) end)
        assert.is_false(ok)
        assert.matches("bad argument #1 to 'submit'", tostring(err), 1, true)
      end
      assert.has_error(function() pool:submit() end)
      assert.has_error(function() pool:submit(nil) end)
    end)

    it("a wrong argument is blamed on the caller's line", function()
      local ok, err = pcall(function() pool:submit(17) end)
      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+:", tostring(err))
    end)
  end)

  it("runs in the main coroutine of its state", function()
    local main, yieldable = run(function()
      local _, is_main = coroutine.running()
      return is_main, coroutine.isyieldable()
    end)
    assert.is_true(main)
    assert.is_false(yieldable)
  end)

  it("sees no message handler, hook or extra argument", function()
    assert.is_nil(run(function() return (debug.gethook()) end))
    assert.equal(0, run(function(...) return select("#", ...) end))
  end)

  it("has all standard libraries", function()
    assert.equal("coroutine debug io math os string table utf8", run(function()
      local found = {}
      for _, name in ipairs { "coroutine", "debug", "io", "math", "os", "string", "table", "utf8" } do
        if type(_G[name]) == "table" and package.loaded[name] == _G[name] then found[#found + 1] = name end
      end
      return table.concat(found, " ")
    end))
  end)

  describe("raises", function()
    it("a string, a table, nil: it comes back as it was", function()
      local function raise(...) return pool:submit(function(...) error(...) end, ...):exception(20) end
      assert.equal("text", raise("text", 0))
      assert.same({ code = 7 }, raise { code = 7 })
      assert.equal(42, raise(42))
      assert.equal(false, raise(false))
      assert.matches("^.*task_spec.lua:%d+: here$", raise "here")
      local ok, err = pool:submit(error, nil):pcall(20)
      assert.is_false(ok)
      assert.is_nil(err)
    end)

    it("and result raises that very value", function()
      local future = pool:submit(function() error { code = 7 } end)
      local ok, err = pcall(future.result, future, 20)
      assert.is_false(ok)
      assert.same({ code = 7 }, err)
      local _, again = pcall(future.result, future)
      assert.equal(err, again)
      assert.is_nil(tine.kind(err))
    end)

    it("with the worker's traceback beside it", function()
      local function inner() error "deep" end
      local err, traceback = pool:submit(function() inner() return 1 end):exception(20)
      assert.matches("deep", err, 1, true)
      assert.is_string(traceback)
      assert.matches("task_spec.lua", traceback, 1, true)
      local ok, _, same = pool:submit(function() error("x", 0) end):pcall(20)
      assert.is_false(ok)
      assert.is_string(same)
    end)
  end)

  describe("has a label", function()
    it("of name, place and number by default", function()
      local label = run(function() return tine.worker.task.label end)
      assert.matches("%(.*task_spec%.lua:%d+%) #%d+$", label)
      local first, second = pool:submit(math.abs, 1), pool:submit(math.abs, 1)
      assert.not_equal(tostring(first), tostring(second))
    end)

    it("or the one that pool:with gives it", function()
      local view = pool:with { label = "nightly sum" }
      assert.equal("nightly sum", view:submit(function() return tine.worker.task.label end):result(20))
      local future = view:submit(function() return 1 end)
      future:result(20)
      assert.matches("nightly sum", tostring(future), 1, true)
      assert.matches("finished", tostring(future), 1, true)
    end)

    it("also in a map of the view", function()
      for _, label in pool:with({ label = "mapped" }):map(function() return tine.worker.task.label end, { 1 }) do
        assert.matches("mapped", label, 1, true)
      end
    end)

    it("and leaves the pool itself alone", function()
      assert.is_nil(run(function() return tine.worker.task.label end):find("nightly", 1, true))
    end)
  end)

  it("knows its worker", function()
    assert.is_nil(tine.worker)
    local id, pid, of_kernel, task, state = run(function()
      local stat <close> = io.open "/proc/self/stat"
      local w = tine.worker
      return w.id, w.pid, stat:read "n", w.task, type(w.state)
    end)
    assert.is_true(id == 1 or id == 2)
    assert.equal(of_kernel, pid)
    assert.equal("integer", math.type(task.id))
    assert.is_string(task.label)
    assert.equal("table", state)
  end)

  it("finds in tine.worker.state what earlier tasks of the worker left", function()
    local function initializer(n) tine.worker.state.n = n end
    local own <close> = tine.pool { workers = 1, initializer = initializer, initargs = { 5 } }
    local function bump()
      local state = tine.worker.state
      state.n = state.n + 1
      return state.n
    end
    assert.equal(6, own:submit(bump):result(20))
    assert.equal(7, own:submit(bump):result(20))
  end)

  it("draws other random numbers in each worker", function()
    local own <close> = tine.pool { workers = 4, max_tasks_per_worker = 1 }
    local seen, futures = {}, {}
    for i = 1, 12 do futures[i] = own:submit(function() return math.random(0) end) end
    for _, future in ipairs(futures) do
      local n = future:result(20)
      assert.is_nil(seen[n])
      seen[n] = true
    end
  end)

  it("can require what the submitter can, from where it works", function()
    local own <close> = tine.pool { workers = 1, start_method = "fork" } -- a host has its own
    local function run_here(fn, ...) return own:submit(fn, ...):result(20) end
    local path, cpath = run_here(function() return package.path, package.cpath end)
    assert.equal(package.path, path)
    assert.equal(package.cpath, cpath)
    local here = io.popen("pwd"):read "l"
    assert.equal(here, run_here(function() return io.popen("pwd"):read "l" end))
    assert.equal(os.getenv "PATH", run_here(os.getenv, "PATH"))
  end)

  it("reads nothing from stdin", function()
    assert.is_nil(run(function() return io.read "l" end))
  end)

  it("may have a pool of its own", function()
    local sum = run(function()
      local inner <close> = tine.pool(2)
      local total = 0
      for _, square in inner:map(function(n) return n * n end, { 1, 2, 3 }) do total = total + square end
      return total
    end)
    assert.equal(14, sum)
  end)

  it("is running from the moment a worker takes it up", function()
    local own <close> = tine.pool { workers = 1 }
    local name = os.tmpname()
    local first = own:submit(function() while not io.open(name .. ".go") do os.execute "sleep 0.01" end end)
    local second = own:submit(function() end)
    eventually(function() return first:running() end, "the first task runs")
    assert.equal("running", first:state())
    assert.equal("pending", second:state())
    io.open(name .. ".go", "w"):close()
    second:result(20)
    assert.equal("finished", first:state())
    os.remove(name)
    os.remove(name .. ".go")
  end)

  describe("prints", function()
    it("before its result is known, once, and without mixing lines", function()
      local ended = program.run([[
        local tine = require "tine"
        io.stdout:setvbuf "full"
        io.write "before the pool\n"            -- in the buffer at every fork
        local pool = tine.pool { workers = 4, max_tasks_per_worker = 20 }
        local futures = {}
        for i = 1, 200 do
          futures[i] = pool:submit(function(letter)
            for _, size in ipairs { 10, 1000, 4095 } do print(letter:rep(size)) end
          end, string.char(97 + i % 26))
        end
        for _, future in ipairs(futures) do future:result() end
        pool:shutdown()
      ]], { before = "sh -c '\"$@\" | cat' sh" })
      assert.equal("", ended.err)
      assert.equal(0, ended.code)
      local lines, before = 0, 0
      for line in ended.out:gmatch "([^\n]*)\n" do
        if line == "before the pool" then
          before = before + 1
        else
          lines = lines + 1
          assert.equal(line:sub(1, 1):rep(#line), line)
          assert.is_true(#line == 10 or #line == 1000 or #line == 4095, #line)
        end
      end
      assert.equal(1, before)
      assert.equal(600, lines)
    end)

    -- #here: what inherits its streams writes where its host does
    it("what is there before the submitter goes on #here", function()
      local name = os.tmpname()
      local ended = program.run([[
        local tine = require "tine"
        local pool <close> = tine.pool(1)
        for i = 1, 20 do
          pool:submit(function() io.write("task ", i, "\n") end):result()
          os.execute("wc -l < ]] .. name .. [[ >> ]] .. name .. [[.counts")
        end
      ]], { before = ("sh -c 'exec \"$@\" > %s' sh"):format(name) })
      assert.equal("", ended.err)
      local counts = {}
      for line in io.lines(name .. ".counts") do counts[#counts + 1] = tonumber(line) end
      for i = 1, 20 do assert.equal(i, counts[i]) end
      os.remove(name)
      os.remove(name .. ".counts")
    end)

    -- #here: what inherits its streams writes where its host does
    it("and what its children print stands between its own lines #here", function()
      local ended = program.run [[
        local tine = require "tine"
        local pool <close> = tine.pool(1)
        pool:submit(function()
          print "one"
          io.stdout:flush()
          os.execute "echo two"
          print "three"
        end):result()
        print "four"
      ]]
      assert.equal("one\ntwo\nthree\nfour\n", ended.out)
    end)
  end)

  it("is named in errors of the pool, with its place", function()
    local own <close> = tine.pool { workers = 1, on_crash = "replace" }
    local err = own:with({ label = "doomed" }):submit(function() os.exit(3) end):exception(20)
    assert.equal("doomed", err.task.label)
    assert.matches("task_spec.lua", err.task.source, 1, true)
    assert.equal("integer", math.type(err.task.line))
    assert.equal("integer", math.type(err.task.id))
  end)
end)
