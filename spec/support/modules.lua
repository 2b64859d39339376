-- Modules that a spec writes: in a folder of its own, first on package.path, from `open` to `close`.
local Modules = {}
Modules.__index = Modules

-- `prefix`: of their names.
local function new(prefix) return setmetatable({ prefix = prefix, count = 0 }, Modules) end

function Modules:open()
  self.dir = os.tmpname()
  os.remove(self.dir)
  assert(os.execute("mkdir " .. self.dir))
  self.path, self.cpath = package.path, package.cpath
  package.path = self.dir .. "/?.lua;" .. package.path
end

function Modules:close()
  package.path, package.cpath = self.path, self.cpath
  os.execute("rm -r " .. self.dir)
end

-- A new one with that source: what `require` gives, its name, its file. `finally`: busted's, of the test that has it.
function Modules:add(finally, source)
  self.count = self.count + 1
  local name = self.prefix .. self.count
  local file = ("%s/%s.lua"):format(self.dir, name)
  local f <close> = assert(io.open(file, "w"))
  f:write(source)
  f:close()
  finally(function() package.loaded[name] = nil end)
  return require(name), name, file
end

return new
