-- Nothing may be left when all pools have ended: specs call `teardown(leftovers.none)`.
--
-- Compared with the moment at which this module was loaded: children of this process and of its root, open
-- descriptors, mappings of shared memory, and threads.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"

local M = {}

-- The root exists from the moment the module is loaded, or from the first pool; it is its fork server's parent.
local root
do
  local pool = tine.pool(1)
  local worker = pool:submit(function() return tine.worker.pid end):result()
  pool:submit(os.execute, "sleep 0.05"):result() -- a thread that has slept once keeps the descriptor it slept on
  root = processes.stat(processes.stat(worker).parent).parent
  pool:shutdown()
end
collectgarbage()

local function mappings()
  local n = 0
  for line in io.lines "/proc/self/maps" do
    if line:find "memfd:" or line:find "/dev/shm" or line:find "/dev/zero" then n = n + 1 end
  end
  return n
end

local function look()
  local seen = { mappings = mappings(), threads = tonumber(processes.status(processes.self(), "Threads")) }
  seen.children = table.concat(processes.children(processes.self()), " ")
  seen.processes = table.concat(processes.descendants(root), " ")
  local descriptors = {}
  for number, target in pairs(processes.descriptors()) do
    descriptors[#descriptors + 1] = ("%d %s"):format(number, target)
  end
  table.sort(descriptors)
  seen.descriptors = table.concat(descriptors, "\n")
  return seen
end

local before
local function same(now)
  for key, value in pairs(before) do
    if now[key] ~= value then return false, ("%s: now %s, were %s"):format(key, now[key], value) end
  end
  return true
end

-- Remembers what there is now. Called by itself once at loading, when the first pool's traces are gone.
function M.note() before = look() end

-- Fails unless everything is as it was.
function M.none()
  local why
  collectgarbage()
  tine.pool(1):shutdown() -- making a pool clears away those that were collected while tasks went on
  local ok = pcall(eventually, function()
    local equal
    collectgarbage() -- a pool whose tasks go on may be given up by a later collection
    equal, why = same(look())
    return equal
  end, nil, 5)
  assert(ok, why)
end

eventually(function() return #processes.descendants(root) == 0 end, "only the root is left")
M.note()

return M
