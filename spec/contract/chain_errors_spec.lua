-- The error of a future that was an argument: what needs it fails with the same, however many steps away.
--
-- Where the program had read the failed future already, or had made it by hand, or it was of another pool, only the
-- first task that needed it got its error. Items of a map, and what needed that first task, got a table of kind "task",
-- which no document names, with the text (or, for a table, with its address) as the message and no traceback.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"

local function pass(...) return ... end

-- The errors of: a task that needs `future`; one that needs that; a chain of it; items of a map that need each of them.
local function errors_behind(pool, future)
  local first = pool:submit(pass, future)
  local second = pool:submit(pass, 1, first)
  local third = second:chain(pass)
  local found = {}
  for i, f in ipairs { third, second, first } do found[i] = { f:exception(20) } end
  local items = { future, first, second, 4 }
  for i, value, err, traceback in pool:map(pass, items, { on_error = "return", timeout = 20 }) do
    if i < 4 then found[3 + i] = { err, traceback } else assert.equal(4, value) end
  end
  assert.equal(6, #found)
  return found
end

describe("the error of a future as an argument", function()
  teardown(leftovers.none)

  local function fail() error { code = 7, list = { 1, 2 } } end

  for _, workers in ipairs { 0, 2 } do
    describe(("with %d workers"):format(workers), function()
      local pool
      before_each(function() pool = tine.pool { workers = workers } end)
      after_each(function() pool:shutdown() end)

      local function all_are(future, check)
        for _, found in ipairs(errors_behind(pool, future)) do check(found[1], found[2]) end
      end

      local function is_seven(err, traceback)
        assert.same({ code = 7, list = { 1, 2 } }, err)
        assert.matches("in function <[^>]*chain_errors_spec%.lua:%d+>", traceback)
      end

      it("is the same when the future was read before", function()
        local failed = pool:submit(fail)
        all_are(failed, is_seven)
        failed:exception()
        all_are(failed, is_seven)
      end)

      it("is the same when it is of another pool", function()
        local other <close> = tine.pool { workers = workers }
        all_are(other:submit(fail), is_seven)
        all_are(other:submit(error, "far", 0), function(err) assert.equal("far", err) end)
      end)

      it("is the same when it was made by hand, before or after", function()
        local before, after = tine.future(), tine.future()
        before:set_exception({ code = 7 }, "its traceback")
        local needs = pool:submit(pass, pool:submit(pass, after))
        after:set_exception({ code = 8 }, "its traceback")
        all_are(before, function(err, traceback)
          assert.same({ code = 7 }, err)
          assert.equal("its traceback", traceback)
        end)
        assert.equal(8, needs:exception(20).code)
      end)

      it("keeps its kind and fields when it is one of Tine's", function()
        local late = pool:with({ timeout = 0.01 }):submit(function() while true do end end)
        late:exception()
        all_are(late, function(err)
          assert.equal("timeout", tine.kind(err))
          assert.equal("running", err.phase)
        end)
      end)

      it("arrives as text when it cannot travel, but for the first", function()
        local by_hand = tine.future()
        local object = setmetatable({ coroutine.create(pass) }, { __tostring = function() return "my text" end })
        by_hand:set_exception(object)
        local found = errors_behind(pool, by_hand)
        for i, pair in ipairs(found) do
          if i ~= 3 then
            assert.equal("my text", pair[1])
            assert.matches("arrives as text: error value: key 1: cannot send a coroutine", pair[2], 1, true)
          end
        end
        assert.equal("table", type(found[3][1]))
      end)

      it("may be nil, or an integer", function()
        for _, value in ipairs { "nil", 42 } do
          local by_hand = tine.future()
          by_hand:set_exception(value ~= "nil" and value or nil)
          for _, found in ipairs(errors_behind(pool, by_hand)) do
            assert.equal(value ~= "nil" and value or nil, found[1])
          end
        end
      end)
    end)
  end
end)
