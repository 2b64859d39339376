-- --progress: how far the work is, in lines and bytes, and as a share of the whole if that is known.
local progress = require "tine.progress"
local terminal = require "tine.core".terminal

local M = {}

local Progress = {}
Progress.__index = Progress

-- total: bytes, or with `counted` records; nil if it is not known
function M.new(total, counted)
  local shown = terminal(2) and { [1] = terminal(1) ~= nil, [2] = true } or {}
  return setmetatable({ line = progress.line { unit = "lines", forced = true }, total = total, counted = counted,
                        lines = 0, bytes = 0, failed = 0, same_terminal = shown }, Progress)
end

-- A job has ended.
function Progress:add(job)
  self.lines, self.bytes = self.lines + job.records, self.bytes + job.bytes
  self.failed = self.failed + (job.messages and #job.messages or 0)
  local done = self.counted and self.lines or self.bytes
  local share = self.total and math.min(done / math.max(self.total, 1), 1)
  self.line:at(self.lines, self.failed, share, ("%.1f MB"):format(self.bytes / 1e6))
end

-- A job that is skipped (--resume) does not count as work.
function Progress:skip(job)
  if self.total then self.total = self.total - (self.counted and job.records or #job.text) end
end

-- Something will be printed on stdout (1) or stderr (2): clears the line if it is on the same terminal.
function Progress:make_room(to)
  if self.same_terminal[to] then self.line:hide() end
end

function Progress:close() self.line:close() end

return M
