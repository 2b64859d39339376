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

-- The maximum number of workers: each needs one file here, and `files` more for what its task writes.
local function most_workers(files)
  local free = allowed() - OTHERS
  return math.max(files and (free - M.held()) // (1 + files) or free, 1)
end

-- The maximum number of tasks in flight that write into so many files each; at least 1.
function M.tasks(workers, files) return math.max((allowed() - OTHERS - M.held() - workers) // files, 1) end

-- The number of workers: `asked` (by -j), else the number of processors; nil and a message if there cannot be so
-- many. what: what they work at, in the message; files: how many each task writes.
function M.choose(asked, what, files)
  local most = most_workers(files)
  if not asked then return math.min(require "tine".cpu_count(), most) end
  if asked <= most then return asked end
  return nil, ("%d %s at a time want more open files than are allowed (ulimit -n): at most %d are possible"):format(
    asked, what or "workers", most)
end

return M
