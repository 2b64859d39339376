-- Parses command lines by a table of options:
--
--   { "-j", "--jobs", value = "N", key = "workers", read = function(text) ... end }
--
-- All names mean the same option. `value` names its value in messages (none: a flag, whose value is true). `read`
-- converts the text, or returns nil and what was expected. The first operand ends the options. An option with a
-- `hint` belongs to another program; it is refused with the hint at what to use instead.
local trouble = require "tine.cli.trouble"

local M = {}

local function by_name(options)
  local names = {}
  for _, option in ipairs(options) do
    for _, name in ipairs(option) do names[name] = option end
  end
  return names
end

-- Splits a word that begins with "-" into name and value (nil: not in this word).
local function split(word, names)
  if names[word] then return word end
  if word:sub(1, 2) == "--" then return word:match "^(.-)=(.*)$" end
  return word:sub(1, 2), word:sub(3)
end

local function unknown(word, option, usage)
  local hint = option and option.hint and ": " .. option.hint or ""
  trouble.give_up("unrecognized option '%s'%s\n%s", word, hint, usage)
end

local function set(result, option, name, text, usage)
  if not option.value then
    result[option.key] = option.set == nil and true or option.set
    return
  end
  local value, expected = text, nil
  if option.read then value, expected = option.read(text or "") end
  if text == nil then trouble.give_up("option '%s' needs %s\n%s", name, expected or option.value, usage) end
  if value == nil then
    trouble.give_up("option '%s' needs %s, not '%s'\n%s", name, expected or "a value", text, usage)
  end
  result[option.key] = value
end

-- Parses args into `result`, by the keys of the options. Returns the index of the first operand, and true if "--"
-- stands before it.
function M.parse(options, args, result, usage)
  local names, i = by_name(options), 1
  while args[i] and args[i]:find "^%-." and not names[args[i]] or names[args[i]] do
    local word = args[i]
    i = i + 1
    if word == "--" then return i, true end
    local name, text = split(word, names)
    local option = names[name]
    if not option or option.hint or text and not option.value and name ~= word then unknown(word, option, usage) end
    if option.value and not text then
      text = args[i]
      i = i + 1
    end
    set(result, option, name, text, usage)
  end
  return i
end

-- The same for a command that accepts options after operands, too. Returns the list of operands.
function M.parse_all(options, args, result, usage)
  local operands, at = {}, 1
  while at <= #args do
    local first, only_operands = M.parse(options, table.move(args, at, #args, 1, {}), result, usage)
    at = at + first - 1
    if only_operands then return table.move(args, at, #args, #operands + 1, operands) end
    operands[#operands + 1] = args[at]
    at = at + 1
  end
  return operands
end

-- --- numbers -----------------------------------------------------------------------------------------------

-- Numbers are written in decimal digits only: what tonumber takes besides (spaces, signs, 0x10) is more likely to be a
-- slip, and a program that read it otherwise would do something else.

-- Digits as an integer; nil: anything else, and what no integer can hold.
function M.integer(text)
  return text:find "^%d+$" and math.tointeger(tonumber(text)) or nil
end

-- Digits, perhaps with a point between, before or behind them.
local function decimal(text)
  return text:find "^%d*%.?%d*$" and tonumber(text) or nil
end

function M.count(text)
  local n = M.integer(text)
  if n and n >= 1 then return n end
  return nil, "a number of 1 or more"
end

-- Programs print short and long spans with an exponent: 1e-05.
function M.seconds(text)
  local digits, exponent = text:match "^([%d.]+)([eE][+-]?%d+)$"
  local n = decimal(digits or text)
  if n and exponent then n = tonumber(text) end
  if n and n < math.huge then return n end
  return nil, "a number of seconds"
end

local MOST_WORKERS <const> = 4095 -- limit of a pool

-- N, +N and -N (relative to the number of processors), P% (of it).
function M.jobs(text)
  local processors = require "tine".cpu_count()
  local sign, digits, percent = text:match "^([+-]?)(%d+)(%%?)$"
  local n = digits and M.integer(digits)
  if n then n = math.min(n, 1 << 40) end -- no overflow below
  if not n or sign ~= "" and percent ~= "" or sign == "" and n < 1 then
    return nil, "a number of 1 or more, +N, -N or N%"
  end
  if percent ~= "" then n = processors * n // 100 end
  if sign ~= "" then n = processors + (sign == "+" and n or -n) end
  if n > MOST_WORKERS then return nil, "at most " .. MOST_WORKERS .. " workers" end
  return math.max(n, 1)
end

local SUFFIXES <const> = { k = 1000, K = 1024, m = 1000 ^ 2, M = 1024 ^ 2, g = 1000 ^ 3, G = 1024 ^ 3,
                           t = 1000 ^ 4, T = 1024 ^ 4 }

-- A number of bytes, with GNU parallel's suffixes: k is 1000, K is 1024, and so on.
function M.size(text)
  local digits, suffix = text:match "^([%d.]+)(%a?)$"
  local factor = suffix == "" and 1 or SUFFIXES[suffix]
  local n = factor and decimal(digits)
  n = n and math.tointeger(n * factor // 1)
  if n and n >= 1 then return n end
  return nil, "a number of bytes (suffixes k K m M g G t T)"
end

return M
