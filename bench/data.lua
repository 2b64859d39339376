-- bench/data.lua: what buffers and frozen tables cost, as ratios with their goals.
--
--     scripts/env build lua5.4 bench/data.lua [RECORDS]     (600,000)
local measure = require "bench.measure"
local tine = require "tine"

local RECORDS = math.tointeger(tonumber(arg and arg[1] or 600000))
local READS = 1000000

local function best(rounds, f)
  local least = math.huge
  for _ = 1, rounds do
    local begun = os.clock()
    f()
    least = math.min(least, os.clock() - begun)
  end
  return least
end

local function row(what, value, unit, most)
  print(("%-44s %10.2f %-5s %s"):format(what, value, unit, most and ("at most %g"):format(most) or ""))
end

-- MB of the arena, of this process or another: proportional set size.
local function pss(pid)
  local sum, ours = 0, false
  for line in io.lines(("/proc/%s/smaps"):format(pid or "self")) do
    if line:find "^%x+%-%x+ " then ours = line:find("tine-arena", 1, true) end
    sum = sum + (ours and tonumber(line:match "^Pss:%s+(%d+)") or 0)
  end
  return sum / 1024
end

local function whole(pid) return measure.pss(pid) / 2 ^ 20 end -- all of a process

-- --- buffers ---

local buf = tine.buffer(4096)
local function each(f) return best(5, f) / READS * 1e9 end
local empty = each(function() for _ = 1, READS do end end)
row("buffer: get of a double", each(function() for _ = 1, READS do buf:get("d", 9) end end) - empty, "ns", 60)
row("buffer: set of a double", each(function() for _ = 1, READS do buf:set("d", 9, 1.5) end end) - empty, "ns", 60)
row("buffer: add", each(function() for _ = 1, READS do buf:add(9, 1) end end) - empty, "ns", 100)

-- --- freezing ---

collectgarbage()
local before = collectgarbage "count"
local t = {}
for i = 1, RECORDS do t["key" .. i] = { id = i, name = "name " .. i, score = i * 0.5, group = "g" .. i % 100 } end
collectgarbage()
local lua = (collectgarbage "count" - before) / 1024
local pool <close> = tine.pool(2)
collectgarbage "stop"
local encode, freeze, view = math.huge, math.huge, nil
for _ = 1, 4 do -- in turn: what else the machine does is in both
  encode = math.min(encode, best(1, function() pool:share(t):close() end))
  freeze = math.min(freeze, best(1, function() view = tine.freeze(t) end))
end
collectgarbage "restart"
collectgarbage()
for _, record in pairs(view) do assert(record.id) end -- now it is in memory
row(("freeze: image of %.0f MB of tables"):format(lua), pss() / lua, "", 0.5)
row("freeze: time to that of encoding", freeze / encode, "", 2)

-- --- reading: in a worker, where there is nothing else ---

local keys = {}
for i = 1, 10000 do keys[i] = "key" .. math.random(RECORDS) end

local function reading(list, some)
  local function fastest(f)
    local least = math.huge
    for _ = 1, 5 do
      local begun = os.clock()
      f()
      least = math.min(least, os.clock() - begun)
    end
    return least
  end
  local sum = 0
  local function read() for i = 1, #some do sum = sum + list[some[i]].score end end
  local function scan() for _, record in pairs(list) do sum = sum + record.score end end
  return fastest(read), fastest(scan)
end

local plain_read, plain_scan = reading(t, keys)
local read, scan = pool:submit(reading, view, keys):result()
row("freeze: t[key].field to a plain table's", read / plain_read, "", 12)
row("freeze: scan by pairs to a plain table's", scan / plain_scan, "", 6)

local function first(v)
  local clock = require "tine".clock
  local begun = clock()
  local score = v.key77.score
  return (clock() - begun) * 1e6, score, require "tine".worker.pid
end
local fresh, least
for _ = 1, 5 do -- another worker each
  if fresh then fresh:shutdown() end
  fresh = tine.pool(1)
  fresh:submit(function() return require "tine".clock() end):result()
  least = math.min(least or math.huge, (fresh:submit(first, view):result()))
end
row("freeze: first read in a worker", least, "us", 100)

-- --- memory of a worker ---

local pid = fresh:submit(function(v)
  local n = 0
  for _, record in pairs(v) do n = n + record.id end
  collectgarbage()
  return require "tine".worker.pid
end, view):result()
local with = whole(pid) - pss(pid)
local plain <close> = tine.pool(1)
local other = plain:submit(function() return require "tine".worker.pid end):result()
row("freeze: private memory that it adds to a worker", with - whole(other), "MB", 3)
