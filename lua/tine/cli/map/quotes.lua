-- Follows the quoting of a shell command: which constructs are open at each position.
--
-- The state is a list of open constructs:
--   plain     the command itself; group, command, sum: ( ), $( ), and $(( )), where << begins no here-document
--   case      until esac: the ) after its patterns closes nothing
--   double, single, backtick, comment
--   braces    ${ }; and between double quotes, where shells differ in what quotes mean:
--   inside    ${ }; pattern: ${ } with # or %, where single quotes are quotes; quoted, literal: a text in double or
--             single quotes in these
--   escaped   after a backslash; document: in a here-document whose end was not found
-- and state.documents are the here-documents that begin at the end of the line.
local M = {}

function M.begin() return { "plain", documents = {} } end

local QUOTED <const> = { ["'"] = "single", ['"'] = "double", ["`"] = "backtick" }
local ESCAPES <const> = { plain = true, group = true, command = true, sum = true, case = true, double = true,
                          backtick = true, braces = true, inside = true, pattern = true, quoted = true }
local BEFORE_WORD <const> = "^[%s;&|()<>]?$"
local BEFORE_COMMAND <const> = { ["then"] = true, ["else"] = true, ["elif"] = true, ["if"] = true, ["do"] = true,
                                 ["while"] = true, ["until"] = true, ["in"] = true, ["{"] = true, ["!"] = true }

-- Begins ${ }, $( ) or `...`, wherever these may be; true if one begins.
local function expansion(state, c, before, braces)
  local begun = c == "`" and "backtick" or before == "$" and (c == "(" and "command" or c == "{" and braces)
  if begun then state[#state + 1] = begun end
  return begun
end

-- Handles a character outside of quotes. Returns what the next character should see before it, if not this one.
local function in_command(state, c, before)
  local now, after = state[#state], nil
  if QUOTED[c] then
    state[#state + 1] = QUOTED[c]
  elseif c == "{" and before == "$" then
    state[#state + 1] = "braces"
  elseif c == "(" then
    state[#state + 1] = (now == "sum" or before == "(") and "sum" or before == "$" and "command" or "group"
  elseif c == ")" and #state > 1 and now ~= "case" then
    state[#state] = nil
    after = now ~= "group" and "x" or nil -- $(...)# is a word, but (...)# begins a comment
  elseif c == "#" and now ~= "sum" and before:find(BEFORE_WORD) then
    state[#state + 1] = "comment"
  end
  return after
end

-- For a construct that ends with the character `last`.
local function until_the(last)
  return function(state, c)
    if c == last then state[#state] = nil end
  end
end

-- For text between double quotes, which `last` ends: `quotes` have a meaning in it.
local function quoted_until(last, quotes)
  return function(state, c, before, braces)
    if c == last then
      state[#state] = nil
    elseif not expansion(state, c, before, braces) and quotes[c] then
      state[#state + 1] = quotes[c]
    end
  end
end

local STEPS <const> = {
  plain = in_command, group = in_command, command = in_command, sum = in_command, case = in_command,
  double = quoted_until('"', {}),
  quoted = quoted_until('"', {}), -- in ${ } between double quotes
  inside = quoted_until("}", { ['"'] = "quoted" }),
  pattern = quoted_until("}", { ['"'] = "quoted", ["'"] = "literal" }),
  literal = until_the "'",
  braces = function(state, c, before)
    if c == "}" then
      state[#state] = nil
    elseif not expansion(state, c, before, "braces") and QUOTED[c] then
      state[#state + 1] = QUOTED[c]
    end
  end,
  single = until_the "'",
  backtick = until_the "`",
  comment = until_the "\n",
  document = function() end,
  escaped = function() end,
}

local END_WORDS <const> = { "^\\?([%w_.+-]+)()[%s;&|<>()]", "^'([^'\n]*)'()[%s;&|<>()]", '^"([^"\n]*)"()[%s;&|<>()]' }

-- Handles a << at i: notes the word that ends the document, and returns the position behind it. If the word is cut
-- off here (by a replacement string) or is unusual, its end cannot be found.
local function begin_document(state, text, i)
  if text:find("^<<<", i) then return i + 3 end -- a here-string in some shells
  local tabs, at = text:match("^<<(%-?)[ \t]*()", i)
  for _, pattern in ipairs(END_WORDS) do
    local word, behind = text:match(pattern, at)
    if word then
      table.insert(state.documents, { word = word, tabs = tabs == "-" })
      return behind
    end
  end
  state[#state + 1] = "document"
  return #text + 1
end

-- The line before i has ended: skips its here-documents and returns the position behind them.
local function skip_documents(state, text, i)
  for _, document in ipairs(state.documents) do
    local line, behind
    repeat
      line, behind = text:match("^([^\n]*)\n()", i)
      if not line then
        state[#state + 1] = "document"
        return #text + 1
      end
      i = behind
    until (document.tabs and line:gsub("^\t+", "") or line) == document.word
  end
  state.documents = {}
  return i
end

-- Can a command begin at i? `first`: the text is the start of the command.
local function begins_command(text, i, first)
  local head = text:sub(1, i - 1):gsub("[ \t]+$", "")
  if head == "" then return first end
  return head:find "[;&|()\n]$" or BEFORE_COMMAND[head:match "[^%s;&|()]*$"]
end

local function take_word(state, text, i, first)
  local word, now = text:match("^%l+%f[%s;&|()<>\0]", i), state[#state]
  if word == "case" and begins_command(text, i, first) then
    state[#state + 1] = "case"
  elseif word == "esac" and now == "case" and begins_command(text, i, first) then
    state[#state] = nil
  end
end

-- Follows a literal text; `before` is the character before it.
function M.follow(state, text, before)
  local i, first = 1, before == ""
  while i <= #text do
    if STEPS[state[#state]] == in_command and before:find(BEFORE_WORD) then take_word(state, text, i, first) end
    local c, now = text:sub(i, i), state[#state]
    if c == "\\" and ESCAPES[now] then
      if i == #text then state[#state + 1] = "escaped" end
      i = i + 2
    elseif STEPS[now] == in_command and now ~= "sum" and text:find("^<<", i) then
      c, i = "x", begin_document(state, text, i)
    else
      c = STEPS[now](state, c, before, text:find("^{[^%s{}#%%:=?+-]+[#%%]", i) and "pattern" or "inside") or c
      i = i + 1
      if c == "\n" and STEPS[state[#state]] == in_command then i = skip_documents(state, text, i) end
    end
    before = c
  end
end

return M
