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
