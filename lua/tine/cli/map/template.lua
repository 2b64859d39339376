-- Commands with replacement strings, as in GNU parallel: {} {1} {name}, each also with . / // /. behind, {#} and {%}.
--
-- A value is always taken literally, also in quotes: a replacement string inside quotes of the command is quoted as
-- needed there. So the command is parsed once as a shell would (map/quotes.lua). Where no quoting works, it is
-- refused.
local quotes = require "tine.cli.map.quotes"

local M = {}

local gsub = string.gsub

-- Changes of a value, by suffix.
local CHANGES <const> = {
  [""] = function(value) return value end,
  ["."] = function(value) return (gsub(value, "%.[^/.]*$", "")) end,
  ["/"] = function(value) return (gsub(value, "^.*/", "")) end,
  ["/."] = function(value) return (gsub(gsub(value, "^.*/", ""), "%.[^/.]*$", "")) end,
  ["//"] = function(value)
    local folder = gsub(value, "/+$", ""):match "^(.*)/[^/]*$"
    if not folder then return value:find "^/" and "/" or "." end
    folder = gsub(folder, "/+$", "")
    return folder == "" and "/" or folder
  end,
}
local SUFFIXES <const> = { "//", "/.", "/", ".", "" }

-- Words with a meaning to the shell where a command begins.
local RESERVED <const> = {}
for word in ([[case coproc do done elif else esac fi for function if in select then time until while]]):gmatch "%l+" do
  RESERVED[word] = true
end

-- How to quote a value at a place of the command so that the shell reads the value. One with "=" could be taken for
-- an assignment, so it is quoted, too.
local QUOTES <const> = {
  plain = function(value)
    if value:find "^[%w_./:@%%+,-]+$" and not RESERVED[value] then return value end
    return "'" .. gsub(value, "'", "'\\''") .. "'"
  end,
  double = function(value) return (gsub(value, '[\\$`"]', "\\%0")) end,
  single = function(value) return (gsub(value, "'", "'\\''")) end,
  comment = function(value) return "'" .. gsub(value, "[\n']", " ") .. "'" end, -- a newline would end the comment
  none = function(value) return value end, -- no shell reads it
}
for _, place in ipairs { "group", "command", "sum", "case", "braces" } do QUOTES[place] = QUOTES.plain end
M.quote = QUOTES.plain

-- Places where no value can be, with a hint.
local REFUSED <const> = {
  backtick = "between backticks: use $(...)",
  document = "in a here-document: use printf '%s\\n' {} | ...",
  escaped = "behind a backslash",
}
for _, place in ipairs { "inside", "pattern", "quoted", "literal" } do
  REFUSED[place] = "in ${...} between double quotes: set a variable, v={}; ..."
end

local IS_NUMBER <const> = { number = true, worker = true } -- these need no quoting

-- The meaning of the text between braces: { what="record"|"column"|"number"|"worker", column=, change= }, or nil.
local function meaning(inner, names)
  if inner == "#" then return { what = "number", change = "" } end
  if inner == "%" then return { what = "worker", change = "" } end
  if names[inner] then return { what = "column", column = names[inner], change = "" } end
  for _, suffix in ipairs(SUFFIXES) do
    local base = inner:sub(1, #inner - #suffix)
    if inner:sub(#base + 1) == suffix then
      local column = math.tointeger(tonumber(base:match "^%-?%d+$")) or names[base]
      if base == "" then return { what = "record", change = suffix } end
      if column and column ~= 0 then return { what = "column", column = column, change = suffix } end
    end
  end
end

local function add_literal(parts, text)
  if type(parts[#parts]) == "string" then
    parts[#parts] = parts[#parts] .. text
  else
    parts[#parts + 1] = text
  end
end

-- Parses a command into a list of texts and replacement strings. `names` is column by name; with `only_numbers` only
-- {#} and {%} are replaced. If there are none, the record is appended. Also returns whether there were any.
function M.parse(command, names, only_numbers)
  local parts, state, at, before, found = {}, quotes.begin(), 1, "", false
  local function add(literal, part)
    quotes.follow(state, literal, before)
    add_literal(parts, literal)
    part.quotes = state[#state]
    parts[#parts + 1] = part
    if part.quotes == "escaped" then state[#state] = nil end
  end
  for open, inner, behind in command:gmatch "(){([^{}]*)}()" do
    local part = meaning(inner, names)
    if part and not (only_numbers and not IS_NUMBER[part.what]) then
      add(command:sub(at, open - 1), part)
      at, found, before = behind, true, "x"
    end
  end
  local rest = command:sub(at)
  if found or only_numbers then
    add_literal(parts, rest)
  else
    add(rest .. " ", { what = "record", change = "" })
  end
  return parts, found
end

-- Parses a command for a shell; nil and a message if a value is where it cannot be.
function M.command(command, names, only_numbers)
  local parts = M.parse(command, names, only_numbers)
  for _, part in ipairs(parts) do
    local place = REFUSED[part.quotes]
    if place and not IS_NUMBER[part.what] then return nil, "a value cannot stand " .. place end
  end
  return parts
end

-- The texts for a replacement string: one, or for {} one for each argument.
function M.values(part, work)
  if part.what == "number" then return { tostring(work.number) } end
  if part.what == "worker" then return { tostring(work.worker) } end
  local change, list, texts = CHANGES[part.change], work.words or { work.record }, {}
  if part.what == "column" then
    local columns = work.columns or { work.record }
    local index = part.column < 0 and #columns + 1 + part.column or part.column
    list = { columns[index] or "" }
  end
  for i, value in ipairs(list) do texts[i] = change(value) end
  return texts
end

-- Several texts become several words, unless they are inside quotes.
local function quoted(part, work)
  local texts, quote = M.values(part, work), QUOTES[part.quotes]
  if IS_NUMBER[part.what] then return texts[1] end
  for i, text in ipairs(texts) do texts[i] = quote(text) end
  return table.concat(texts, " ")
end

-- The command for a record: work = { record=, columns= or nil, words= (its arguments) or nil, number=, worker= }
function M.expand(parts, work)
  local texts = {}
  for i, part in ipairs(parts) do
    texts[i] = type(part) == "string" and part or quoted(part, work)
  end
  return table.concat(texts)
end

return M
