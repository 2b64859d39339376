-- Durations of spec files in the last run, for `tine busted`: a file for each working directory, in the user's cache
-- folder. They only make runs faster, so all errors are ignored.
local decimal = require "tine.cli.decimal"
local host = require "tine.cli.host"

local M = {}

local function file_name()
  local cache, home = os.getenv "XDG_CACHE_HOME", os.getenv "HOME"
  -- The XDG specification has no relative paths.
  if not cache or cache:sub(1, 1) ~= "/" then cache = home and home .. "/.cache" end
  local folder = host.working_folder()
  if not cache or cache:sub(1, 1) ~= "/" or not folder then return nil end
  for _, path in ipairs { cache, cache .. "/tine", cache .. "/tine/busted" } do host.make_folder(path) end
  return cache .. "/tine/busted/" .. folder:gsub("[%%/]", { ["%"] = "%25", ["/"] = "%2F" }):sub(-200)
end

-- Seconds by file.
function M.read()
  local name, times = file_name(), {}
  local file = name and io.open(name, "r")
  if not file then return times end
  for line in (file:read "a" or ""):gmatch "[^\n]+" do -- nil: it is a folder
    local seconds, path = line:match "^(%S+)\t(.*)$"
    if seconds then times[path] = tonumber(seconds) end
  end
  file:close()
  return times
end

-- The key of a unit of a file (busted/file.lua).
function M.unit(name, n) return name .. "\t" .. n end

-- Deals numbers of `seconds`, a list, to so many parts: the longest first, each to the part with the smallest sum.
-- Returns the part of each.
local function spread(seconds, parts)
  local order, sums, part_of = {}, {}, {}
  for n in ipairs(seconds) do order[n] = n end
  table.sort(order, function(a, b)
    if seconds[a] ~= seconds[b] then return seconds[a] > seconds[b] end
    return a < b
  end)
  for part = 1, parts do sums[part] = 0 end
  for _, n in ipairs(order) do
    local least = 1
    for part = 2, parts do
      if sums[part] < sums[least] then least = part end
    end
    part_of[n], sums[least] = least, sums[least] + seconds[n]
  end
  return part_of
end

-- The part for each unit of a file whose duration is known.
function M.deal(times, name, parts)
  local seconds = {}
  if parts == 1 then return seconds end
  repeat
    local n = #seconds + 1
    seconds[n] = times[M.unit(name, n)]
  until not seconds[n]
  return spread(seconds, parts)
end

local SHORTEST <const>, LONGEST <const> = 0.2, 0.5 -- seconds of a batch: starting a worker takes a fraction of that

-- One batch for each worker.
local function deal_out(times, files, workers)
  local seconds, batches = {}, {}
  for n, file in ipairs(files) do seconds[n] = times[file.name] end
  for n, part in ipairs(spread(seconds, workers)) do
    local batch = batches[part] or { seconds = 0, at = part }
    batches[part] = batch
    batch[#batch + 1] = files[n]
    batch.seconds = batch.seconds + seconds[n]
  end
  return batches
end

-- Short files next to each other in a batch; others alone, as those whose time is not known.
local function gather(times, files, enough)
  local list, batch = {}, nil
  for _, file in ipairs(files) do
    local seconds = times[file.name] or math.huge
    if batch and batch.seconds + seconds / 2 <= enough then
      batch[#batch + 1] = file
      batch.seconds = batch.seconds + seconds
    else
      local new = { file, seconds = seconds, at = #list }
      list[#list + 1] = new
      if seconds < enough then batch = new end
    end
  end
  return list
end

-- The files in the order in which to start them: those without known times, then the longest first. Short files are
-- put into batches, so that no worker is started for less than its start costs.
function M.batches(times, files, workers)
  local total, known = 0, true
  for _, file in ipairs(files) do
    total, known = total + (times[file.name] or 0), known and times[file.name] ~= nil
  end
  local share = total / workers
  local list = known and share <= LONGEST and deal_out(times, files, workers)
    or gather(times, files, math.min(math.max(share / 8, math.min(share, SHORTEST)), LONGEST))
  table.sort(list, function(a, b)
    if a.seconds ~= b.seconds then return a.seconds > b.seconds end
    return a.at < b.at
  end)
  return list, share
end

function M.write(times)
  local name, lines = file_name(), {}
  for path, seconds in pairs(times) do lines[#lines + 1] = decimal(seconds, 4) .. "\t" .. path .. "\n" end
  table.sort(lines)
  local file = name and io.open(name .. ".new", "w")
  if not file then return end
  local ok = file:write(table.concat(lines))
  if file:close() and ok then os.rename(name .. ".new", name) end
end

return M
