-- The fenced blocks of a Markdown file, and running them.
--
--   lua                runs as a program of its own; what it prints must be what the `text` block that follows
--                      says, or else the `--> value` comments in it, in their order
--   lua file=NAME      is written to NAME, for the blocks after it
--   lua no-run: WHY    is left alone
--   console            lines after "$ " are run by sh, the lines under them are what they print
--
-- "..." in what is expected stands for any text within a line; runs of blanks count as one.
local shell = require "spec.support.shell"

local M = {}

-- List of { info=, line=, text= }.
function M.blocks(name)
  local list, block, number = {}, nil, 0
  for line in io.lines(name) do
    number = number + 1
    local fence = line:match "^```(.*)"
    if not fence then
      if block then block.text[#block.text + 1] = line end
    elseif block then
      block.text = table.concat(block.text, "\n") .. "\n"
      list[#list + 1], block = block, nil
    else
      block = { info = fence, line = number + 1, text = {} }
    end
  end
  assert(not block, name .. " ends inside a block")
  return list
end

local function normal(text)
  return (text:gsub("[ \t]+", " "):gsub(" *\n", "\n"):gsub("^ ", ""):gsub("\n ", "\n"):gsub("%s+$", ""))
end

-- Whether `got` is what is expected.
function M.matches(expected, got)
  local pattern = normal(expected):gsub("%.%.%.", "\0"):gsub("%p", "%%%0"):gsub("%z", "[^\n]*")
  return normal(got):find("^" .. pattern .. "$") ~= nil
end

-- What the program in a block should print.
function M.expected(block, following)
  if following and following.info == "text" then return following.text end
  local lines = {}
  for value in block.text:gmatch "%-%->%s*([^\n]*)" do lines[#lines + 1] = value end
  return table.concat(lines, "\n")
end

-- The parts of a console block: { command=, expected= }.
function M.session(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n" do
    local command = line:match "^%$ (.*)"
    if command then
      list[#list + 1] = { command = command, expected = "" }
    else
      local last = assert(list[#list], "a console block begins with a command")
      last.expected = last.expected .. line .. "\n"
    end
  end
  return list
end

function M.write(folder, name, text)
  local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
end

-- Runs a command in the folder.
function M.run(folder, command)
  return shell.run(("cd %s && { %s\n} </dev/null"):format(shell.quote(folder), command))
end

return M
