-- future:await, submit and map in coroutines of an event loop.
local support = require "spec.loops.support"

for _, l in ipairs(support.loops) do
  describe("with " .. l.name, function()
    local function prints(expected, text, options)
      assert.equal(expected, (support.run(l, text, options)))
    end

    -- By the program `tine`, which has the module compiled in: where Tine's module for the loop was loaded first,
    -- `await` called itself for ever, and so it did in workers.
    for _, first in ipairs { "tine", "loop", "adapter" } do
      it("await gives what result gives, whatever is required first: " .. first, function()
        prints("1 nil 3\nfalse oops\nfalse cancelled\nfalse table 7\n1\n", [[
          local pool <close> = attached(tine.pool(2))
          go(function()
            show(pool:submit(function() return 1, nil, 3 end):await())
            show(pcall(function() return pool:submit(error, "oops", 0):await() end))
            local endless = pool:submit(function() while true do end end)
            go(function() endless:abort() end)
            local ok, err = pcall(endless.await, endless)
            show(ok, tine.kind(err))
            ok, err = pcall(function() return pool:submit(error, { code = 7 }):await() end)
            show(ok, type(err), err.code)
            show(pool:with({ label = "x" }):submit(math.abs, -1):await(10))
          end)
          run()
        ]], { first = first ~= "tine" and first, tine = first == "adapter" })
      end)
    end

    it("others go on while one awaits", function()
      prints("waits\nopens\n1\n2\n", [[
        local wait, open = require "spec.support.gate"()
        local pool <close> = attached(tine.pool(2))
        go(function()
          local one = pool:submit(function() wait() return 1 end)
          show "waits"
          show(one:await())
          show(pool:submit(math.abs, -2):await())
        end)
        go(function() pause() show "opens" open() end)
        run()
      ]])
    end)

    it("several await the same future, also again", function()
      prints("1\n1\n1\n1\n", [[
        local wait, open = require "spec.support.gate"()
        local pool <close> = attached(tine.pool(2))
        local one = pool:submit(function() wait() return 1 end)
        for i = 1, 2 do go(function() show(one:await()) show(one:await()) end) end
        go(open)
        run()
      ]])
    end)

    it("await ends after its timeout, each in its order", function()
      prints("first timeout\nsecond timeout\nthird timeout\nthird 1\n", [[
        local wait, open = require "spec.support.gate"()
        local pool <close> = attached(tine.pool(2))
        local one = pool:submit(function() wait() return 1 end)
        go(function()
          show("third", tine.kind(select(2, pcall(one.await, one, 0.9))))
          open()
          show("third", one:await(60))
        end)
        go(function() show("first", tine.kind(select(2, pcall(one.await, one, 0)))) end)
        go(function() show("second", tine.kind(select(2, pcall(one.await, one, 0.3)))) end)
        run()
      ]])
    end)

    it("a thousand coroutines await as many tasks, and as many time limits", function()
      prints("500500 1000\n", [[
        local pool <close> = attached(tine.pool(2))
        local never, sum, late = tine.future(), 0, 0
        for i = 1, 1000 do
          go(function() local v = pool:submit(math.abs, -i):await() sum = sum + v end)
          go(function() if not pcall(never.await, never, (i * 7919 % 1000) / 2e4) then late = late + 1 end end)
        end
        run()
        show(sum, late)
      ]])
    end)

    it("await is result outside of coroutines, and where nothing is attached", function()
      prints("1\n2\n3\n4\n", [[
        local pool <close> = attached(tine.pool(1))
        local other <close> = tine.pool(1)
        show(pool:submit(math.abs, -1):await())
        coroutine.wrap(function() show(other:submit(math.abs, -2):await()) end)()
        detach(pool)
        coroutine.wrap(function() show(pool:submit(math.abs, -3):await()) end)()
        go(function() show(pool:submit(math.abs, -4):await()) end)
        run()
      ]])
    end)

    it("a future without a pool can be awaited", function()
      prints("now 7\ntimeout\nbad argument #1 to 'await' (number expected, got string)\n", [[
        local pool <close> = attached(tine.pool(1))
        local future, never = tine.future(), tine.future()
        go(function() show("now", future:await()) end)
        go(function() pause() future:set_result(7) end)
        go(function() show(tine.kind(select(2, pcall(never.await, never, 0.05)))) end)
        run()
        show((select(2, pcall(future.await, future, "soon")):gsub("^%S+:%d+: ", "")))
      ]])
    end)

    it("a future without a pool that is done when no task is any more keeps no loop", function()
      -- Its coroutine was woken and the pool watched again for that, with nothing left to be told: for ever.
      prints("7\nover\n", [[
        local pool <close> = attached(tine.pool(1))
        local future = tine.future()
        go(function() show(future:await()) end)
        go(function() pool:submit(tine.sleep, 0.01):await() pause() future:set_result(7) end)
        run()
        show "over"
      ]])
    end)

    it("a future without a pool is awaited on when the pool by which it was has ended", function()
      prints("7\n7\nnobody: invalid_state\n", [[
        local first, future, never = attached(tine.pool(1)), tine.future(), tine.future()
        for _ = 1, 2 do go(function() show(future:await()) end) end
        local second = attached(tine.pool(1))
        go(function()
          first:shutdown()
          for _ = 1, 5 do pause() end -- its loop has let go of it
          future:set_result(7)
          second:shutdown()
        end)
        go(function() show("nobody: " .. tostring(tine.kind(select(2, pcall(never.await, never))))) end)
        run()
      ]])
    end)

    it("results that somebody takes without the loop reach it all the same", function()
      prints("awaited 1\nawaited 2\nblocked 1\nsubmitted 3\n", [[
        local wait, open = require "spec.support.gate"()
        local pool <close> = attached(tine.pool { workers = 2, max_pending = 2 })
        local one, two = pool:submit(function() wait() return 1 end), pool:submit(math.abs, -2)
        local order = {}
        local function note(...) order[#order + 1] = table.concat({ ... }, " ") end
        go(function() local v = two:await() pause() pause() note("awaited", v) v = one:await() note("awaited", v) end)
        go(function() two:result() local v = pool:submit(math.abs, -3):await() note("submitted", v) end)
        go(function() open() note("blocked", one:result()) pool:join() end)
        run()
        table.sort(order)
        show(table.concat(order, "\n"))
      ]])
    end)

    it("a submit for which there is no room lets the loop go on, each with its call as it was", function()
      prints("opens\n8 true\n", [[
        local wait, open = require "spec.support.gate"()
        local pool <close> = attached(tine.pool { workers = 1, max_pending = 1 })
        local came, went, last = {}, {}, {}
        pool:submit(wait)
        for i = 1, 8 do
          go(function()
            came[#came + 1], last[1] = i, i
            local future = pool:submit(function(t) return t[1] end, last) -- as it is now
            local v = future:await()
            went[#went + 1] = v
          end)
        end
        go(function() pause() pause() show "opens" open() end)
        run()
        table.sort(came)
        table.sort(went)
        show(#went, table.concat(went) == table.concat(came))
      ]])
    end)

    it("a submit that waits is refused when the pool ends", function()
      prints("broken\nbroken\n", [[
        local wait = require "spec.support.gate"()
        local pool <close> = attached(tine.pool { workers = 1, max_pending = 1 })
        local one = pool:submit(wait)
        go(function() show(tine.kind(select(2, pcall(one.await, one)))) end)
        go(function()
          local _, err = pcall(pool.submit, pool, math.abs, 1)
          show((tine.kind(err):gsub("shutdown", "broken")))
        end)
        go(function() pause() pool:kill_workers() end)
        run()
      ]])
    end)

    it("map lets the loop go on, with little room too", function()
      for _, options in ipairs { "workers = 2", "workers = 2, max_pending = 1" } do
        prints("opens\n1 2\n2 4\n3 6\n15 20\n", ([[
          local wait, open = require "spec.support.gate"()
          local pool <close> = attached(tine.pool { %s })
          go(function()
            for i, v in pool:map(function(x) if x == 1 then wait() end return 2 * x end, { 1, 2, 3 }) do show(i, v) end
            local n, sum, items = 0, 0, 0
            local function input() if n < 5 then n = n + 1 return n end end
            for _, v in pool:map(function(x) return x end, input, { ordered = false, chunksize = 2 }) do
              sum, items = sum + v, items + 1
            end
            local list = pool:map(function(x) return 2 * x end, { 1, 2, 3, 4 }):totable()
            show(sum, list[1] + list[2] + list[3] + list[4])
          end)
          go(function() pause() show "opens" open() end)
          run()
        ]]):format(options))
      end
    end)

    it("the errors of a map come as they do elsewhere", function()
      prints("1 1\nfalse no 2\n3 3\nnil\nfalse input\nfalse timeout\n", [[
        local pool <close> = attached(tine.pool(2))
        go(function()
          local it = pool:map(function(x) if x == 2 then error("no 2", 0) end return x end, { 1, 2, 3 })
          show(it())
          show(pcall(it))
          show(it())
          show(it())
          show(pcall(pool.map, pool, math.abs, function() error("input", 0) end))
          local endless = pool:map(function() while true do end end, { 1 }, { timeout = 0.05 })
          local ok, err = pcall(endless)
          show(ok, tine.kind(err))
          pool:kill_workers()
        end)
        run()
      ]])
    end)

    it("who cannot yield is told so, or waits", function()
      prints("true\nsubmitted\n", [[
        local pool <close> = attached(tine.pool { workers = 1, max_pending = 1 })
        go(function()
          local future = pool:submit(math.abs, -1)
          local ok, err = pcall(string.gsub, "x", "x", function() future:await() end)
          show(not ok and tine.kind(err) == "invalid_state" and err.message:find("cannot yield", 1, true) ~= nil)
          string.gsub("xx", "x", function() pool:submit(math.abs, -1) end)
          show "submitted"
        end)
        run()
      ]])
    end)

    it("a callback may await what is done, as it was called for that", function()
      prints("callback 1\nin vain\n1\n", [[
        local pool <close> = attached(tine.pool(1))
        local future = pool:submit(math.abs, -1)
        future:add_done_callback(function(f)
          show("callback", f:await()) -- it was refused: a callback cannot yield
          local blocked = pool:submit(function() while true do end end)
          show(pcall(blocked.await, blocked, 0.01) and "done" or "in vain")
          blocked:abort()
        end)
        go(function() show(future:await()) end)
        run()
      ]])
    end)

    it("an error in a coroutine is the loop's, and the others go on", function()
      local text = [[
        local pool <close> = attached(tine.pool(1))
        go(function() pool:submit(math.abs, -1):await() error("on purpose", 0) end)
        go(function() local v = pool:submit(math.abs, -2):await() show("after", pool:submit(math.abs, -v):await()) end)
        local ok, err = pcall(run)
        if not ok then io.stderr:write(tostring(err), "\n") run() end
      ]]
      if l.module == "luv" then -- which ends the program
        local ended = require "spec.support.program".run(support.source(l, text))
        assert.matches("on purpose", ended.err, 1, true)
      else
        local out, err = support.run(l, text)
        assert.matches("on purpose", out .. err, 1, true)
        assert.matches("after 2", out, 1, true)
      end
    end)

    if l.module ~= "luv" then -- which runs any
      it("a coroutine that the loop does not run is told so", function()
        prints("invalid_state\ntrue\n1\n", [[
          local pool <close> = attached(tine.pool(1))
          go(function()
            local future = pool:submit(math.abs, -1)
            local inner = coroutine.wrap(function() return pcall(future.await, future) end)
            local _, err = inner()
            show(tine.kind(err))
            show(err.message:find("which does not run this coroutine", 1, true) ~= nil)
            show(future:await())
          end)
          run()
        ]])
      end)
    end
  end)
end
