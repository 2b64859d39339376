-- A JSON encoder for plain values. A table is an object unless it was marked by `list` or has a first element.
local M = {}

local List = {}

function M.list(t) return setmetatable(t, List) end

local ESCAPES <const> = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Replaces each byte that is not valid UTF-8 by U+FFFD.
local function clean(s)
  if utf8.len(s) then return s end
  local parts, at = {}, 1
  while at <= #s do
    local _, bad = utf8.len(s, at)
    parts[#parts + 1] = s:sub(at, (bad or #s + 1) - 1)
    if bad then parts[#parts + 1] = "\u{FFFD}" end
    at = (bad or #s) + 1
  end
  return table.concat(parts)
end

local function text(s)
  return '"' .. clean(s):gsub('[%c"\\\127]', function(c) return ESCAPES[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function number(n)
  if math.type(n) == "integer" then return ("%d"):format(n) end
  if n ~= n or n == math.huge or n == -math.huge then return "null" end
  return (("%.17g"):format(n))
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function encode(value)
  local kind = type(value)
  if kind == "string" then return text(value) end
  if kind == "number" then return number(value) end
  if kind ~= "table" then return tostring(value) end
  local parts = {}
  if getmetatable(value) == List or value[1] ~= nil then
    for i, item in ipairs(value) do parts[i] = encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for i, key in ipairs(sorted_keys(value)) do parts[i] = text(key) .. ":" .. encode(value[key]) end
  return "{" .. table.concat(parts, ",") .. "}"
end
M.encode = encode

return M
