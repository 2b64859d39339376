-- The input of tine map: blocks of records, from files or from arguments.
--
-- A block is { text=, records=, lines=, number= (of its first record), name=, line= (number of lines before it) }.
-- `next` never blocks: it returns a block, "wait" (until descriptor `fd` is readable), or nil at the end.
local host = require "tine.cli.host"
local complain = require "tine.cli.trouble".complain
local give_up = require "tine.cli.trouble".give_up

local M = {}

local FILL <const> = 65536 -- bytes of one read
local STDIN <const> = 0

-- --- files ----------------------------------------------------------------------------------------

local Files = {}
Files.__index = Files

-- how: { separator=, columns= (separator of CSV fields), header= (the first line of each file names columns), pipe=
-- (blocks are numbered, not records) }
function M.files(names, how)
  if #names == 0 then names = { "-" } end
  return setmetatable({ names = names, how = how, at = 0, records = 0, blocks = 0 }, Files)
end

function Files:complain(err)
  self.failed = true -- some file could not be read
  complain("map", err)
end

function Files:open_next()
  while self.names[self.at + 1] do
    self.at = self.at + 1
    local name = self.names[self.at]
    self.name, self.line, self.tried, self.ended = name == "-" and "stdin" or name, 0, 0, false
    local fd, err = STDIN, nil
    if name ~= "-" then fd, err = host.open(name, "r") end
    if fd then
      self.fd = fd
      self.reader = host.reader(fd, self.how.separator, self.how.columns)
      self.header_due = self.how.header
      return true
    end
    self:complain(err)
  end
end

-- Is there a file to read (or was there one)? If not, all were complained of.
function Files:opens() return self.reader or self:open_next() or not self.failed end

function Files:close()
  if self.fd ~= STDIN then host.close(self.fd) end
  self.fd, self.reader = nil, nil
end

local function readable(fd) return (host.poll({ fd }, 0)) end

-- Reads once if that does not block. Returns false if it would.
function Files:fill(bytes)
  if not readable(self.fd) then return false end
  local open, err = self.reader:fill(bytes)
  if open == nil then self:complain(self.name .. ": " .. err) end
  self.ended = not open
  return true
end

-- Takes up to `records` records and about `bytes` bytes; with `full`, not less unless the file ends.
function Files:take(records, bytes, full)
  local reader = self.reader
  if full and not self.ended then
    local buffered = reader:buffered()
    -- do not scan a large block again for each small piece that arrives
    if buffered < bytes and (records == math.maxinteger or buffered > FILL and buffered < self.tried) then return end
    self.tried = buffered + buffered // 4
  end
  local text, n, lines, open, added = reader:take(records, bytes, self.ended, full)
  if open then -- the rest of the file, which cannot be meant as one record
    self:complain(("%s:%d: quotes that open in this record are not closed"):format(self.name, self.line + 1))
    return
  end
  return text, n, lines, added
end

function Files:new_block(text, records, lines)
  if self.how.pipe and self.header then text = self.header .. self.how.separator .. text end
  local number = (self.how.pipe and self.blocks or self.records) + 1
  local block = { text = text, records = records, lines = lines, number = number, name = self.name, line = self.line }
  self.line = self.line + lines
  self.records = self.records + records
  self.blocks = self.blocks + 1
  return block
end

function Files:take_header()
  local text, _, lines = self:take(1, math.maxinteger)
  if not text then return end
  self.header_due = false
  self.line = self.line + lines
  text = text:gsub("\r?.$", "")
  if self.header and self.header ~= text then
    self:complain(self.name .. ": its first line names other columns")
    self.ended = true
    self.reader = host.reader(self.fd, self.how.separator)
  end
  self.header = self.header or text
end

function Files:next(records, bytes, full)
  while self.reader or self:open_next() do
    if self.header_due then self:take_header() end
    local text, n, lines, added
    if not self.header_due then text, n, lines, added = self:take(records, bytes, full) end
    if added and self.how.pipe then text = text:sub(1, -2) end -- blocks are passed on byte for byte
    if text then return self:new_block(text, n, lines) end
    if self.ended then
      self:close()
    elseif not self:fill(full and math.max(FILL, math.min(bytes, 1 << 30) - self.reader:buffered()) or FILL) then
      return "wait"
    end
  end
end

-- The first line of the first file that has one. Blocks.
function Files:read_header()
  while self.header == nil and (self.reader or self:open_next()) do
    self:take_header()
    if self.header == nil then
      if self.ended then
        self:close()
      elseif not self:fill(FILL) then
        host.poll({ self.fd })
      end
    end
  end
  return self.header
end

-- The size of all files in bytes; nil if one of them has no size.
function Files:total()
  local sum = 0
  for _, name in ipairs(self.names) do
    local size
    if name == "-" then size = host.remaining(STDIN) else size = host.file_size(name) end
    if not size then return nil end
    sum = sum + size
  end
  return sum
end

-- --- arguments --------------------------------------------------------------------------------------

local Arguments = {}
Arguments.__index = Arguments

-- One list of values for each `:::`; a list after `:::+` is linked to the one before it.
local function read_lists(words)
  local lists = {}
  for _, word in ipairs(words) do
    if word == ":::" or word == ":::+" then
      if word == ":::+" and not lists[1] then give_up("':::+' needs a ':::' before it") end
      lists[#lists + 1] = { linked = word == ":::+" }
    else
      table.insert(lists[#lists], word)
    end
  end
  return lists
end

-- Linked lists form one wheel, as long as the shortest of them.
local function wheels_of(lists)
  local wheels = {}
  for _, list in ipairs(lists) do
    if not list.linked then
      wheels[#wheels + 1] = { lists = { list }, n = #list }
    else
      local wheel = wheels[#wheels]
      table.insert(wheel.lists, list)
      wheel.n = math.min(wheel.n, #list)
    end
  end
  return wheels
end

-- words: everything from the first `:::` on
function M.arguments(words, with_header)
  local lists, header = read_lists(words), {}
  for i, list in ipairs(lists) do
    if with_header then header[i] = table.remove(list, 1) or "" end
  end
  local self = setmetatable({ wheels = wheels_of(lists), header = header, records = 0, count = 1 }, Arguments)
  for _, wheel in ipairs(self.wheels) do self.count = self.count * wheel.n end
  return self
end

-- The values of combination i, counted from 0: the last wheel turns fastest.
function Arguments:values(i)
  local values = {}
  for w = #self.wheels, 1, -1 do
    local wheel = self.wheels[w]
    local at = i % wheel.n
    i = i // wheel.n
    for l = #wheel.lists, 1, -1 do
      local list = wheel.lists[l]
      table.insert(values, 1, list[at + 1])
    end
  end
  return values
end

function Arguments:next()
  if self.records >= self.count then return nil end
  local text = table.concat(self:values(self.records), "\0") .. "\0"
  self.records = self.records + 1
  return { text = text, records = 1, lines = 1, number = self.records, argument = true, line = self.records - 1 }
end

function Arguments.opens() return true end

-- Like Files:total, but the number of records.
function Arguments:total() return self.count, true end

return M
