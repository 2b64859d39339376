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

        -- and later still did so when the future had ended just before its callback was added
        for _ = 1, 60 do
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
        end
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

    it("the first function of a pool has its name in the label", function()
        -- the origin was looked for before the index of names existed
        local pool <close> = tine.pool(1)
        assert.matches("math%.abs #1", tostring(pool:submit(math.abs, 1)))
    end)

    it("a failed preload is always the cause", function()
        -- the fork server ended with messages of ours unread: the reset that this leaves hid its last words; and on a
        -- busy machine tine.pool itself raised the error, when the pool was over before it had returned
        for _ = 1, 30 do
            local pool <close> = tine.pool {
                workers = 1,
                preload = function()
                    error("no data", 0)
                end,
            }
            local ok, future = pcall(pool.submit, pool, math.abs, 1)
            local err = ok and future:exception() or future
            assert.equal("broken", err.kind)
            assert.equal("no data", err.cause)
        end
    end)

    it("a failed preload always ends its fork server", function()
        -- the end of the pool had the preload's guard stop the fork server, to kill it, at the instant at which that
        -- killed its guard: a stopped fork server, and a shutdown that never ended; once in some hundred times
        for _ = 1, 400 do
            local pool = tine.pool {
                workers = 1,
                preload = function()
                    error("no data", 0)
                end,
            }
            pcall(pool.submit, pool, math.abs, 1)
            pool:shutdown()
        end
    end)

    it("a task that is seen to run is counted as running", function()
        -- `state` looked at the queue, `stats` at what the worker had said, a moment later
        local pool = tine.pool(1)
        local future = pool:submit(function()
            while true do
            end
        end)
        repeat until future:running()
        local stats, workers = pool:stats(), pool:workers()
        pool:kill_workers()
        pool:shutdown()
        assert.equal(1, stats.running)
        assert.equal(0, stats.pending)
        assert.equal(1, #workers)
    end)

    it("a pool may end while a call is encoded for it", function()
        -- by a finalizer, or by the input of a map: the buffer grew in memory of the pool that was gone
        local large = ("x"):rep(5000)
        local pool = tine.pool(1)
        pool:submit(math.abs, 1):result()
        local i = 0
        local function input()
            i = i + 1
            if i == 5 then
                pool:shutdown()
            end
            return large
        end
        local ok, err = pcall(function()
            pool:map(string.len, input, { chunksize = 10 }):totable()
        end)
        assert.is_false(ok)
        assert.equal("shutdown", tine.kind(err))

        for _ = 1, 20 do
            local other, ended = tine.pool(1), false
            setmetatable({}, { __gc = function()
                ended = true
                other:shutdown()
            end })
            local kind
            repeat
                local sent, why = pcall(other.submit, other, string.len, { large, {}, {} }, input)
                kind = not sent and tine.kind(why)
            until kind
            assert.is_true(ended)
            assert.equal("shutdown", kind)
        end
    end)
end)
