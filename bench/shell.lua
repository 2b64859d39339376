-- lua5.4 bench/shell.lua WHO: what the shell's users time, with one of tine, xargs, parallel. Prints "measure seconds".
local who = arg[1]
local tine = (os.getenv "TINE_BUILD_DIR" or "build") .. "/bin/tine"

-- Seconds that a command takes, from the kernel's clock.
local function uptime()
  local file <close> = assert(io.open "/proc/uptime")
  return file:read "n"
end

local function measure(name, command)
  local start = uptime()
  assert(os.execute(command .. " >/dev/null"), command)
  print(name, uptime() - start)
end

local lines = os.tmpname()
assert(os.execute("seq 1000000 >" .. lines))

local COMMANDS <const> = {
  tine = "seq 2000 | " .. tine .. " map -j2 -x true",
  xargs = "seq 2000 | xargs -n1 -P2 true",
  parallel = "seq 2000 | parallel --will-cite -j2 true",
}
local PROGRAMS <const> = { -- what a shell has not built in
  tine = "seq 2000 | " .. tine .. " map -j2 -x basename",
  xargs = "seq 2000 | xargs -n1 -P2 basename",
  parallel = "seq 2000 | parallel --will-cite -j2 basename",
}
local BLOCKS <const> = { -- each with its best block size
  tine = tine .. " map -j2 --pipe -x cat <" .. lines,
  parallel = "parallel --will-cite -j2 -k --pipe --block 4M cat <" .. lines,
}

measure("commands", COMMANDS[who])
measure("programs", PROGRAMS[who])
if BLOCKS[who] then measure("blocks", BLOCKS[who]) end
if who == "tine" then measure("lines", tine .. " map -j2 '#_' <" .. lines) end
os.remove(lines)
