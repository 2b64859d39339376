-- What is of one loop only: a pool as an object for cqueues and LuaSocket, controllers, handlers of copas.
local support = require "spec.loops.support"

local function loop_of(name)
  for _, l in ipairs(support.loops) do
    if l.name == name then return l end
  end
end

local function prints(name, expected, text)
  local l = loop_of(name)
  if l then assert.equal(expected, (support.run(l, text))) end
end

describe("a pool", function()
  it("can be polled by cqueues", function()
    prints("cqueues", "r nil\n1\n2\n0\ntrue\n", [[
      local pool = tine.pool(1)
      show(pool:events(), pool:timeout())
      go(function()
        for i = 1, 2 do
          local done
          pool:submit(math.abs, -i):add_done_callback(function(f) done = f:result() end)
          while not done do cqueues.poll(pool) pool:dispatch() end -- a callback of a done future is called at once
          show(done)
        end
        pool:shutdown { wait = false }
        while not pool:timeout() do cqueues.poll(pool) pool:dispatch() end
        show(pool:timeout())
        -- the number of the descriptor is nobody else's while the controller knows it
        local file = io.open "/dev/null"
        cqueues.poll(pool, 5)
        cqueues.sleep(0)
        show(file ~= nil)
      end)
      run()
    ]])
  end)

  it("is taken by LuaSocket's select", function()
    prints("luv", "1\nfalse\n-1 false\n", [[
      local socket = require "socket"
      local pool, done = tine.pool(1), nil
      pool:submit(math.abs, -1):add_done_callback(function(f) done = f:result() end)
      while not done do
        local ready = socket.select({ pool })
        assert(ready[1] == pool)
        pool:dispatch()
      end
      show(done)
      pool:dispatch() -- if it was done before anybody waited, what told so is still there
      local wait, open = require "spec.support.gate"()
      local one = pool:submit(wait)
      one:add_done_callback(function() end) -- of a done one it would be called at once, and nothing be due
      open()
      repeat until one:done()
      pool:workers()
      show(#socket.select({ pool }, nil, 5) ~= 1)
      pool:shutdown()
      show(pool:getfd(), pool:dirty())
    ]])
  end)
end)

describe("tine.cqueues", function()
  it("takes the running controller, or says that there is none", function()
    prints("cqueues", "1\nbad argument #2 to 'attach' (controller expected: none is running)\n" ..
      "bad argument #2 to 'attach' (controller expected, got number)\n", [[
      local pool <close> = tine.pool(1)
      go(function()
        service.attach(pool)
        show(pool:submit(math.abs, -1):await())
      end)
      run()
      show((select(2, pcall(service.attach, pool)):gsub("^%S+:%d+: ", "")))
      show((select(2, pcall(service.attach, pool, 1)):gsub("^%S+:%d+: ", "")))
    ]])
  end)

  it("serves the coroutines of its controller only", function()
    prints("cqueues", "1 nil\ninvalid_state nil\n", [[
      local pool <close> = attached(tine.pool(1))
      local inner = cqueues.new()
      go(function()
        local future = pool:submit(math.abs, -1)
        show(future:await(), nil)
        inner:wrap(function() show(tine.kind(select(2, pcall(future.await, future))), nil) end)
        assert(inner:loop())
      end)
      run()
    ]])
  end)
end)

describe("tine.copas", function()
  for _, name in ipairs { "copas 1", "copas" } do
    it("serves handlers, whose sockets are closed when they have ended: " .. name, function()
      prints(name, "1 4 9 closed\n", [[
        local socket = require "socket"
        local pool <close> = attached(tine.pool(2))
        local server = assert(socket.bind("127.0.0.1", 0))
        local _, port = server:getsockname()
        copas.addserver(server, function(client)
          client = copas.wrap(client)
          for _ = 1, 3 do
            local n = tonumber((client:receive()))
            client:send(pool:submit(function(x) return x * x end, n):await() .. "\n")
          end
          pool:submit(math.abs, 1):await() -- the last that it waits for is no socket
        end)
        go(function()
          local plain = assert(socket.connect("127.0.0.1", port))
          plain:settimeout(0)
          local client = copas.wrap(plain)
          client:send "1\n2\n3\n"
          local list = {}
          for i = 1, 3 do list[i] = client:receive() end
          list[4] = select(2, client:receive())
          show(table.concat(list, " "))
          if copas.removeserver then copas.removeserver(server) end
        end)
        run()
      ]])
    end)

    it("runs in any coroutine, and threads in threads: " .. name, function()
      prints(name, "1\n2\n3\n", [[
        local pool <close> = attached(tine.pool(2))
        local main = coroutine.wrap(function()
          go(function()
            show(pool:submit(math.abs, -1):await())
            go(function()
              show(pool:submit(math.abs, -2):await())
              show(pool:submit(math.abs, -3):await())
            end)
          end)
          run()
        end)
        main()
      ]])
    end)
  end
end)
