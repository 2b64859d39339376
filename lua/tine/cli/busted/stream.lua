-- tine busted: output of a task's tests, until it is printed.
--
-- The worker writes it into an unnamed file, so that it survives the worker's death. When the task has ended it is
-- moved to memory unless it is long, because a suite may have more files than a process may have open.
local host = require "tine.cli.host"
local unnamed = require "tine.cli.unnamed"

local M = {}

local LONG <const> = 1 << 20
local PIECE <const> = 65536

local Stream = {}
Stream.__index = Stream

-- to: io.stdout or io.stderr
function M.new(to)
  return setmetatable({ fd = unnamed.new "what tests write", to = to, at = 0 }, Stream)
end

-- A name by which the worker can open the file.
function Stream:path() return unnamed.path(self.fd) end

-- The task has ended.
function Stream:finish()
  local text = host.collect(self.fd, LONG)
  if text then
    self:close()
    self.text = text
  end
end

-- Skips what comes before this byte.
function Stream:skip(at) self.at = at end

local function piece(self, size)
  if self.text then return self.text:sub(self.at + 1, self.at + size) end
  return assert(host.contents(self.fd, size, self.at))
end

-- Prints what is there up to this byte, or everything.
function Stream:print(upto)
  while self.at < (upto or math.maxinteger) do
    local text = piece(self, math.min((upto or math.maxinteger) - self.at, PIECE))
    if text == "" then return end
    self.at = self.at + #text
    self.to:write(text)
  end
end

function Stream:close()
  if self.fd then host.close(self.fd) end
  self.fd, self.text = nil, nil
end

return M
