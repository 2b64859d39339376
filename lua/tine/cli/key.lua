-- tine key: makes a key for pools with workers on other machines.
local host = require "tine.cli.host"
local trouble = require "tine.cli.trouble"

local M = {}

local USAGE <const> = [[
usage: tine key > FILE

Writes a new key, 64 hexadecimal digits. FILE, if it is a regular file, can be read by its owner only from then
on. It goes to all machines that are to work together (option `key` of tine.pool, --key of tine serve), by a way that
nobody listens to. More lines may be added: the first key seals tasks, any of them opens what comes.
]]

local function parse(...)
  if (...) == "--help" or (...) == "-h" then return { help = true } end
  if select("#", ...) > 0 then trouble.give_up("unexpected argument '%s'\n%s", (...), USAGE) end
  return {}
end

local function run()
  local protected, err = host.protect_stdout()
  if not protected then trouble.give_up("write error: %s", err) end
  trouble.print((host.random(32):gsub(".", function(c) return ("%02x"):format(c:byte()) end)), "\n")
  return 0
end

M.main = trouble.program("key", USAGE, parse, run)

return M
