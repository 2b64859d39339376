-- Modules to be loaded by benchmarks: each has twelve functions, a class and some data, and a file that exists only
-- while it is loaded.
local M = {}

local directory = os.tmpname()
os.remove(directory)
package.path = directory .. "/?.lua;" .. package.path

local function text()
  local parts = { [[
    local M, Class = {}, {}
    Class.__index = Class
    function Class:get() return self.x end
    local function helper(x) return x + 1 end
    function M.new(x) return setmetatable({ x = x }, Class) end
    M.limits = { low = 1, names = { "a", "b" } }]] }
  for k = 1, 10 do parts[#parts + 1] = ("function M.f%d(a) return helper(a) + %d end"):format(k, k) end
  parts[#parts + 1] = "return M"
  return table.concat(parts, "\n")
end

-- Load the modules with these numbers.
function M.load(from, to)
  assert(os.execute("mkdir " .. directory))
  for i = from, to do
    local path = ("%s/bench_module_%d.lua"):format(directory, i)
    local file = assert(io.open(path, "w"))
    file:write(text())
    file:close()
    require("bench_module_" .. i)
    os.remove(path)
  end
  os.remove(directory)
end

return M
