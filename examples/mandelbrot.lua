-- Draws the Mandelbrot set into a PGM image, one task for each row.
--
--   tine examples/mandelbrot.lua [width [height [file]]]        (default: 1200 800 mandelbrot.pgm)
--
-- Shows `map` at its plainest: rows take very different times, come back in order, and are written
-- while later ones are still being computed. How many rows go to a worker at once is chosen by itself.
local tine = require "tine"

local width = math.tointeger(tonumber(arg[1] or 1200)) or error "width: a whole number"
local height = math.tointeger(tonumber(arg[2] or 800)) or error "height: a whole number"
local name = arg[3] or "mandelbrot.pgm"

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

local rows = {}
for y = 1, height do rows[y] = y - 1 end

local image <close> = assert(io.open(name, "wb"))
local pool <close> = tine.pool()
image:write(("P5\n%d %d\n255\n"):format(width, height))
for _, bytes in pool:map(row, rows) do image:write(bytes) end
print(("%s: %d x %d"):format(name, width, height))
