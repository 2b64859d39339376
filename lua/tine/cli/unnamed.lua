-- Files without a name that workers write into for the program.
local host = require "tine.cli.host"
local give_up = require "tine.cli.trouble".give_up

local M = {}

-- The descriptor of a new file, which is to hold `what`.
function M.new(what)
  local fd, err = host.temporary()
  return fd or give_up("cannot hold %s: %s", what, err)
end

-- A name by which workers can open it.
function M.path(fd)
  local path, err = host.path(fd)
  return path or give_up("workers cannot open a file of this program: %s", err)
end

return M
