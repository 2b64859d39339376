-- Pools whose workers are on other machines: what their workers run once, the initializer and pool:everywhere.
-- timeout: 120
local tine = require "tine"
local eventually = require "spec.support.eventually"
local gate = require "spec.support.gate"
local machines = require "spec.support.machines"
local pools = require "spec.support.pools"

if machines.are_missing(pending) then return end

local fill = pools.fill

-- What is run once in a worker notes that in its state: a list, in order.
local function note(what)
  local state = tine.worker.state
  state.notes = (state.notes or "") .. what
end

local function notes() return tine.worker.state.notes end

local function all_notes(pool)
  local set, list = {}, {}
  for _ = 1, 10 do set[pool:submit(notes):result(20) or "-"] = true end
  for seen in pairs(set) do list[#list + 1] = seen end
  table.sort(list)
  return list
end

describe("what each worker of other machines runs once", function()
  local server
  before_each(function() server = machines.server() end)
  after_each(machines.stop)

  local function open(options)
    options = options or {}
    options.backend = server:url()
    return pools.open(finally, options)
  end

  it("an initializer comes first, once in each, with its arguments and what it carries", function()
    machines.host(server, "-j 2")
    local step = "i"
    local function mark(more) note(step .. more) end
    local pool = open { window = 8, initializer = function(a, b, c)
      assert(b == nil and tine.worker.task == nil)
      mark(a .. c)
    end, initargs = { "x", nil, "y", n = 3 } }
    fill(pool, 2)
    assert.same({ "ixy" }, all_notes(pool))
    assert.same({ "ixy", "ixy", "ixy", n = 3 }, pool:map(notes, { 1, 2, 3 }):totable())
  end)

  it("everywhere is run before the next task, in order, and is done at once", function()
    machines.host(server, "-j 1")
    local pool = open { initializer = function() note "i" end }
    local future = pool:everywhere(note, "a")
    assert.equal(0, select("#", future:result(0)))
    assert.equal("ia", pool:submit(notes):result(20))
    pool:everywhere(note, "b"):result(0)
    pool:everywhere(note, "c"):result(0)
    assert.equal("iabc", pool:submit(notes):result(20))
    assert.equal("iabc", pool:submit(notes):result(20))
    local stats = pool:stats()
    assert.equal(3, stats.finished)
    assert.equal(3, stats.submitted)
  end)

  it("is run by hosts and workers that come later, and by those that were replaced", function()
    machines.host(server, "-j 1 --max-tasks 2")
    local pool = open { initializer = function() note "i" end }
    pool:everywhere(note, "a")
    local pids = {}
    for _ = 1, 5 do
      local seen, pid = pool:submit(function() return notes(), tine.worker.pid end):result(20)
      assert.equal("ia", seen)
      pids[pid] = true
    end
    assert.is_truthy(next(pids, next(pids)))
    local _, err = pool:submit(os.exit):pcall(20)
    assert.equal("crashed", tine.kind(err))
    assert.equal("ia", pool:submit(notes):result(20))
    local later = machines.host(server, "-j 2")
    eventually(function()
      local futures = {}
      for i = 1, 8 do futures[i] = pool:submit(notes) end
      for i = 1, 8 do assert.equal("ia", futures[i]:result(20)) end
      for _, host in ipairs(pool:workers()) do
        if host.host == later.name and host.tasks > 0 then return true end
      end
    end, "tasks on the later host", 20)
  end)

  it("is each pool's own, also in the same worker", function()
    machines.host(server, "-j 1")
    local first = open { initializer = function() note "1" end }
    local second = open { initializer = function() note "2" end }
    local plain = open()
    assert.equal("1", first:submit(notes):result(20))
    assert.equal("1", plain:submit(notes):result(20))
    assert.equal("12", second:submit(notes):result(20))
    assert.equal("12", first:submit(notes):result(20))
  end)

  it("a failing initializer breaks its pool, with the cause, and nobody else's", function()
    machines.host(server, "-j 1")
    local other = open()
    assert.equal(1, other:submit(function() return 1 end):result(20))
    local pool = open { initializer = function() error({ code = 7 }) end }
    local ran = os.tmpname()
    local future = pool:submit(function() os.remove(ran) end)
    local _, err = future:pcall(20)
    assert.equal("broken", tine.kind(err))
    assert.same({ code = 7 }, err.cause)
    assert.matches("its initializer failed", tostring(err), 1, true)
    local ok, later = pcall(pool.submit, pool, print)
    assert.is_false(ok)
    assert.equal("broken", tine.kind(later))
    assert.is_truthy(os.remove(ran)) -- the task did not run
    assert.equal(2, other:submit(function() return 2 end):result(20))
  end)

  it("an error of everywhere goes to on_callback_error, and the task runs", function()
    machines.host(server, "-j 1")
    local errors = {}
    local pool = open { on_callback_error = function(err, traceback)
      errors[#errors + 1] = { err, type(traceback) }
    end }
    pool:everywhere(function() error({ "no" }) end):result(0)
    pool:everywhere(note, "b")
    assert.equal("b", pool:submit(notes):result(20))
    eventually(function()
      pool:stats()
      return #errors > 0
    end, "the error")
    assert.equal("b", pool:submit(notes):result(20))
    assert.same({ { { "no" }, "string" } }, errors)
  end)

  it("takes no time from its task, and can be ended with it", function()
    machines.host(server, "-j 1")
    local wait, go = gate()
    local pool = open { initializer = function()
      if not tine.worker.state.tried then
        tine.worker.state.tried = true
        wait()
      end
      note "i"
    end }
    local first = pool:submit(notes)
    eventually(function() return first:running() end)
    first:abort()
    local _, err = first:pcall(20)
    assert.equal("cancelled", tine.kind(err))
    go()
    assert.equal("i", pool:submit(notes):result(20)) -- from the beginning
    local slow = open { timeout = 0.3, initializer = function()
      local till = os.clock() + 0.6
      while os.clock() < till do end
      note "s"
    end }
    assert.equal("is", slow:submit(notes):result(20))
  end)

  it("shared values and large ones are sent to a host once", function()
    machines.host(server, "-j 1")
    local pool = open { initializer = function(text) tine.worker.state.text = text end,
      initargs = { ("x"):rep(1 << 20) } }
    local shared = pool:share { 1, 2, 3 }
    pool:everywhere(function(list) tine.worker.state.list = list end, shared)
    shared:close()
    local function look() return #tine.worker.state.text, #tine.worker.state.list end
    assert.same({ 1 << 20, 3 }, { pool:submit(look):result(20) })
    assert.same({ 1 << 20, 3 }, { pool:submit(look):result(20) })
  end)

  -- What the host had already was forgotten in favour of what was new: it could not keep the errand, and all further
  -- tasks were lost there.
  it("has all that it names, also where the host's cache is full", function()
    machines.host(server, "-j 1 --cache 20000")
    local pool = open()
    local first, second = pool:share(("a"):rep(15000)), pool:share(("b"):rep(15000))
    assert.equal(15000, pool:submit(string.len, first):result(20))
    pool:everywhere(function(a, b) note(#a + #b) end, first, second)
    assert.equal("30000", pool:submit(notes):result(20))
  end)

  it("works where tasks are not confirmed", function()
    machines.host(server, "-j 1")
    local pool = open { confirm = false, initializer = function() note "i" end }
    assert.equal("i", pool:submit(notes):result(20))
    pool:everywhere(note, "a")
    assert.equal("ia", pool:submit(notes):result(20))
  end)

  it("does not run code where only modules may", function()
    machines.host(server, "-j 1 --allow modules")
    local pool = open { initializer = function() note "i" end }
    local _, err = pool:submit("string.rep", "x", 2):pcall(20)
    assert.equal("serialization", tine.kind(err))
    local named = open { initializer = "math.abs", initargs = { -1 } }
    assert.equal("xx", named:submit("string.rep", "x", 2):result(20))
  end)

  it("what cannot travel is an error of tine.pool", function()
    local ok, err = pcall(tine.pool, { backend = server:url(), initializer = function() end,
      initargs = { coroutine.create(print) } })
    assert.is_false(ok)
    assert.equal("serialization", tine.kind(err))
    assert.matches("option 'initializer'", tostring(err), 1, true)
    ok, err = pcall(tine.pool, { backend = server:url(), initializer = 7 })
    assert.is_false(ok)
    assert.matches("option 'initializer'", err, 1, true)
  end)
end)
