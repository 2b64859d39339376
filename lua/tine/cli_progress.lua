-- --progress: a line on stderr that is written anew each second.
local M = {}

local function duration(seconds)
  seconds = math.floor(seconds)
  return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

-- A function that is told of each finished job, and without one that it is over. `total`: bytes, or nil.
function M.new(total)
  local start, shown = os.time(), os.time()
  local lines, bytes = 0, 0
  return function(job)
    local now = os.time()
    if job then
      lines, bytes = lines + job.records, bytes + job.bytes
      if now == shown then return end
    end
    shown = now
    local spent = math.max(now - start, 1)
    local text = ("%d lines, %.1f MB, %.0f lines/s"):format(lines, bytes / 1e6, lines / spent)
    if total and job and bytes > 0 then
      local left = math.max(total - bytes, 0) * spent / bytes
      text = text .. (", %d %%, %s left"):format(bytes * 100 // math.max(total, 1), duration(left))
    elseif not job then
      text = text .. (", %s"):format(duration(now - start))
    end
    io.stderr:write("\r", text, "\27[K", job and "" or "\n")
  end
end

return M
