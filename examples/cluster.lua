-- Many machines on one: starts a job server and three `tine serve` on this machine, renders an image over them while
-- one of them is killed, and shows who did what.
--
--   scripts/run examples/cluster.lua [FILE.pgm]
--
-- It needs gearmand (Debian: gearman-job-server), and is run by `tine`, which it starts three times more.
local tine = require "tine"

if arg[1] == "--help" then
  print "usage: cluster.lua [FILE.pgm]"
  os.exit(true)
end

local WIDTH <const>, HEIGHT <const> = 240, 160
local PORT <const> = 20000 + math.random(20000)
local URL <const> = ("gearman://127.0.0.1:%d/cluster"):format(PORT)

-- What runs in the background; its pid.
local function start(command)
  local pipe <close> = assert(io.popen(("{ %s; } >/dev/null 2>&1 </dev/null & echo $!"):format("exec " .. command)))
  return assert(math.tointeger(tonumber(pipe:read "l")))
end

local function program(name)
  local pipe <close> = assert(io.popen(("PATH=$PATH:/usr/sbin command -v '%s'"):format(name)))
  return pipe:read "l"
end

-- A row of Mandelbrot's set, a byte a pixel, and who has made it.
local function row(y)
  local bytes = {}
  for x = 1, WIDTH do
    local cr, ci, r, i, n = 3 * x / WIDTH - 2.2, 2 * y / HEIGHT - 1, 0.0, 0.0, 0
    while n < 255 and r * r + i * i < 4 do
      r, i, n = r * r - i * i + cr, 2 * r * i + ci, n + 1
    end
    bytes[x] = string.char(255 - n)
  end
  return table.concat(bytes)
end

local gearmand = program "gearmand"
if not gearmand then
  print "gearmand is not installed (Debian: gearman-job-server)"
  os.exit(0)
end

local pids = {
  start(("%s -L 127.0.0.1 -p %d --threads=1 --job-retries=1 -l stderr --pid-file=%s")
    :format(gearmand, PORT, os.tmpname())),
}
for i = 1, 3 do pids[#pids + 1] = start(("%s serve %s -j 1 --name host%d"):format(arg[-1] or "tine", URL, i)) end
local function stop()
  for _, pid in ipairs(pids) do os.execute(("kill -9 %d 2>/dev/null"):format(pid)) end
end
local _ <close> = setmetatable({}, { __close = stop })

local pool <close> = tine.pool { backend = URL, retry = { lost = 5, delay = 0 }, connect_timeout = 30 }
local futures, rows = {}, {}
for y = 1, HEIGHT do futures[y] = pool:with { label = "row " .. y }:submit(row, y) end
for y = 1, HEIGHT do
  rows[y] = futures[y]:result()
  if y == HEIGHT // 4 then
    os.execute(("kill -9 %d"):format(pids[2]))
    print "killed host1"
  end
end

local again = 0
for _, future in ipairs(futures) do again = again + #future:attempts() - 1 end
print(("%d rows, %d of them again after their host was lost"):format(#rows, math.max(again, 0)))
for _, host in ipairs(pool:workers()) do print(("  %s: %d rows"):format(host.host, host.tasks)) end
if arg[1] then
  local file <close> = assert(io.open(arg[1], "wb"))
  file:write(("P5 %d %d 255\n"):format(WIDTH, HEIGHT), table.concat(rows))
end
