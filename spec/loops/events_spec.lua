-- future:events in coroutines of an event loop.
local support = require "spec.loops.support"

for _, l in ipairs(support.loops) do
  describe("with " .. l.name, function()
    local function prints(expected, text)
      assert.equal(expected, (support.run(l, text)))
    end

    it("events lets others go on", function()
      prints("waits\nopens\n1\n2\nend\n", [[
        local wait, open = require "spec.support.gate"()
        local pool <close> = attached(tine.pool(1))
        go(function()
          local future = pool:submit(function() wait() tine.worker.emit(1) tine.worker.emit(2) end)
          show "waits"
          for i in future:events() do show(i) end
          show "end"
        end)
        go(function() pause() show "opens" open() end)
        run()
      ]])
    end)

    -- The next turn of the loop found nothing new, and let the reader sleep; for ever, if the task waited for it.
    it("an event that somebody else has taken in reaches its reader", function()
      prints("7\n1\n2\n3\nend\n", [[
        local wait, open = require "spec.support.gate"()
        local emitted = tine.buffer(8)
        local pool <close> = attached(tine.pool { workers = 2, event_buffer = 1 })
        local future = pool:submit(function()
          wait()
          for i = 1, 3 do tine.worker.emit(i) emitted:add(1, 1) end
        end)
        go(function()
          for i in future:events() do show(i) end
          show "end"
        end)
        go(function()
          pause()
          open()
          while emitted:get("j", 1) == 0 do end
          show(pool:submit(math.abs, -7):result())
        end)
        run()
      ]])
    end)

    it("a result that somebody else has taken in reaches the map that waits for it", function()
      prints("7\n1\n2\n", [[
        local wait, open = require "spec.support.gate"()
        local wait_again, open_again = require "spec.support.gate"()
        local pool <close> = attached(tine.pool(3))
        local results = pool:map(function(i)
          if i == 1 then wait() else wait_again() end
          return i
        end, { 1, 2 }, { chunksize = 1 })
        go(function()
          for _, n in results do show(n) if n == 1 then open_again() end end
        end)
        go(function()
          pause()
          open()
          tine.sleep(0.1) -- so the first one has ended
          show(pool:submit(math.abs, -7):result())
        end)
        run()
      ]])
    end)

    it("tasks that are read or awaited go on beyond event_buffer, and so does what is in their way", function()
      prints("100\n100\n1\n", [[
        local function emit(n) for i = 1, n do tine.worker.emit(i) end return n end
        local pool <close> = attached(tine.pool { workers = 1, event_buffer = 5 })
        go(function()
          local n = 0
          for _ in pool:submit(emit, 100):events() do n = n + 1 end
          show(n)
          show(pool:submit(emit, 100):await())
          kept = pool:submit(emit, 100)
          show(pool:submit(math.abs, -1):await())
        end)
        run()
      ]])
    end)
  end)
end
