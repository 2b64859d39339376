-- How many files the program may have open (ulimit -n), and so how many workers, and outputs in files.
local M = {}

local OTHERS <const> = 32 -- the pool's, the input, the joblog
local HELD <const> = 256  -- outputs that wait for their place

local function allowed()
  local file <close> = io.open "/proc/self/limits"
  return file and tonumber(file:read "a":match "\nMax open files +(%d+)") or math.huge
end

-- Outputs that may wait in files: as many, or a quarter of all.
function M.held() return math.min(HELD, allowed() // 4) end

-- At most so many workers: for each there is a file here, and with `outputs` two more that its task writes into.
local function most_workers(outputs)
  local free = allowed() - OTHERS
  return math.max(outputs and (free - M.held()) // 3 or free, 1)
end

-- At most so many tasks that write into two files each may be under way for so many workers; 1 or more.
function M.tasks(workers) return math.max((allowed() - OTHERS - M.held() - workers) // 2, 1) end

-- The number of workers: `asked` (by -j), else as many as there are processors; nil and a message when it cannot be.
function M.choose(asked, outputs)
  local most = most_workers(outputs)
  if not asked then return math.min(require "tine".cpu_count(), most) end
  if asked <= most then return asked end
  return nil, ("%d %s at a time want more open files than are allowed (ulimit -n): at most %d are possible"):format(
    asked, outputs or "workers", most)
end

return M
