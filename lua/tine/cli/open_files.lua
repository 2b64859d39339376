-- How many files the program may have open (ulimit -n), and so how many workers, and output files.
local M = {}

local OTHERS <const> = 32 -- for the pool, the input, the joblog
local HELD <const> = 256  -- outputs that wait for their place

local function allowed()
  local file <close> = io.open "/proc/self/limits"
  return file and tonumber(file:read "a":match "\nMax open files +(%d+)") or math.huge
end

-- How many outputs may wait in files: HELD, but at most a quarter of all files.
function M.held() return math.min(HELD, allowed() // 4) end

-- The maximum number of workers: each needs one file here, and with `outputs` two more for its task's output.
local function most_workers(outputs)
  local free = allowed() - OTHERS
  return math.max(outputs and (free - M.held()) // 3 or free, 1)
end

-- The maximum number of tasks in flight that write into two files each; at least 1.
function M.tasks(workers) return math.max((allowed() - OTHERS - M.held() - workers) // 2, 1) end

-- The number of workers: `asked` (by -j), else the number of processors; nil and a message if there cannot be so
-- many.
function M.choose(asked, outputs)
  local most = most_workers(outputs)
  if not asked then return math.min(require "tine".cpu_count(), most) end
  if asked <= most then return asked end
  return nil, ("%d %s at a time want more open files than are allowed (ulimit -n): at most %d are possible"):format(
    asked, outputs or "workers", most)
end

return M
