-- luacheck on all processors: as the program of that name, `-j N` included.
--
--   tine examples/recipes/luacheck/run.lua [-j N] file|folder...
--
-- luacheck checks files in parallel when it finds Lanes; here it finds lanes.lua beside this file instead.
-- Debian (package lua-check) installs it for Lua 5.1 only; it runs under 5.4 as well.
local here = arg[0]:match "^(.*/)[^/]*$" or "./"
package.path = here .. "?.lua;" .. package.path .. ";/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua"

require "luacheck.main"
