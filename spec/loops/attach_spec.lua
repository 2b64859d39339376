-- Pools and event loops: when a loop goes on and when it ends, several pools, detaching, pools that end.
local support = require "spec.loops.support"

for _, l in ipairs(support.loops) do
  describe("with " .. l.name, function()
    local function prints(expected, text, options)
      assert.equal(expected, (support.run(l, text, options)))
    end

    if not l.old then -- whose loop never ends
      it("the loop ends when there is nothing to do any more", function()
        prints("idle\nblocked 1\ncallback 2\nagain 3\n", [[
          local pool <close> = attached(tine.pool(1))
          run()
          show "idle"
          show("blocked", pool:submit(math.abs, -1):result()) -- taken by somebody else than the loop
          run()
          pool:submit(math.abs, -2):add_done_callback(function(f) show("callback", f:result()) end)
          run()
          pool:submit(math.abs, -3):add_done_callback(function(f) show("again", f:result()) end)
          run()
        ]])
      end)

      it("a submit that is refused keeps no loop alive", function()
        prints("full\nfalse\n", [[
          local wait, open = require "spec.support.gate"()
          local pool <close> = attached(tine.pool { workers = 1, max_pending = 1 })
          pool:submit(wait)
          show(select(2, pool:try_submit(wait)))
          open()
          run()
          pool:shutdown()
          show((pcall(pool.submit, pool, print)))
          run()
        ]])
      end)
    end

    it("callbacks run from the loop, in the order of the ends", function()
      prints("1\n2\n3\n", [[
        local pool <close> = attached(tine.pool(1))
        for i = 1, 3 do pool:submit(math.abs, -i):add_done_callback(function(f) show(f:result()) end) end
        go(function() pool:submit(math.abs, 1):await() end)
        run()
      ]])
    end)

    it("two pools are served at a time", function()
      prints("a 1\nb 2\n", [[
        local wait, open = require "spec.support.gate"()
        local a <close> = attached(tine.pool(1))
        local b <close> = attached(tine.pool(1))
        go(function()
          local one = a:submit(function() wait() return 1 end)
          go(function() b:submit(open):await() end)
          show("a", one:await())
          show("b", b:submit(math.abs, -2):await())
        end)
        run()
      ]])
    end)

    it("attach and detach may be called again", function()
      prints("1\n2\n3\n", [[
        local pool <close> = attached(attached(tine.pool(1)))
        go(function()
          show(pool:submit(math.abs, -1):await())
          detach(pool)
          detach(pool)
          attached(pool)
          show(pool:submit(math.abs, -2):await())
          detach(pool)
          show(pool:submit(math.abs, -3):await())
        end)
        run()
        detach(tine.pool(1))
      ]])
    end)

    it("who waits while the pool is detached is told so", function()
      prints("waits\ninvalid_state true\n5\nsubmitted\n", [[
        local wait, open = require "spec.support.gate"()
        local pool <close> = attached(tine.pool { workers = 1, max_pending = 1 })
        local future = pool:submit(function() wait() return 5 end)
        go(function()
          show "waits"
          local _, err = pcall(future.await, future)
          show(tine.kind(err), err.message:find("detached", 1, true) ~= nil)
          open()
          show(future:await())
        end)
        go(function() pool:submit(math.abs, -1) show "submitted" end)
        go(function() pause() detach(pool) end)
        run()
      ]])
    end)

    it("no other loop gets it meanwhile, and wrong arguments are told at once", function()
      prints("invalid_state\nbad argument #1 to 'attach' (tine.pool expected, got table)\nshutdown\n", ([[
        local pool <close>, ended = attached(tine.pool(1)), tine.pool(1)
        local other = require "tine.%s"
        show(tine.kind(select(2, pcall(other.attach, pool, require "cqueues".new()))))
        show((select(2, pcall(attached, {})):gsub("^%%S+:%%d+: ", "")))
        assert(not select(2, pcall(attached, {})):find "tine/%%w+%%.lua:", "it names the line of its caller")
        ended:shutdown()
        show(tine.kind(select(2, pcall(attached, ended))))
      ]]):format(l.module == "luv" and "cqueues" or "luv"))
    end)

    it("a pool that ends lets its loop and its descriptors go", function()
      prints("true\nfalse shutdown\nbroken\n", [[
        local function descriptors()
          local pipe <close> = io.popen "ls /proc/$PPID/fd | wc -l"
          return pipe:read "n"
        end
        local function once(how)
          local pool = attached(tine.pool { workers = 1 })
          local future
          go(function() future = pool:submit(math.abs, -1) future:await() end)
          run()
          how(pool)
          go(pause)
          go(pause)
          run()
        end
        local function shut(pool) pool:shutdown() end
        once(shut)
        local before = descriptors()
        for _ = 1, 5 do once(shut) end
        for _ = 1, 5 do once(function(pool) pool:shutdown { wait = false } end) end
        for _ = 1, 5 do once(function(pool) detach(pool) pool:shutdown() end) end
        go(function() for _ = 1, 50 do pause() end end) -- those that did not wait
        run()
        collectgarbage()
        show(descriptors() <= before + 3)

        local pool = attached(tine.pool(1))
        local one = pool:submit(math.abs, -1)
        pool:shutdown { wait = false }
        go(function()
          one:await()
          local ok, err = pcall(pool.submit, pool, print)
          show(ok, tine.kind(err))
        end)
        run()

        local breaking = attached(tine.pool(1))
        go(function() show(tine.kind(select(2, pcall(function() breaking:submit(os.exit, 3):await() end)))) end)
        run()
      ]])
    end)

    it("a pool that nobody holds any more finishes its tasks", function()
      prints("1\n", [[
        do
          local pool = attached(tine.pool(1))
          pool:submit(math.abs, -1):add_done_callback(function(f) show(f:result()) end)
        end
        collectgarbage()
        go(function() for _ = 1, 3 do pause() end tine.pool(1):submit(math.abs, 1):result() end)
        run()
      ]])
    end)

    it("a program that ends in the midst of it leaves nothing behind", function()
      prints("ends\n", [[
        local pool = attached(tine.pool(2))
        for _ = 1, 4 do pool:submit(math.abs, -1) end
        go(function() pool:submit(math.abs, -1):await() end)
        show "ends"
      ]])
    end)

    it("a loop can be used in a task", function()
      local task = support.source(l, [[
        local pool <close> = attached(tine.pool(1))
        local result
        go(function() result = pool:submit(math.abs, -7):await() end)
        run()
        return result
      ]])
      prints("7\n7\n", ([[
        local plain <close> = tine.pool(1)
        show(plain:submit(load(%q)):result())
        show(plain:submit(load(%q)):result())
      ]]):format(task, task))
    end)

    it("a loop whose library was preloaded works in every worker by itself", function()
      local path = l.path and ("package.path = %q .. package.path"):format(l.path .. ";") or ""
      local task = support.source(l, [[
        local pool <close> = attached(tine.pool(1))
        local sum = 0
        for i = 1, 50 do
          go(function() pause() local v = pool:submit(math.abs, -i):await() sum = sum + v end)
        end
        run()
        return sum
      ]])
      prints("1275 1275 1275 1275 1275 1275\n", ([[
        %s
        local pool <close> = tine.pool { workers = 3, preload = { %q } }
        show(table.unpack(pool:map(load(%q), { 1, 2, 3, 4, 5, 6 }, { chunksize = 1 }):totable()))
      ]]):format(path, l.module, task))
    end)
  end)
end
