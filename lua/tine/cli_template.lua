-- A command with replacement strings, as GNU parallel has them: {} {1} {name}, each with . / // /. behind,
-- {#} and {%}.
--
-- A value stands for itself whatever is in it, also in quotes: where a replacement string stands between quotes
-- of the command, it is quoted as it must be there. So the command is read as a shell reads it, once.
local M = {}

local gsub = string.gsub

-- What is done with a value.
local CHANGES <const> = {
  [""] = function(value) return value end,
  ["."] = function(value) return (gsub(value, "%.[^/.]+$", "")) end,
  ["/"] = function(value) return (gsub(value, "^.*/", "")) end,
  ["/."] = function(value) return (gsub(gsub(value, "^.*/", ""), "%.[^/.]+$", "")) end,
  ["//"] = function(value)
    local folder = gsub(value, "/+$", ""):match "^(.*)/[^/]*$"
    if not folder then return value:find "^/" and "/" or "." end
    return folder == "" and "/" or folder
  end,
}
local SUFFIXES <const> = { "//", "/.", "/", ".", "" }

-- How a value is written at a place of the command, so that the shell reads the value.
local QUOTES <const> = {
  plain = function(value)
    if value:find "^[%w_./:=@%%+,-]+$" then return value end
    return "'" .. gsub(value, "'", "'\\''") .. "'"
  end,
  double = function(value) return (gsub(value, '[\\$`"]', "\\%0")) end,
  single = function(value) return (gsub(value, "'", "'\\''")) end,
  none = function(value) return value end, -- where no shell reads it
}
M.quote = QUOTES.plain

-- What the text between braces stands for: { what="record"|"column"|"number"|"worker", column=, change= }, or nil.
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

-- Follows the quotes of a command. `state` is a list of what is open: "plain", "double", "single", "comment".
local STEPS <const> = {
  plain = function(state, c, before)
    if c == "'" then
      state[#state + 1] = "single"
    elseif c == '"' then
      state[#state + 1] = "double"
    elseif c == "(" then
      state[#state + 1] = "plain"
    elseif c == ")" and #state > 1 then
      state[#state] = nil
    elseif c == "#" and before:find "^[%s;&|(]?$" then
      state[#state + 1] = "comment"
    end
  end,
  double = function(state, c, before)
    if c == '"' then
      state[#state] = nil
    elseif c == "(" and before == "$" then
      state[#state + 1] = "plain"
    end
  end,
  single = function(state, c)
    if c == "'" then state[#state] = nil end
  end,
  comment = function(state, c)
    if c == "\n" then state[#state] = nil end
  end,
}

-- Follow a literal text; `before` is the character in front of it.
local function follow(state, text, before)
  local i = 1
  while i <= #text do
    local c, now = text:sub(i, i), state[#state]
    if c == "\\" and (now == "plain" or now == "double") then
      i = i + 1
    else
      STEPS[now](state, c, before)
    end
    before = c
    i = i + 1
  end
end

local function add_literal(parts, text)
  if type(parts[#parts]) == "string" then
    parts[#parts] = parts[#parts] .. text
  else
    parts[#parts + 1] = text
  end
end

-- The command as a list of texts and replacement strings. `names` is column by name; `only_numbers`: only {#} and
-- {%} mean something. Without any, the record is appended. The second result: whether there were some.
function M.parse(command, names, only_numbers)
  local parts, state, at, before, found = {}, { "plain" }, 1, "", false
  for open, inner, behind in command:gmatch "(){([^{}]*)}()" do
    local part = meaning(inner, names)
    if part and not (only_numbers and (part.what == "record" or part.what == "column")) then
      local literal = command:sub(at, open - 1)
      follow(state, literal, before)
      part.quotes = state[#state] == "comment" and "plain" or state[#state]
      add_literal(parts, literal)
      parts[#parts + 1] = part
      at, found, before = behind, true, "x"
    end
  end
  add_literal(parts, command:sub(at))
  if not found and not only_numbers then
    add_literal(parts, " ")
    parts[#parts + 1] = { what = "record", change = "", quotes = "plain" }
  end
  return parts, found
end

-- Several arguments that {} stands for are several words, unless it is in quotes.
local function words(list, change, quote)
  local texts = {}
  for i, value in ipairs(list) do texts[i] = quote(CHANGES[change](value)) end
  return table.concat(texts, " ")
end

local function value_of(part, work)
  local quote = QUOTES[part.quotes]
  if part.what == "number" then return tostring(work.number) end
  if part.what == "worker" then return tostring(work.worker) end
  if part.what == "record" then
    return words(work.words or { work.record }, part.change, quote)
  end
  local columns = work.columns or { work.record }
  local index = part.column < 0 and #columns + 1 + part.column or part.column
  return quote(CHANGES[part.change](columns[index] or ""))
end

-- The command for a record: work = { record=, columns= or nil, words= (its arguments) or nil, number=, worker= }
function M.expand(parts, work)
  local texts = {}
  for i, part in ipairs(parts) do
    texts[i] = type(part) == "string" and part or value_of(part, work)
  end
  return table.concat(texts)
end

return M
