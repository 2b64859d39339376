-- A server in a controller of cqueues (Debian's lua-cqueues). A pool computes the answers, and a timer goes on ticking
-- meanwhile.
--
--     lua5.4 examples/loops/cqueues.lua [port] &     (prints the port; 0: any)
--     printf '10\n20000\ngap\nstop\n' | nc -N localhost PORT
--
-- A line with a number is answered by how many primes there are up to it, `gap` by the longest time, in milliseconds,
-- between two ticks since the last `gap`; `stop` ends the server.
local tine = require "tine"
local cqueues = require "cqueues"
local socket = require "cqueues.socket"

if arg[1] == "--help" then
  print "usage: cqueues.lua [port]"
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

local loop = cqueues.new()
local pool <close> = tine.pool { workers = 2, max_pending = 50 }
require "tine.cqueues".attach(pool, loop)

local server = assert(socket.listen { host = "127.0.0.1", port = port })
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

loop:wrap(function()
  local last = cqueues.monotime()
  while true do
    cqueues.sleep(0.005)
    local now = cqueues.monotime()
    gap, last = math.max(gap, now - last), now
  end
end)

loop:wrap(function()
  for client in server:clients() do
    loop:wrap(function()
      for line in client:lines() do
        client:write(answer(line), "\n")
        client:flush()
      end
      client:close()
    end)
  end
end)

assert(server:listen())
print((select(3, server:localname())))
io.stdout:flush()
while not stopped do assert(loop:step()) end
