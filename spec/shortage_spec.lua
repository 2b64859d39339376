-- A Lua state that has no memory left for a moment: the program's, or that of a task with a limit of it.
-- timeout: 120
local tine = require "tine"
local leftovers = require "spec.support.leftovers"
local here = require "spec.support.posix"

local function same(...) return ... end

-- Is this what Lua says when it gets no memory? Of a stack that cannot grow for that reason it says that it overflows.
local function is_shortage(err)
  local text = tostring(err)
  return text:find "memory" or text:find "stack overflow"
end

-- Call fn() again and again, and refuse memory at its first allocation, its second one, ... until it needs no more;
-- behind it, call check(), what memory there is.
local function at_each_allocation(posix, fn, check)
  local n, fine = 0, 0
  repeat
    local subject <const> = fn()
    local ok, err = pcall(function()
      posix.starve(n)
      subject.run()
    end)
    local refused = posix.feed()
    assert(ok or is_shortage(err), err)
    check(subject, n)
    n, fine = n + 1, refused and 0 or fine + 1
  until fine == 3 -- how many there are is not quite the same each time
  return n
end

describe("memory that is short for a moment in the program", function()
  teardown(leftovers.none)

  -- Futures had ended, and those who waited for them were not told: what was due was put into queues after the end,
  -- without room in them.
  it("delays ends, callbacks, events and what is chained, and loses none", function()
    local pool <close> = tine.pool(2)
    local function task(i)
      if i == 3 then tine.worker.emit(i) end
      return i, "x", { i }
    end
    for _, how in ipairs { "wait", "as_completed", "dispatch", "set_result" } do
      at_each_allocation(here, function()
        local s = { called = { 0, 0, 0, 0, 0, 0 }, events = { 0 }, futures = {}, chained = {}, manual = {} }
        for i = 1, 3 do
          local future, manual = pool:with { output = "capture" }:submit(task, i), tine.future()
          future:add_done_callback(function() s.called[i] = s.called[i] + 1 end)
          future:on_event(function() s.events[1] = s.events[1] + 1 end)
          manual:add_done_callback(function() s.called[3 + i] = s.called[3 + i] + 1 end)
          s.futures[i], s.chained[i], s.manual[i] = future, future:chain(same, "chained"), manual
        end
        s.completed = tine.as_completed(s.futures)
        function s.run()
          if how == "wait" then tine.wait(s.futures)
          elseif how == "as_completed" then s.completed()
          elseif how == "dispatch" then pool:dispatch()
          else for i = 1, 3 do s.manual[i]:set_result(i, i) end end
        end
        return s
      end, function(s)
        for _, manual in ipairs(s.manual) do
          if not manual:done() then manual:set_result(1, 1) end
        end
        local _, late = tine.wait(s.chained, { timeout = 20 })
        assert.equal(0, #late)
        local given = how == "as_completed" and 1 or 0
        for future in s.completed do
          given = given + 1
          assert.is_true(future:done())
        end
        assert.is_true(given >= 3, given .. " given")
        pool:dispatch()
        assert.same({ 1, 1, 1, 1, 1, 1 }, s.called)
        assert.same({ 1 }, s.events)
        for i, future in ipairs(s.futures) do
          assert.same({ i, "x", { i } }, { future:result() })
          assert.same({ i, "chained" }, { s.chained[i]:result() })
        end
      end)
    end
  end)

  -- It was then gone, and the error said that the state was being closed; or the shortage became the task's failure.
  it("leaves a result, or an error, that could not be decoded, for the next time", function()
    local pool <close> = tine.pool(1)
    local ok, bad = pool:submit(same, { "a" }, { "b" }, 3), nil
    at_each_allocation(here, function()
      ok, bad = pool:submit(same, { "a" }, { "b" }, 3), pool:submit(error, { "c" })
      tine.wait { ok, bad }
      return { run = function()
        ok:result()
        bad:exception()
      end }
    end, function()
      assert.same({ { "a" }, { "b" }, 3 }, { ok:result() })
      assert.same({ "c" }, (bad:exception()))
    end)
  end)
end)

for _, workers in ipairs { 0, 1, 2 } do
  describe("memory that is short in a task that waits for tasks, workers = " .. workers, function()
    teardown(leftovers.none)

    -- It failed with serialization: "the result of ... cannot be decoded: not enough memory".
    it("is the task's own lack of it where a result is too large for its limit", function()
      local pool <close> = tine.pool { workers = workers }
      local view = pool:with { memory = 4 << 20 }
      local err = view:submit(function()
        return tine.worker.pool:submit(string.rep, "x", 16 << 20):result()
      end):exception(20)
      assert.same({ "memory", 4 << 20 }, { tine.kind(err), err.limit })
      assert.same({ false, "not enough memory", 7 }, { view:submit(function()
        local large, small = tine.worker.pool:submit(string.rep, "x", 16 << 20), tine.worker.pool:submit(math.abs, -7)
        local ok, why = pcall(large.result, large)
        return ok, why, small:result()
      end):result(20) })
    end)

    -- The result had been taken from the mail when the memory ran out, and the task waited for it for ever.
    it("loses no result", function()
      local pool <close> = tine.pool { workers = workers, on_crash = "replace" }
      for _, how in ipairs { "result", "wait", "as_completed" } do
        local n = pool:with { timeout = 20 }:submit(function()
          local futures, completed, called
          return at_each_allocation(require "spec.support.posix", function()
            futures, called = {}, { 0, 0, 0 }
            for i = 1, 3 do
              futures[i] = tine.worker.pool:submit(same, i, "x")
              futures[i]:add_done_callback(function() called[i] = called[i] + 1 end)
            end
            completed = how == "as_completed" and tine.as_completed(futures)
            return { run = function()
              if completed then for _ in completed do end return end
              if how == "wait" then return tine.wait(futures) end
              for _, future in ipairs(futures) do future:result() end
            end }
          end, function()
            for i, future in ipairs(futures) do
              local ok, x = future:pcall()
              -- the shortage may have hit the task itself, which ran on top of this one
              assert(ok and x == i or not ok and is_shortage(x), x)
              assert(called[i] == 1, "called " .. called[i] .. " times")
            end
            if completed then for _ in completed do end end
          end)
        end):result(30)
        assert.is_true(workers == 0 or n > 3)
      end
    end)

    -- Items were counted as submitted before they were: the map waited for what was not there, without a pause.
    it("ends a map", function()
      local pool <close> = tine.pool { workers = workers, on_crash = "replace" }
      for _, ordered in ipairs { true, false } do
        local n = pool:with { timeout = 20 }:submit(function()
          return at_each_allocation(require "spec.support.posix", function()
            return { run = function()
              for i, v in tine.worker.pool:map(math.abs, { -1, -2, -3, -4, -5 }, { ordered = ordered }) do
                assert(i == v)
              end
            end }
          end, function() end)
        end):result(30)
        assert.is_true(workers == 0 or n > 3)
      end
    end)
  end)
end
