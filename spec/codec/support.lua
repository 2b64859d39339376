-- What the codec's specs share.
local test = require "tine_codec_test"
local here = (os.getenv "TINE_SOURCE_DIR" or ".") .. "/spec/codec/fixtures/?.lua"
if not package.path:find(here, 1, true) then package.path = here .. ";" .. package.path end

local M = { test = test, register = test.register }

-- A codec whose functions run in a Lua state of their own; with store=false code travels inline.
function M.pair(options)
  options = options or {}
  options.other = true
  return test.codec(options)
end

-- Run f(...) over there: its results, or an error as it was raised (as text).
function M.call(c, f, ...)
  local fn = c:fn(f)
  if not fn then error((select(2, c:fn(f))), 0) end
  local args, message = c:args(...)
  if not args then error(message, 0) end
  local ok, bytes = c:run(fn, args)
  if not ok then error(bytes, 0) end
  return c:decode(bytes)
end

-- Values that went out and came back.
function M.copy(c, ...)
  local bytes, message = c:values(...)
  if not bytes then error(message, 0) end
  return c:decode(bytes)
end

-- Are two graphs the same, shape, sharing and subtypes included?
function M.same(a, b, seen)
  seen = seen or { there = {}, back = {} }
  if type(a) ~= type(b) or math.type(a) ~= math.type(b) then return false, "types" end
  if type(a) == "number" then
    return string.pack("n", a) == string.pack("n", b) or math.type(a) == "integer" and a == b
  end
  if type(a) == "function" then return true end
  if type(a) ~= "table" then return a == b end
  if seen.there[a] or seen.back[b] then return seen.there[a] == b and seen.back[b] == a end
  seen.there[a], seen.back[b] = b, a
  local pending = {}
  for k, v in next, a do
    if type(k) ~= "table" then
      local other = rawget(b, k)
      if not M.same(v, other, seen) then return false, tostring(k) end
    else
      pending[#pending + 1] = k
    end
  end
  local n, m = 0, 0
  for _ in next, a do n = n + 1 end
  for _ in next, b do m = m + 1 end
  if n ~= m then return false, "sizes" end
  for _, k in ipairs(pending) do
    local other = seen.there[k]
    if not other then
      for candidate in next, b do -- keys that are tables are told apart by their `id`
        if type(candidate) == "table" and rawget(candidate, "id") == rawget(k, "id") then
          other = candidate
        end
      end
    end
    if not other or not M.same(k, other, seen) then return false, "table keys" end
    if not M.same(rawget(a, k), rawget(b, other), seen) then return false, "at table keys" end
  end
  return M.same(debug.getmetatable(a), debug.getmetatable(b), seen)
end

-- "c0 01" -> the segment with that body
function M.segment(hex, marks, globals)
  local body = hex:gsub("%s+", ""):gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end)
  marks = marks or {}
  local list = {}
  for i, m in ipairs(marks) do list[i] = string.pack("<I4", m) end
  return string.pack("<I4I4", #body, #marks | (globals and 0x80000000 or 0)) .. body
    .. table.concat(list)
end

function M.hex(bytes)
  return (bytes:sub(9):gsub(".", function(x) return ("%02x"):format(x:byte()) end))
end

return M
