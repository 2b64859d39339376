-- Writes cmake/worker.ld anew: the functions that a worker runs first (see there).
--
--   scripts/build build/loose -DCMAKE_BUILD_TYPE=Release -DTINE_ASSERTS=OFF -DTINE_TESTS=OFF \
--       -DTINE_ORDERED_CODE=OFF
--   scripts/env build/loose lua5.4 bench/order.lua
--
-- Runs the life below in valgrind, whose callgrind notes what fork servers and workers call from their fork on. (It
-- finds no names but in .text itself, so the code must not be in order already.) A function that is missing in the
-- list, or no longer there, costs some microseconds and nothing else.
local LIFE = [[
  local tine = require "tine"
  local function noop() end
  local function echo(...) return ... end
  local function pid() return tine.worker.pid end
  for _ = 1, 2 do
    local pool = tine.pool { workers = 2 }
    pool:submit(noop):result()
    pool:submit(echo, "x", 1, 2.5):result()
    pool:submit(pid):result()
    for _ in pool:map(function(x) return x + 1 end, { 1, 2, 3 }) do end
    pool:shutdown()
  end
]]

local function run(command)
  local p = assert(io.popen(command))
  local out = p:read "a"
  assert(p:close(), command)
  return out
end

-- In each file: "ob=" the library and "fn=" the function of the costs that follow; after "calls=" a callee's.
local function collect(path, seen)
  local object, name, called
  for line in io.lines(path) do
    object = line:match "^ob=(.*)" or object
    name = line:match "^fn=(.*)" or name
    if line:find "^calls=" then
      called = true
    elseif line:find "^[%d+*-]" then
      if not called and object:find "tine/core%.so$" then seen[name:match "^[%w_]+"] = true end
      called = false
    end
  end
end

local folder = run "mktemp -d":match "%S+"
-- by the environment: a process of ours overwrites its arguments
run(([[VALGRIND_OPTS="--compress-strings=no --compress-pos=no --toggle-collect=tine__server_main* \
  --callgrind-out-file=%s/%%p" valgrind -q --tool=callgrind lua5.4 -e '%s' 2>&1]]):format(folder, LIFE))
-- the last of its processes write what they have noted after its end
run "while ls -l /proc/[0-9]*/exe 2>&1 | grep -q /callgrind-; do sleep 0.1; done"
local seen = {}
for file in run("ls " .. folder):gmatch "%S+" do collect(folder .. "/" .. file, seen) end
run("rm -r " .. folder)

local names = {}
for name in pairs(seen) do names[#names + 1] = name end
table.sort(names)
assert(#names > 50, "no functions were seen: is it a release with symbols, and loose?")

local path = os.getenv "TINE_SOURCE_DIR" .. "/cmake/worker.ld"
local file = assert(io.open(path))
local head, tail = file:read "a":match "^(.-{\n  .-{\n).-(  }\n.*)$"
file:close()
file = assert(io.open(path, "w"))
file:write(head)
for _, name in ipairs(names) do file:write(("    *(.text.%s .text.%s.*)\n"):format(name, name)) end
file:write(tail)
file:close()
