-- Sorts a list of numbers on all processors, by tasks that submit tasks.
--
--   tine examples/quicksort.lua [--compare] [how many]
--
-- Each task divides its list in two and submits both halves to the pool that runs it, until a list is so short that
-- sorting it costs less than sending it. A task that waits for its halves does not hold a worker up: what nobody has
-- taken is run by the worker that waits, so it works with one worker, too. Lists travel as strings of eight bytes a
-- number: these are copied at once, where a table is taken apart and put together item by item.
local tine = require "tine"

if arg[1] == "--help" then
  print "usage: quicksort.lua [--compare] [how many]"
  os.exit(true)
end

local function whole(text)
  local n = math.tointeger(tonumber(text))
  if n and n >= 0 then return n end
  io.stderr:write("how many is a whole number, not '", text, "'\n")
  os.exit(2)
end

local compare = arg[1] == "--compare"
local count = whole(arg[compare and 2 or 1] or 200000)
local ALONE <const> = 20000 -- numbers that are sorted where they are
local PIECE <const> = 100 -- numbers that are packed at a time

local function pack(list)
  local pieces = {}
  for i = 1, #list, PIECE do
    local n = math.min(PIECE, #list - i + 1)
    pieces[#pieces + 1] = string.pack(("d"):rep(n), table.unpack(list, i, i + n - 1))
  end
  return table.concat(pieces)
end

local function unpack(text)
  local list = {}
  for i = 1, #text // 8 do list[i] = string.unpack("d", text, 8 * i - 7) end
  return list
end

-- Those below the middle one of three, the others; each packed.
local function divide(list)
  local n = #list
  local three = { list[1], list[n // 2], list[n] }
  table.sort(three)
  local pivot, below, above, same = three[2], {}, {}, {}
  for _, x in ipairs(list) do
    local to = x < pivot and below or x > pivot and above or same
    to[#to + 1] = x
  end
  return pack(below), pack(same), pack(above)
end

local function sort(text)
  local list = unpack(text)
  if #list <= ALONE then
    table.sort(list)
    return pack(list)
  end
  local below, same, above = divide(list)
  local first = tine.worker.pool:submit(sort, below)
  local last = tine.worker.pool:submit(sort, above)
  return first:result() .. same .. last:result()
end

math.randomseed(1)
local list = {}
for i = 1, count do list[i] = math.random() end

local pool <close> = tine.pool()
local start = tine.clock()
local sorted = unpack(pool:submit(sort, pack(list)):result())
local seconds = tine.clock() - start
for i = 2, #sorted do assert(sorted[i - 1] <= sorted[i]) end
print(("%d numbers in order"):format(#sorted))
if compare then
  start = tine.clock()
  table.sort(list)
  print(("%.2f s, and %.2f s by table.sort alone"):format(seconds, tine.clock() - start))
end
