-- tine __complete COMMAND: the options of a command, one a line, for the shells' completion (completion/).
--
-- busted and luacheck are programs of others: theirs are read from their help.
local host = require "tine.cli.host"
local quote = require "tine.cli.map.template".quote
local trouble = require "tine.cli.trouble"

local M = {}

-- The options that a help has: what begins a line, "-o LIBRARY, --output=LIBRARY   what it does", up to the
-- explanation; "--[no-]color" is two.
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
