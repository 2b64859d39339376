-- Commands that need no shell: plain words, the first of which is the name of a program.
--
-- Starting a shell takes as long as starting a small program. If the shell would only read quotes and words, that is
-- done here; a shell is only asked once which program the name stands for. Built-in commands, other syntax, and
-- programs that cannot be started are left to the shell, with its messages and exit codes.
local host = require "tine.cli.host"
local template = require "tine.cli.map.template"

local M = {}

local PLAIN <const> = "^[%w_./:=@%%+,-]+"
local QUOTED <const> = { ["'"] = "^[^']+", ['"'] = '^[^"$`\\]+' } -- literal text in these quotes
local PLACES <const> = { plain = true, single = true, double = true }

-- State of reading a command: `words`, lists of texts and replacement strings; `open`, an open quote.
local Words = {}
Words.__index = Words

function Words:add(piece)
  if not self.within then self.words[#self.words + 1] = {} end
  self.within = true
  table.insert(self.words[#self.words], piece)
end

-- Reads on in a literal text from i on. Returns the position behind what was read, or nil: a shell is needed.
function Words:step(text, i)
  local c = text:sub(i, i)
  if c == self.open then
    self.open = nil
    return i + 1
  end
  local piece = text:match(self.open and QUOTED[self.open] or PLAIN, i)
  if piece then
    self:add(piece)
    return i + #piece
  elseif self.open then
    return nil
  elseif QUOTED[c] then
    self.open = c
    self:add ""
    return i + 1
  elseif c == " " or c == "\t" then
    self.within = false
    return i + 1
  end
end

function Words:read(parts)
  for _, part in ipairs(parts) do
    if type(part) == "string" then
      local i = 1
      while i and i <= #part do i = self:step(part, i) end
      if not i then return nil end
    elseif PLACES[part.quotes] then
      self:add(part)
    else
      return nil
    end
  end
  return not self.open and self.words[1] and self.words or nil
end

-- Would a shell leave the environment as it is?
local function same_environment()
  return os.getenv "PWD" == host.working_folder()
end

-- The path of the program that a name stands for, as the shell finds it; nil: no program in a file.
local function find_program(name)
  if name:find "[^%w_.+-]" then return nil end
  local shell <close> = io.popen("command -v -- " .. name)
  local path = shell and shell:read "l"
  return path and path:sub(1, 1) == "/" and path or nil
end

-- The constant text of a word, or nil.
local function name_of(word)
  for _, piece in ipairs(word) do
    if type(piece) ~= "string" then return nil end
  end
  return table.concat(word)
end

-- Reads a command (map/template.lua): { words=, program= (nil: the first word is a path) }; nil: it needs a shell.
function M.read(parts)
  local words = setmetatable({ words = {} }, Words):read(parts)
  if not words or not same_environment() then return nil end
  local first = words[1]
  if type(first[1]) == "string" and first[1]:find "^[^=]*/" then return { words = words } end
  local name = name_of(first)
  local program = name and find_program(name)
  return program and { words = words, program = program } or nil
end

-- Appends the texts of a word for a record: several if it has several arguments outside of quotes.
local function add_texts(list, word, work)
  local texts = { "" }
  for _, piece in ipairs(word) do
    local values = type(piece) == "string" and { piece } or template.values(piece, work)
    if type(piece) ~= "string" and piece.quotes ~= "plain" then values = { table.concat(values, " ") } end
    texts[#texts] = texts[#texts] .. (values[1] or "")
    table.move(values, 2, #values, #texts + 1, texts)
  end
  table.move(texts, 1, #texts, #list + 1, list)
end

-- The path and the words of the command for a record.
function M.expand(command, work)
  local list = {}
  for _, word in ipairs(command.words) do add_texts(list, word, work) end
  return command.program or list[1], list
end

return M
