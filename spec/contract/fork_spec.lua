-- Handles of a pool in a child that the host itself forked: a clear error, and no harm to the owner.
local program = require "spec.support.program"

describe("in a forked child of its owner", function()
  -- Runs `body` in the child, prints what it prints, and then lets the owner use the pool. `before` is run before the
  -- fork; `owned` is what the owner prints first, afterwards.
  local function in_child(body, before, owned)
    -- (A sanitizer cannot look for leaks in a child that was forked beside other threads.)
    local ended = program.run([[
      local tine = require "tine"
      local posix = require "spec.support.posix"
      io.stdout:setvbuf "no"
      local pool = tine.pool { workers = 1 }
      local finished = pool:submit(math.abs, -1)
      finished:result(20)
      local slow = pool:submit(function() os.execute "sleep 0.3" return "slow" end)
      local child
      ]] .. (before or "") .. [[
      child = posix.fork()
      if child == 0 then
        local function kind_of(...) return tine.kind(select(2, pcall(...))) end
        ]] .. body .. [[
        posix.exit(0)
      end
      print(posix.wait(child))
      print(slow:result(20), pool:submit(math.abs, -2):result(20))
      pool:shutdown()
      os.execute("rm -r " .. posix.folder)
    ]], { before = "env ASAN_OPTIONS=detect_leaks=0" })
    assert.equal("", ended.err)
    assert.equal(0, ended.code)
    local out, owner = ended.out:match "^(.-)exit\t0\n(.*)$"
    assert.equal((owned or "") .. "slow\t2\n", owner, ended.out)
    return out
  end

  it("submit, map, wait and result of an unfinished future raise forked", function()
    assert.equal("forked forked forked\n", in_child [[
      print(kind_of(pool.submit, pool, math.abs, 1) .. " " .. kind_of(pool.map, pool, math.abs, { 1 }) .. " "
            .. kind_of(slow.result, slow, 1))
    ]])
  end)

  it("callbacks that were due are called by the owner alone", function()
    assert.equal("1\n", in_child([[
      local own <close> = tine.pool(1)
      print(own:submit(math.abs, -1):result())
      tine.future():set_result()
    ]], [[
      local done = pool:submit(math.abs, -3)
      done:add_done_callback(function() print(child == 0 and "called" or "owner") end)
      while done:state() ~= "finished" do tine.sleep(0.001) end
      tine.sleep(0.001) -- takes the result in, and runs no callbacks
    ]], "owner\n"))
  end)

  it("a loop over a frozen table that began before raises forked", function()
    assert.equal("forked\n", in_child([[
      print(kind_of(next_pair, state, key))
    ]], [[
      local next_pair, state = pairs(tine.freeze { 1, 2, 3 })
      local key = next_pair(state)
    ]]))
  end)

  it("shutdown and a collected pool do no harm to the owner's", function()
    in_child [[
      pcall(pool.shutdown, pool)
      pcall(pool.kill_workers, pool)
      pcall(pool.dispatch, pool)
      pcall(pool.stats, pool)
      pcall(slow.cancel, slow)
      pcall(slow.abort, slow)
      pool, slow, finished = nil, nil, nil
      collectgarbage()
      collectgarbage()
    ]]
  end)

  it("os.exit with close does no harm, and ends", function()
    in_child [[ os.exit(0, true) ]]
  end)

  it("a new pool can be made", function()
    assert.equal("9\n", in_child [[
      local own = tine.pool(1)
      print(own:submit(math.abs, -9):result(20))
      own:shutdown()
    ]])
  end)

  it("the end of the child by SIGKILL does no harm", function()
    local ended = program.run [[
      local tine = require "tine"
      local posix = require "spec.support.posix"
      local pool = tine.pool { workers = 1 }
      pool:submit(math.abs, -1):result(20)
      local child = posix.fork()
      if child == 0 then
        os.execute("kill -KILL " .. io.open("/proc/self/stat"):read "n")
      end
      print(posix.wait(child))
      print(pool:submit(math.abs, -2):result(20))
      pool:shutdown()
      os.execute("rm -r " .. posix.folder)
    ]]
    assert.equal("", ended.err)
    assert.equal("signal\t9\n2\n", ended.out)
  end)

  it("that outlives the owner keeps no worker alive", function()
    local p = program.start [[
      local tine = require "tine"
      local posix = require "spec.support.posix"
      io.stdout:setvbuf "no"
      local pool = tine.pool { workers = 1 }
      local pid = pool:submit(function() return tine.worker.pid end):result(20)
      local future = pool:submit(function() while true do end end)
      local child = posix.fork()
      if child == 0 then
        require("system").sleep(60)
        posix.exit(0)
      end
      os.execute("rm -r " .. posix.folder)
      print(child, pid)
      os.exit(0)
    ]]
    local numbers = p:numbers()
    local eventually = require "spec.support.eventually"
    local processes = require "spec.support.processes"
    eventually(function() return not processes.alive(numbers[2]) end, "the worker ends", 5)
    assert.is_true(processes.alive(numbers[1]))
    processes.signal("KILL", numbers[1])
    p:close()
  end)
end)
