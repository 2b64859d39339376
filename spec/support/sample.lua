-- A module for specs: something of each kind that travels by name or by value.
local M = {}

-- The process that has loaded it.
local stat <close> = assert(io.open "/proc/self/stat")
M.pid = stat:read "n"

function M.hello(name) return "hello " .. name end

local count = 0
function M.count()
  count = count + 1
  return count
end

-- A class.
local Point = {}
Point.__index = Point
function Point.new(x, y) return setmetatable({ x = x, y = y }, Point) end
function Point:norm() return math.sqrt(self.x ^ 2 + self.y ^ 2) end
function Point.__eq(a, b) return a.x == b.x and a.y == b.y end
M.Point = Point

-- Data.
M.limits = { low = 1, high = 2 }

return M
