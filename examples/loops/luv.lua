-- A server in a loop of libuv (Debian's lua-luv). A pool computes the answers, and a timer goes on ticking meanwhile.
--
--     lua5.4 examples/loops/luv.lua [port] &         (prints the port; 0: any)
--     printf '10\n20000\ngap\nstop\n' | nc -N localhost PORT
--
-- A line with a number is answered by how many primes there are up to it, `gap` by the longest time, in milliseconds,
-- between two ticks since the last `gap`; `stop` ends the server.
local tine = require "tine"
local uv = require "luv"

if arg[1] == "--help" then
  print "usage: luv.lua [port]"
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
require "tine.luv".attach(pool)

local gap, last = 0, uv.hrtime()
local timer = uv.new_timer()
timer:start(5, 5, function()
  local now = uv.hrtime()
  gap, last = math.max(gap, now - last), now
end)

local server = assert(uv.new_tcp())

local function answer(line)
  if line == "gap" then
    local longest = gap / 1e6
    gap = 0
    return ("%.1f"):format(longest)
  elseif line == "stop" then
    timer:close()
    server:close()
    return "bye"
  end
  local n = math.tointeger(tonumber(line))
  return n and tostring(pool:submit(primes, n):await()) or "a number, please"
end

-- Each client has a coroutine, which gets the lines of it one by one; nil: there are no more.
local function talk(client)
  local rest, lines, ended, waiting = "", {}, false, nil
  local function read_line()
    while not lines[1] and not ended do
      waiting = coroutine.running()
      coroutine.yield()
    end
    return table.remove(lines, 1)
  end
  client:read_start(function(err, data)
    ended = err or not data
    rest = (rest .. (data or "")):gsub("([^\n]*)\n", function(line)
      lines[#lines + 1] = line
      return ""
    end)
    local co = waiting
    waiting = nil
    if co then assert(coroutine.resume(co)) end
  end)
  for line in read_line do client:write(answer(line) .. "\n") end
  client:close()
end

assert(server:bind("127.0.0.1", port))
server:listen(128, function()
  local client = uv.new_tcp()
  server:accept(client)
  coroutine.wrap(talk)(client)
end)
print(server:getsockname().port)
io.stdout:flush()
uv.run()
