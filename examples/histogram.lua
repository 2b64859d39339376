-- histogram: how often each byte occurs in files, counted by all processors into one buffer.
--
--     tine examples/histogram.lua [FILE...]
--
-- No counts travel back and are put together: the buffer is memory that all workers see, and `add` is atomic, so
-- none is lost. Each task counts a piece of a file by itself first: an `add` for each byte would cost more than that.
local tine = require "tine"

if arg[1] == "--help" then
  print "usage: histogram.lua [FILE...]"
  os.exit(true)
end

local PIECE = 1 << 20

local counts = tine.buffer(256 * 8) -- 8 bytes for each byte value

local function count(name, from)
  local file <close> = assert(io.open(name, "rb"))
  file:seek("set", from)
  local text = file:read(PIECE) or ""
  local here = {}
  for i = 1, #text, 4096 do
    local bytes = { text:byte(i, i + 4095) }
    for j = 1, #bytes do
      local b = bytes[j]
      here[b] = (here[b] or 0) + 1
    end
  end
  for b, n in pairs(here) do counts:add(b * 8 + 1, n) end
  return #text
end

-- The pieces of all files, one after the other.
local function pieces(names)
  return coroutine.wrap(function()
    for _, name in ipairs(names) do
      local file <close> = assert(io.open(name, "rb"))
      for from = 0, file:seek "end", PIECE do coroutine.yield(name, from) end
    end
  end)
end

local names = #arg > 0 and arg or { arg[0] }
local pool <close> = tine.pool()
local total = 0
for _, n in pool:map(count, pieces(names)) do total = total + n end

local list, sum = {}, 0
for b = 0, 255 do
  local n = counts:get("j", b * 8 + 1)
  sum = sum + n
  if n > 0 then list[#list + 1] = { byte = b, n = n } end
end
assert(sum == total, "an addition was lost")
table.sort(list, function(x, y) return x.n > y.n or x.n == y.n and x.byte < y.byte end)
print(total .. " bytes")
for i = 1, math.min(10, #list) do
  local b = list[i].byte
  print(("%-6s %10d  %s"):format(b > 32 and b < 127 and string.char(b) or ("0x%02x"):format(b), list[i].n,
    ("#"):rep(list[i].n * 50 // list[1].n)))
end
