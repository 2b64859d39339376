-- The joblog of tine map: a line for each finished job, with GNU parallel's columns.
--
-- A line is appended by one write when its job is finished and printed, so the file is valid even if the program is
-- killed. --resume removes an incomplete last line.
local host = require "tine.cli.host"
local give_up = require "tine.cli.trouble".give_up
local write_all = require "tine.cli.write"

local M = {}

local HEADER <const> = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

local Joblog = {}
Joblog.__index = Joblog

function Joblog:append(text)
  write_all(self.fd, text, "cannot write the joblog " .. self.name)
end

-- The numbers of jobs that need not be run again, the highest number, and the length of all complete lines. Of
-- several lines about a job the last one counts.
local function read(file, only_succeeded, name)
  local done, last, whole = {}, 0, 0
  local _, wrong = file:read(0)
  if wrong then give_up("cannot read the joblog %s: %s", name, wrong) end
  for line in file:lines "L" do
    if line:sub(-1) ~= "\n" then break end
    whole = whole + #line
    local seq, code, signal = line:match "^(%d+)\t[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*\t(%-?%d+)\t(%-?%d+)\t"
    seq = math.tointeger(tonumber(seq))
    if seq then
      done[seq] = not only_succeeded or tonumber(code) == 0 and tonumber(signal) == 0 or nil
      last = math.max(last, seq)
    elseif line ~= HEADER then
      give_up("%s is no joblog: %s", name, line)
    end
  end
  return done, last, whole
end

-- Reads an existing joblog and removes an incomplete last line.
local function resume(self, how)
  local file <close>, wrong = io.open(self.name, "rb")
  if not file then give_up("cannot read the joblog %s", wrong) end
  local whole
  self.done, self.last, whole = read(file, how == "resume-failed", self.name)
  local cut, err = host.truncate(self.fd, whole)
  if not cut then give_up("cannot cut the joblog %s: %s", self.name, err) end
  return whole == 0 and HEADER or ""
end

local function new(name) return setmetatable({ name = name, done = {}, last = 0 }, Joblog) end

-- how: nil (a new joblog), "resume" or "resume-failed"
function M.open(name, how)
  local fd, err = host.open(name, how and "a" or "w")
  if not fd then give_up("cannot write the joblog: %s", err) end
  local self = new(name)
  self.fd = fd
  self:append(how and resume(self, how) or HEADER)
  return self
end

-- Like open, without writing the joblog, for --dry-run.
function M.look(name, how)
  local self, file <close> = new(name), io.open(name, "rb")
  if file and how then self.done, self.last = read(file, how == "resume-failed", name) end
  return self
end

return M
