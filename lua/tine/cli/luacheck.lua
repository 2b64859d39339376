-- tine luacheck: luacheck on all processors, with its own options, output and exit code.
--
-- luacheck checks files in parallel (`-j N`) if it finds Lanes, which is rarely installed. Here it finds
-- luacheck/lanes.lua instead, which provides what luacheck uses of Lanes on a pool of Tine.
local open_files = require "tine.cli.open_files"
local trouble = require "tine.cli.trouble"

local M = {}

-- Debian (package lua-check) installs it for Lua 5.1 only, but it also runs under 5.4.
local DEBIAN <const> = ";/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua"

-- Provides the module "lanes", in workers, too.
local function provide() package.preload.lanes = function() return require "tine.cli.luacheck.lanes" end end

-- Is there an option -j? Also returns its number.
local function jobs_of(args)
  for i, word in ipairs(args) do
    local text = word:match "^%-j(%d+)$" or word:match "^%-%-jobs=(%d+)$"
      or (word == "-j" or word == "--jobs") and args[i + 1]
    if text then return true, math.tointeger(tonumber(text)) end
  end
  return false
end

-- The program. luacheck itself ends it with its exit code.
function M.main(...)
  return trouble.protect("luacheck", function(...)
    local args = { ... }
    local given, asked = jobs_of(args)
    local workers, why = open_files.choose(asked)
    if not workers then trouble.give_up("%s", why) end
    if not given then -- luacheck's default is one process, ours is all processors
      table.move(args, 1, #args, 3)
      args[1], args[2] = "-j", tostring(workers)
    end
    args[0] = "luacheck"
    arg = args -- luacheck: globals arg
    package.path = package.path .. DEBIAN
    provide()
    trouble.watch_exit "luacheck"
    require "tine.cli.luacheck.lanes".options {
      workers = workers, on_crash = "replace", name = "tine luacheck", preload = provide,
    }
    local ok, err = pcall(require, "luacheck.main")
    if not ok and tostring(err):find "^module 'luacheck%.main' not found" then
      trouble.give_up "luacheck is not installed (Debian: lua-check, LuaRocks: luacheck)"
    end
    if not ok then error(err, 0) end
    return 0
  end, ...)
end

return M
