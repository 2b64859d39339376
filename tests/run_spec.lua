-- lua5.4 tests/run_spec.lua FILE... [busted options]: runs spec files with busted in this Lua.
--
-- Debian's /usr/bin/busted takes whatever `lua` is, often 5.1; here the interpreter is the one that
-- was started (plain lua5.4, or the host program in sanitizer builds).
assert(_VERSION == "Lua 5.4", "the specs need Lua 5.4, this is " .. _VERSION)

-- Output of a test that kills its process must not be lost, nor come twice after a fork.
io.stdout:setvbuf("line")

-- With TINE_SPEC_BACKEND in the environment pools are made on other machines, where that is possible.
if os.getenv "TINE_SPEC_BACKEND" then require "spec.support.far_pools" end

require "busted.runner" { standalone = false, output = "plainTerminal" }
