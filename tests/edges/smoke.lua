-- The smoke program: everything that a pool does, once. Run by edges.lua in odd environments. Prints "ok", or
-- "told" and the message when the pool was refused with a Tine error; anything else is wrong.
--
--   lua5.4 smoke.lua [become=UID] [chroot=PATH]      gives up rights first
local tine = require "tine"

for _, word in ipairs(arg) do
  local what, value = word:match "^(%w+)=(.*)$"
  require "spec.support.posix"[what](math.tointeger(tonumber(value)) or value)
end

local function refused(err)
  if tine.kind(err) ~= "system" and tine.kind(err) ~= "broken" then error(err, 0) end
  print("told", tostring(err))
  os.exit(0, true)
end

local ok, pool = pcall(tine.pool, { workers = 2, on_crash = "replace", name = "smoke" })
if not ok then refused(pool) end
local first, err = pcall(function() return pool:submit(math.abs, -1):result(30) end)
if not first then refused(err) end

-- submit and map
assert(pool:submit(function(a, b) return a + b end, 1, 2):result(30) == 3)
local sum = 0
for _, n in pool:map(function(n) return n * n end, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }) do sum = sum + n end
assert(sum == 385)

-- large values, both ways
local large = ("x"):rep(1 << 20)
assert(pool:submit(function(s) return s .. s end, large):result(30) == large .. large)

-- a time limit, an abort: with a program that is waited for
local slow = pool:with { timeout = 0.1 }:submit(function() repeat os.execute "sleep 1000" until false end)
assert(tine.kind(select(2, slow:pcall(30))) == "timeout")
local endless = pool:submit(function() while true do end end)
repeat until endless:running()
assert(endless:abort())
assert(tine.kind(select(2, endless:pcall(30))) == "cancelled")

-- a crash
local crash = pool:submit(function() os.execute "kill -SEGV $PPID" os.exit(3) end)
assert(tine.kind(select(2, crash:pcall(30))) == "crashed")
assert(pool:submit(math.abs, -5):result(30) == 5)

-- a pool inside a task; where that is refused it is an error like any
local inner, value = pool:submit(function()
  local tine = require "tine"
  local pool <close> = tine.pool(1)
  return pool:submit(math.abs, -7):result(30)
end):pcall(30)
assert(inner and value == 7 or tine.kind(value) == "system" or tine.kind(value) == "broken", tostring(value))

pool:shutdown()
print "ok"
