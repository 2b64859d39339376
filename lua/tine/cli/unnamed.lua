-- Files without a name that workers write into for the program.
local host = require "tine.cli.host"
local give_up = require "tine.cli.trouble".give_up

local M = {}

-- The descriptor of a new file, which is to hold `what`.
function M.new(what)
  local fd, err = host.temporary()
  return fd or give_up("cannot hold %s: %s", what, err)
end

-- Why no file can grow in the folder, or where files without a name are; nil: they can. Few programs tell that they
-- could not write, and `print` does not: where this is so, some of what was written may be missing.
function M.no_room(folder)
  local fd, err = host.temporary(folder)
  if not fd then return err end
  local _, why = host.room(fd)
  host.close(fd)
  return why
end

-- A name by which workers can open it.
function M.path(fd)
  local path, err = host.path(fd)
  return path or give_up("workers cannot open a file of this program: %s", err)
end

return M
