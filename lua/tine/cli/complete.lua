-- tine __complete COMMAND: prints the options of a command, one a line, for shell completion (completion/).
--
-- For busted and luacheck, which are not ours, too: the options are read from the help text.
local host = require "tine.cli.host"
local quote = require "tine.cli.map.template".quote
local trouble = require "tine.cli.trouble"

local M = {}

-- The options in a help text: at the start of a line, "-o LIBRARY, --output=LIBRARY   what it does", up to the
-- explanation; "--[no-]color" counts as two.
function M.options(help)
  local list = {}
  for names in help:gmatch "%f[^\n\0] +(%-[^\n]*)" do
    for name in names:gsub("  .*", ""):gmatch "%f[^ ,=\0]%-[^ ,=]*" do
      local bare = name:gsub("[:.].*", "")
      local stem = bare:match "^%-%-%[no%-%](.*)"
      list[#list + 1] = stem and "--" .. stem or bare
      list[#list + 1] = stem and "--no-" .. stem
    end
  end
  return list
end

function M.main(command)
  return trouble.protect("__complete", function()
    local pipe <close> = assert(io.popen(("%s %s --help 2>/dev/null"):format(quote(host.program()), quote(command))))
    for _, option in ipairs(M.options(pipe:read "a")) do trouble.print(option, "\n") end
    return 0
  end)
end

return M
