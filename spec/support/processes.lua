-- What /proc tells about processes.
local lfs = require "lfs"

local M = {}

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function entries(folder)
  local list = {}
  local ok, iterator, state, init, closing = pcall(lfs.dir, folder)
  if not ok then return list end
  local ended
  ok, ended = pcall(function()
    for name in iterator, state, init, closing do
      if name ~= "." and name ~= ".." then list[#list + 1] = name end
    end
  end)
  return ok and list or {}, ended
end

-- The pid of this process.
function M.self() return tonumber(read("/proc/self/stat"):match "^%d+") end

-- { pid, name, state, parent, group, session, start }, or nil. `start` tells users of one pid apart.
function M.stat(pid)
  local text = read(("/proc/%d/stat"):format(pid))
  if not text then return nil end
  local name, rest = text:match "^%d+ %((.*)%) (.*)$" -- the name itself may hold anything
  if not name then return nil end
  local field = {}
  for word in rest:gmatch "%S+" do field[#field + 1] = word end
  return {
    pid = pid, name = name, state = field[1], parent = tonumber(field[2]), group = tonumber(field[3]),
    session = tonumber(field[4]), start = field[20],
  }
end

-- Whether the process runs (a zombie does not).
function M.alive(pid)
  local stat = M.stat(pid)
  return stat ~= nil and stat.state ~= "Z" and stat.state ~= "X"
end

-- All pids there are.
function M.all()
  local list = {}
  for _, name in ipairs(entries "/proc") do
    if name:match "^%d+$" then list[#list + 1] = tonumber(name) end
  end
  return list
end

-- The children of a process (zombies too), in the order of their pids.
function M.children(pid)
  local list = {}
  for _, candidate in ipairs(M.all()) do
    local stat = M.stat(candidate)
    if stat and stat.parent == pid then list[#list + 1] = candidate end
  end
  table.sort(list)
  return list
end

-- All processes that descend from this one, nearest first.
function M.descendants(pid)
  local list = M.children(pid)
  local i = 1
  while list[i] do
    for _, child in ipairs(M.children(list[i])) do list[#list + 1] = child end
    i = i + 1
  end
  return list
end

-- The processes of a pool, from the pid of one of its workers: its root (which is no child of this process), what
-- descends from that.
function M.family(worker)
  local server = M.stat(worker).parent
  local root = M.stat(server).parent
  local list = M.descendants(root)
  table.insert(list, 1, root)
  return list
end

-- The open descriptors of a process: number -> what it is open on.
function M.descriptors(pid)
  local open = {}
  local folder = ("/proc/%s/fd"):format(pid or "self")
  for _, name in ipairs(entries(folder)) do
    local target = lfs.symlinkattributes(folder .. "/" .. name, "target")
    if target and not target:find "/proc/%d+/fd$" then open[tonumber(name)] = target end
  end
  return open
end

-- Bytes of the memory that this process's buffers and frozen tables lie in, whoever has it mapped.
function M.arena_bytes()
  for number, target in pairs(M.descriptors()) do
    if target:find("tine-arena", 1, true) then
      local pipe <close> = io.popen(("stat -L -c %%b /proc/%d/fd/%d"):format(M.self(), number))
      return tonumber(pipe:read "a") * 512
    end
  end
  return 0
end

-- A line of /proc/<pid>/status.
function M.status(pid, key)
  local text = read(("/proc/%d/status"):format(pid))
  return text and text:match("\n" .. key .. ":%s*([^\n]*)")
end

-- Processor time used so far, in clock ticks.
function M.ticks(pid)
  local text = read(("/proc/%d/stat"):format(pid))
  if not text then return nil end
  local field = {}
  for word in text:match "%) (.*)$":gmatch "%S+" do field[#field + 1] = word end
  return tonumber(field[12]) + tonumber(field[13])
end

-- Whether the environment that the process was started with has this text.
function M.has_environment(pid, text)
  local environment = read(("/proc/%d/environ"):format(pid))
  return environment ~= nil and environment:find(text, 1, true) ~= nil
end

function M.count(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

-- Sends a signal ("KILL", "INT" ...); a negative pid names a process group.
function M.signal(name, pid) return (os.execute(("kill -s %s -- %d 2>/dev/null"):format(name, pid))) end

M.read = read
return M
