-- --progress: how far the work is, in lines and bytes.
local progress = require "tine.progress"

local M = {}

-- A function that is told of each finished job, and without one that it is over. `total`: bytes, or nil.
function M.new(total)
  local line = progress.line { unit = "lines", forced = true }
  local lines, bytes, failed = 0, 0, 0
  return function(job)
    if not job then return line:close() end
    lines, bytes = lines + job.records, bytes + job.bytes
    failed = failed + (job.messages and #job.messages or 0)
    local share = total and math.min(bytes / math.max(total, 1), 1)
    line:at(lines, failed, share, ("%.1f MB"):format(bytes / 1e6))
  end
end

return M
