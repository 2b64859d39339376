-- A server in the loop of copas, Debian's (lua-copas, which is there for Lua 5.1 only, but runs in 5.4) or a newer one.
-- A pool computes the answers, and a timer goes on ticking meanwhile.
--
--     lua5.4 examples/loops/copas.lua [port] &       (prints the port; 0: any)
--     printf '10\n20000\ngap\nstop\n' | nc -N localhost PORT
--
-- A line with a number is answered by how many primes there are up to it, `gap` by the longest time, in milliseconds,
-- between two ticks since the last `gap`; `stop` ends the server.
package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
local tine = require "tine"
local copas = require "copas"
local socket = require "socket"

if arg[1] == "--help" then
  print "usage: copas.lua [port]"
  os.exit(true, true)
end

local port = math.tointeger(tonumber(arg[1] or 0))
if not port or port < 0 or port > 65535 then
  io.stderr:write("port is a number up to 65535, not '", arg[1], "'\n")
  os.exit(2, true)
end

local function primes(n)
  local count, composite = 0, {}
  for i = 2, n do
    if not composite[i] then
      count = count + 1
      for k = i * i, n, i do composite[k] = true end
    end
  end
  return count
end

local pool <close> = tine.pool { workers = 2, max_pending = 50 }
require "tine.copas".attach(pool)

local stopped, gap = false, 0

local function answer(line)
  if line == "gap" then
    local longest = gap * 1e3
    gap = 0
    return ("%.1f"):format(longest)
  elseif line == "stop" then
    stopped = true
    return "bye"
  end
  local n = math.tointeger(tonumber(line))
  return n and tostring(pool:submit(primes, n):await()) or "a number, please"
end

local server = assert(socket.bind("127.0.0.1", port))
copas.addserver(server, function(client)
  client = copas.wrap(client)
  while true do
    local line = client:receive()
    if not line then return end
    client:send(answer(line) .. "\n")
  end
end)
print((select(2, server:getsockname())))
io.stdout:flush()

-- Old ones have no timers: a step that has nothing to do ends after so long.
local last = tine.clock()
while not stopped do
  copas.step(0.005)
  local now = tine.clock()
  gap, last = math.max(gap, now - last), now
end
