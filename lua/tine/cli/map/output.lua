-- The output of tine map: prints finished jobs on stdout and stderr, in the order of the input.
--
-- A job (map/run.lua) has `index`, its place in the order, and when it is finished
--   printed=     a text; for a command files= { out=, err= }, descriptors or texts
--   messages=    a list of messages about failures
--   values=      for `reduce`
--   entry=       for the joblog
local host = require "tine.cli.host"
local open_files = require "tine.cli.open_files"
local tagged = require "tine.cli.map.tag"
local give_up = require "tine.cli.trouble".give_up
local unnamed = require "tine.cli.unnamed"
local write_all = require "tine.cli.write"

local M = {}

local STDOUT <const>, STDERR <const> = 1, 2
local BUFFER <const> = 65536  -- bytes that are collected before a write
local SMALL <const> = 4096    -- an output up to this size is kept in memory, else in its file
local HELD_BYTES <const> = 16 << 20 -- limits for output that waits for its place
local HELD_JOBS <const> = 50000

local Output = {}
Output.__index = Output

-- how: { ordered=, reduce=function(...), joblog=, progress= }
function M.new(how)
  return setmetatable({ how = how, held = {}, next = 1, held_bytes = 0, held_files = 0, held_jobs = 0, parts = {},
                        bytes = 0, entries = {}, most_files = open_files.held() }, Output)
end

-- --- writing ------------------------------------------------------------------------------------------

-- Writes to stdout or stderr, where the line of --progress may be.
function Output:put_out(to, text)
  if self.how.progress then self.how.progress:make_room(to) end
  write_all(to, text)
end

-- Writes what was printed so far, and after it the joblog's lines about it: none if that could not be written.
function Output:flush()
  local text, entries = table.concat(self.parts), table.concat(self.entries)
  self.parts, self.bytes, self.entries = {}, 0, {}
  if text ~= "" then self:put_out(STDOUT, text) end
  if entries ~= "" then self.how.joblog:append(entries) end
end

function Output:write(text)
  if text == "" then return end
  self.parts[#self.parts + 1] = text
  self.bytes = self.bytes + #text
  if self.bytes >= BUFFER then self:flush() end
end

function Output:tell(text)
  self:flush()
  self:put_out(STDERR, text .. "\n")
end

local function copy(from, to)
  local at = 0
  while true do
    local next_at, err = host.copy(from, at, to)
    if not next_at then give_up("write error: %s", err) end
    if next_at == at then return end
    at = next_at
  end
end

local function copy_tagged(from, to, tag)
  local at, continued = 0, false
  while true do
    local text = assert(host.contents(from, BUFFER, at))
    if text == "" then return end
    at = at + #text
    write_all(to, tagged(text, tag, continued))
    continued = text:byte(-1) ~= 10
  end
end

-- --- printing a job --------------------------------------------------------------------------------------

-- Prints the output of a command: a text, or a file, whose descriptor is closed.
function Output:stream(what, to, tag)
  if type(what) == "string" then
    local text = tag and tagged(what, tag) or what
    if to == STDOUT then return self:write(text) end
    if text ~= "" then
      self:flush()
      self:put_out(to, text)
    end
    return
  end
  self:flush()
  if self.how.progress then self.how.progress:make_room(to) end
  if tag then copy_tagged(what, to, tag) else copy(what, to) end
  host.close(what)
end

function Output:emit(job)
  if job.files then
    self:stream(job.files.out, STDOUT, job.tag)
    self:stream(job.files.err, STDERR, job.tag)
  elseif job.printed then
    self:write(job.printed)
  end
  for _, values in ipairs(job.values or {}) do self.how.reduce(table.unpack(values, 1, values.n)) end
  for _, message in ipairs(job.messages or {}) do self:tell(message) end
  self.entries[#self.entries + 1] = job.entry
end

-- --- waiting for a place in the order ---------------------------------------------------------------------

local function weight(job)
  local files, bytes = 0, #(job.printed or "")
  for _, what in pairs(job.files or {}) do
    if type(what) == "string" then bytes = bytes + #what else files = files + 1 end
  end
  return bytes, files
end

function Output:hold(job)
  local bytes, files = weight(job)
  if bytes + files == 0 and job.entry then -- nothing of it can be lost any more
    self.entries[#self.entries + 1] = job.entry
    job.entry = nil
  end
  self.held[job.index] = job
  self.held_jobs = self.held_jobs + 1
  self.held_bytes, self.held_files = self.held_bytes + bytes, self.held_files + files
end

function Output:release()
  local job = self.held[self.next]
  while job do
    self.held[self.next] = nil
    local bytes, files = weight(job)
    self.held_jobs = self.held_jobs - 1
    self.held_bytes, self.held_files = self.held_bytes - bytes, self.held_files - files
    self.next = self.next + 1
    self:emit(job)
    job = self.held[self.next]
  end
end

-- Prints a finished job, or keeps it until it is its turn. A dropped job has only its index.
function Output:put(job)
  if not self.how.ordered then return self:emit(job) end
  if job.index ~= self.next then return self:hold(job) end
  self.next = self.next + 1
  self:emit(job)
  self:release()
end

-- May more jobs wait for their turn?
function Output:has_room()
  return self.held_bytes < HELD_BYTES and self.held_files < self.most_files and self.held_jobs < HELD_JOBS
end

-- --- files for the output of commands ---------------------------------------------------------------------

local spare = {}

-- A descriptor of an empty unnamed file.
function M.temporary()
  return table.remove(spare) or unnamed.new "what commands write"
end

-- Names by which workers open the files, by descriptor.
local paths = {}

function M.path(fd)
  paths[fd] = paths[fd] or unnamed.path(fd)
  return paths[fd]
end

local function keep(fd, empty)
  if empty and #spare < 16 then
    spare[#spare + 1] = fd
  else
    host.close(fd)
  end
end

-- The output of a command: a small one as text, and the file is reused unless a program that the command left behind
-- still has it open; else the descriptor.
function M.collect(fd)
  local text, empty = host.collect(fd, SMALL)
  if not text then return fd end
  keep(fd, empty)
  return text
end

function M.give_back(fd)
  keep(fd, select(2, host.collect(fd, 0, true)))
end

return M
