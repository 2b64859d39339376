-- A JSON parser (RFC 8259). null becomes json.null; numbers become floats unless written as integers.
local M = {}

M.null = setmetatable({}, { __tostring = function() return "null" end })

local ESCAPES <const> = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function fail(text, at, what)
  local line = select(2, text:sub(1, at):gsub("\n", "\n")) + 1
  error({ json = ("%s in line %d"):format(what, line) })
end

-- The character of the escape at `at`, and the position behind it.
local function escape(text, at)
  local kind = text:sub(at + 1, at + 1)
  if ESCAPES[kind] then return ESCAPES[kind], at + 2 end
  local hex = text:match("^u(%x%x%x%x)", at + 1)
  if not hex then fail(text, at, "a wrong escape") end
  local code = tonumber(hex, 16)
  local low = code >= 0xd800 and code < 0xdc00 and text:match("^\\u([dD][c-fC-F]%x%x)", at + 6)
  if low then return utf8.char(0x10000 + ((code - 0xd800) << 10) + tonumber(low, 16) - 0xdc00), at + 12 end
  return utf8.char(code >= 0xd800 and code < 0xe000 and 0xfffd or code), at + 6
end

-- The string whose opening quote is at `at`, and the position behind it.
local function string_at(text, at)
  local first, last = text:find('^[^"\\%c]*"', at + 1)
  if first then return text:sub(first, last - 1), last + 1 end
  local parts, p = {}, at + 1
  while true do
    local _, stop = text:find('^[^"\\%z\1-\31]*', p)
    parts[#parts + 1] = text:sub(p, stop)
    local c = text:sub(stop + 1, stop + 1)
    if c == '"' then return table.concat(parts), stop + 2 end
    if c ~= "\\" then fail(text, stop + 1, "a string without end") end
    parts[#parts + 1], p = escape(text, stop + 1)
  end
end

local function number_at(text, at)
  local _, last = text:find("^-?%d+", at)
  if not last then fail(text, at, "no value") end
  local integer = text:sub(at, last)
  if integer:find "^-?0%d" then fail(text, at, "a number with a zero before it") end
  local _, fraction = text:find("^%.%d+", last + 1)
  local _, exponent = text:find("^[eE][+-]?%d+", (fraction or last) + 1)
  last = exponent or fraction or last
  return tonumber(text:sub(at, last)), last + 1
end

local function skip(text, at) return (text:find("[^ \t\r\n]", at)) or #text + 1 end

local value_at

local DEPTH <const> = 150

local function array_at(text, at, depth)
  local list, n = {}, 0
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return list, at + 1 end
  while true do
    n = n + 1
    list[n], at = value_at(text, at, depth + 1)
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "]" then return list, at + 1 end
    if c ~= "," then fail(text, at, "no ',' or ']'") end
    at = skip(text, at + 1)
  end
end

local function object_at(text, at, depth)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    if text:sub(at, at) ~= '"' then fail(text, at, "no name of a member") end
    local name
    name, at = string_at(text, at)
    at = skip(text, at)
    if text:sub(at, at) ~= ":" then fail(text, at, "no ':'") end
    object[name], at = value_at(text, skip(text, at + 1), depth + 1)
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "}" then return object, at + 1 end
    if c ~= "," then fail(text, at, "no ',' or '}'") end
    at = skip(text, at + 1)
  end
end

local WORDS <const> = { ["true"] = true, ["false"] = false, null = M.null }

function value_at(text, at, depth)
  local c = text:sub(at, at)
  if depth > DEPTH then fail(text, at, "values nested too deeply") end
  if c == '"' then return string_at(text, at) end
  if c == "{" then return object_at(text, at, depth) end
  if c == "[" then return array_at(text, at, depth) end
  local word = text:match("^%a+", at)
  if word and WORDS[word] ~= nil then return WORDS[word], at + #word end
  return number_at(text, at)
end

-- The value that starts at `at` (default 1), and the position of the text after it; nil and a message.
function M.value(text, at)
  local ok, value, after = pcall(value_at, text, skip(text, at or 1), 0)
  if ok then return value, skip(text, after) end
  if type(value) == "table" and value.json then return nil, value.json end
  error(value, 0)
end

-- The value of the whole text; nil and a message.
function M.decode(text)
  local value, after = M.value(text)
  if value ~= nil and after <= #text then return nil, "something behind the value" end
  return value, value == nil and after or nil
end

return M
