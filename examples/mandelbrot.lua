-- Draws the Mandelbrot set into a PNG picture, one task for each row.
--
--   tine examples/mandelbrot.lua [width [height [file]]]        (default: 1200 800 mandelbrot.png)
--
-- Shows `map` at its plainest: rows take very different times, come back in order, and are written
-- while later ones are still being computed. How many rows go to a worker at once is chosen by itself.
local tine = require "tine"
package.path = (arg[0]:match "^(.*/)" or "") .. "?.lua;" .. package.path
local png = require "png" -- beside this file

if arg[1] == "--help" then
  print "usage: mandelbrot.lua [width [height [file]]]      (1200 800 mandelbrot.png)"
  os.exit(true)
end

local function size(text, what)
  local n = math.tointeger(tonumber(text))
  if n and n > 0 then return n end
  io.stderr:write(what, " is a whole number, not '", text, "'\n")
  os.exit(2)
end

local width, height = size(arg[1] or 1200, "width"), size(arg[2] or 800, "height")
local name = arg[3] or "mandelbrot.png"

local LIMIT = 255 -- so many steps, and a point counts as one of the set
local STEP = 3 / width -- from -2.25 to 0.75

-- How soon z = z^2 + c leaves the circle of radius 2: 0 for never, else 1 (slow) to 255 (at once).
local function shade(cr, ci)
  local zr, zi = 0.0, 0.0
  for step = 0, LIMIT - 1 do
    local rr, ii = zr * zr, zi * zi
    if rr + ii > 4 then return LIMIT - step end
    zr, zi = rr - ii + cr, 2 * zr * zi + ci
  end
  return 0
end

local function row(y)
  local ci, bytes = (y - height / 2) * STEP, {}
  for x = 1, width do bytes[x] = string.char(shade((x - 1) * STEP - 2.25, ci)) end
  return table.concat(bytes)
end

-- The set is black; around it the colours go from bright, where points leave slowly, to deep blue.
local palette = { { 0, 0, 0 } }
for n = 1, LIMIT do
  local t = ((LIMIT - n) / LIMIT) ^ 0.3
  palette[n + 1] = { math.floor(255 * t ^ 1.5), math.floor(255 * t ^ 3), math.floor(60 + 120 * math.sin(math.pi * t)) }
end

local rows = {}
for y = 1, height do rows[y] = y - 1 end

local image <close> = assert(io.open(name, "wb"))
local pool <close> = tine.pool()
local picture = png.create(image, width, height, palette)
for _, bytes in pool:map(row, rows) do picture:row(bytes) end
picture:close()
assert(image:close()) -- a disk may be full
print(("%s: %d x %d"):format(name, width, height))
