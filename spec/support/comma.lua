-- The name of a locale here in which the decimal point is a comma; nil: there is none.
local shell = require "spec.support.shell"

local function has_comma(name)
  local set = os.setlocale(name)
  local comma = set and ("%.1f"):format(0.5) == "0,5"
  os.setlocale "C"
  return comma
end

return function()
  for name in shell.run("locale -a").out:gmatch "[^\n]+" do
    if has_comma(name) then return name end
  end
end
