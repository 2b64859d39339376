-- The module spec_posix (posix.c beside this file), compiled on first use. Its folder is put into package.cpath, so
-- workers of pools made after this find it too.
local source = debug.getinfo(1, "S").source:match "^@(.*)%.lua$" .. ".c"

local folder = os.tmpname()
os.remove(folder)
local command = ("mkdir %s && ${CC:-cc} -shared -fPIC -O1 $(pkg-config --cflags lua5.4) -o %s/spec_posix.so '%s'")
  :format(folder, folder, source)
assert(os.execute(command), "cannot compile " .. source)
package.cpath = folder .. "/?.so;" .. package.cpath

local module = require "spec_posix"
module.folder = folder
return module
