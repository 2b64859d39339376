-- Faults that were found once, each with its story.
local tine = require "tine"

describe("regressions", function()
    it("callbacks run in order though one asks for a result", function()
        -- `f:result()` in a callback ran the other callbacks that were due, nested in the middle of the
        -- expression: they came in the wrong order, and `n, sum = n - 1, sum + f:result()` lost updates.
        local future = tine.future()
        local order = {}
        future:add_done_callback(function(f)
            order[#order + 1] = "first " .. f:result()
        end)
        future:add_done_callback(function()
            order[#order + 1] = "second"
        end)
        future:set_result(1)
        future:result()
        assert.same({ "first 1", "second" }, order)

        local pool <close> = tine.pool(2)
        local open, sum = 50, 0
        for i = 1, 50 do
            pool:submit(function(x) return x end, i):add_done_callback(function(f)
                open, sum = open - 1, sum + f:result()
            end)
        end
        pool:shutdown()
        assert.equal(0, open)
        assert.equal(50 * 51 // 2, sum)
    end)

    it("the message of a failed initializer names the pool's state and the cause", function()
        -- the two were put together by arguments whose order of evaluation C leaves open
        local pool <close> = tine.pool {
            workers = 1,
            initializer = function()
                error("no database", 0)
            end,
        }
        local err = pool:submit(math.abs, 1):exception()
        assert.equal("broken", err.kind)
        assert.equal("no database", err.cause)
        assert.matches("initializer failed: no database$", err.message)
    end)

    it("a worker that ends while it starts is not called idle", function()
        local pool <close> = tine.pool {
            workers = 1,
            initializer = function()
                os.exit(4)
            end,
        }
        local err = pool:submit(math.abs, 1):exception()
        assert.equal("broken", err.kind)
        assert.equal(4, err.exit_code)
        assert.matches("starting", err.message)
    end)
end)
