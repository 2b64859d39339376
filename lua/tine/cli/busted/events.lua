-- tine busted: the events of a task's tests, until they are replayed.
--
-- The worker writes each of them into an unnamed file when it comes, so that those of a process that has died are
-- there. They are no events of the task (`emit`): nobody needs them before it has ended, and these would wake the
-- program for each test, which costs a suite of short tests a tenth of its processor time.
--
-- A record is a string, as string.pack "s4" writes it: the event as a constructor of Lua.
local host = require "tine.cli.host"
local unnamed = require "tine.cli.unnamed"

local M = {}

local RECORD <const> = "s4"
local DEPTH <const> = 8 -- of tables: what tests compare, and the objects of their frameworks, have cycles

-- --- writing, in the worker --------------------------------------------------------------------------------------

local concat, format, pack = table.concat, string.format, string.pack -- tests may replace them
local PLAIN <const> = { string = true, number = true, boolean = true }

-- What can be told of the value, as Lua: no functions, and tables to a limited depth; nil if nothing can.
local function literal(value, depth)
  local kind = type(value)
  if PLAIN[kind] then return format("%q", value) end
  if kind ~= "table" or depth == 0 then return nil end
  local fields = {}
  for k, v in next, value do
    local text = (type(k) == "string" or type(k) == "number") and literal(v, depth - 1)
    if text then fields[#fields + 1] = format("[%q]=%s", k, text) end
  end
  return "{" .. concat(fields, ",") .. "}"
end

local Writer = {}
Writer.__index = Writer

-- path: as Reader:path() gives it
function M.writer(path) return setmetatable({ fd = assert(host.open(path, "a")) }, Writer) end

-- What could not be written is told by `error`, since here it would be taken for an error of the tests.
function Writer:add(event)
  local text, at = pack(RECORD, literal(event, DEPTH)), 1
  while not self.error and at <= #text do
    local next_at, why = host.write(self.fd, text, at)
    at, self.error = next_at, why
  end
end

-- --- reading, in the program -------------------------------------------------------------------------------------

local Reader = {}
Reader.__index = Reader

function M.reader() return setmetatable({ fd = unnamed.new "what tests do" }, Reader) end

-- A name by which the worker can open the file.
function Reader:path() return unnamed.path(self.fd) end

-- The events of each of so many files, in order. Closes their own. The last record of a process that has died may be
-- cut off.
function Reader:take(files)
  local text = assert(host.contents(self.fd, host.size(self.fd)))
  host.close(self.fd)
  local lists, at = {}, 1
  for i = 1, files do lists[i] = {} end
  while at <= #text do
    local whole, record, behind = pcall(string.unpack, RECORD, text, at)
    if not whole then break end
    local event = load("return " .. record, "=event", "t", {})()
    table.insert(lists[event.file], event)
    at = behind
  end
  return lists
end

return M
