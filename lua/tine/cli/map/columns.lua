-- The columns of a record: split by a separator (--colsep), as in RFC 4180 (--csv), or arguments (:::).
local trouble = require "tine.cli.trouble"

local M = {}

local find, sub = string.find, string.sub

-- Escapes of regular expressions as Lua patterns: \t, \s+, \| ...
local ESCAPES <const> = { t = "\t", n = "\n", r = "\r", ["0"] = "%z", s = "%s", S = "%S", d = "%d", D = "%D",
                          w = "[%w_]", W = "[^%w_]" }

function M.pattern(text)
  return (text:gsub("\\(.)", function(c)
    return ESCAPES[c] or (c:find "%p" and "%" .. c) or c
  end))
end

-- Returns nil and an error if it is no pattern, or matches the empty string. Lua reads a pattern only as far as it
-- matches, so what is wrong behind that is found by the first record that gets there.
function M.check_pattern(pattern)
  local ok, first, last = pcall(find, "", pattern)
  if not ok then return nil, first end
  if first and last < first then return nil, "it matches the empty string" end
  return true
end

local function trim(text) return text:match "^%s*(.-)%s*$" end

-- Columns are trimmed, as by GNU parallel. An empty match between characters does not separate.
local function by_pattern(pattern)
  return function(record)
    local columns, n, start = {}, 0, 1
    local ok, from, to = pcall(find, record, pattern)
    while ok and from and to >= from do
      n = n + 1
      columns[n] = trim(sub(record, start, from - 1))
      start = to + 1
      ok, from, to = pcall(find, record, pattern, start)
    end
    if not ok then
      trouble.unless_interrupted(from)
      trouble.give_up("--colsep '%s' is no pattern: %s", pattern, from)
    end
    columns[n + 1] = trim(sub(record, start))
    return columns
  end
end

-- The quoted field whose first character is at `start`: its text, and the position behind the closing quote.
local function quoted(record, start)
  local parts, at = {}, start
  while true do
    local quote = find(record, '"', at, true)
    if not quote then
      parts[#parts + 1] = sub(record, at)
      return table.concat(parts), #record + 1
    end
    parts[#parts + 1] = sub(record, at, quote - 1)
    if sub(record, quote + 1, quote + 1) ~= '"' then return table.concat(parts), quote + 1 end
    parts[#parts + 1] = '"'
    at = quote + 2
  end
end

local function csv(separator)
  return function(record)
    local columns, n, start = {}, 0, 1
    repeat
      local field, rest = "", start
      if sub(record, start, start) == '"' then field, rest = quoted(record, start + 1) end
      local at = find(record, separator, rest, true)
      n = n + 1
      columns[n] = field .. sub(record, rest, (at or 0) - 1)
      start = at and at + #separator
    until not start
    return columns
  end
end

-- Each argument is a column, or is split into columns.
local function arguments(split)
  return function(record)
    local words, columns = {}, {}
    for argument in record:gmatch "([^\0]*)\0" do
      words[#words + 1] = argument
      for _, column in ipairs(split and split(argument) or {}) do columns[#columns + 1] = column end
    end
    return split and columns or words, words
  end
end

-- A function that splits a record into a list of columns, and also returns its arguments if it is made of them; nil
-- if records have no columns. `how`: { csv=, colsep=, arguments= }
function M.splitter(how)
  local split
  if how.csv then split = csv(how.colsep) elseif how.colsep then split = by_pattern(how.colsep) end
  if how.arguments then return arguments(split) end
  return split
end

return M
