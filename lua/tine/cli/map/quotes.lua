-- Follows the quotes of a command as a shell does: what is open at a place of it.
--
-- The state is a list of that:
--   plain     the command itself; group, command, sum: ( ), $( ), and $(( )), in which << is no here-document
--   case      until esac: the ) behind its patterns closes nothing
--   double, single, backtick, comment
--   escaped   behind a backslash; document: within a here-document, whose end was not found
-- and state.documents are the here-documents that begin at the end of the line.
local M = {}

function M.begin() return { "plain", documents = {} } end

local QUOTED <const> = { ["'"] = "single", ['"'] = "double", ["`"] = "backtick" }
local ESCAPES <const> = { plain = true, group = true, command = true, sum = true, case = true, double = true,
                          backtick = true }
local BEFORE_WORD <const> = "^[%s;&|()<>]?$"
local BEFORE_COMMAND <const> = { ["then"] = true, ["else"] = true, ["elif"] = true, ["if"] = true, ["do"] = true,
                                 ["while"] = true, ["until"] = true, ["in"] = true, ["{"] = true, ["!"] = true }

-- A character of a command, outside of quotes. The result: what stands before the next one, if not this one.
local function in_command(state, c, before)
  local now, after = state[#state], nil
  if QUOTED[c] then
    state[#state + 1] = QUOTED[c]
  elseif c == "(" then
    state[#state + 1] = (now == "sum" or before == "(") and "sum" or before == "$" and "command" or "group"
  elseif c == ")" and #state > 1 and now ~= "case" then
    state[#state] = nil
    after = now ~= "group" and "x" or nil -- $(...)# is a word, (...)# ends in a comment
  elseif c == "#" and now ~= "sum" and before:find(BEFORE_WORD) then
    state[#state + 1] = "comment"
  end
  return after
end

-- Text that the character `last` ends.
local function until_the(last)
  return function(state, c)
    if c == last then state[#state] = nil end
  end
end

local STEPS <const> = {
  plain = in_command, group = in_command, command = in_command, sum = in_command, case = in_command,
  double = function(state, c, before)
    if c == '"' then
      state[#state] = nil
    elseif c == "`" then
      state[#state + 1] = "backtick"
    elseif c == "(" and before == "$" then
      state[#state + 1] = "command"
    end
  end,
  single = until_the "'",
  backtick = until_the "`",
  comment = until_the "\n",
  document = function() end,
  escaped = function() end,
}

local END_WORDS <const> = { "^\\?([%w_.+-]+)()[%s;&|<>()]", "^'([^'\n]*)'()[%s;&|<>()]", '^"([^"\n]*)"()[%s;&|<>()]' }

-- The << at i: note the word that ends the document; gives the place behind it. A word that is cut off here (by a
-- replacement string), or is like none that people write, ends none that could be found.
local function begin_document(state, text, i)
  if text:find("^<<<", i) then return i + 3 end -- a word of its own in some shells
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

-- The line before i has ended: go over its documents; gives the place behind them.
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

-- Whether a command can begin at i; `first`: the text is where all begins.
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

-- Follow a literal text; `before` is the character in front of it.
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
      c = STEPS[now](state, c, before) or c
      i = i + 1
      if c == "\n" and STEPS[state[#state]] == in_command then i = skip_documents(state, text, i) end
    end
    before = c
  end
end

return M
