-- A command of the program, run in a folder of its own.
--
--   local map = require "spec.support.command" "map"
--   setup(map.setup) teardown(map.teardown)
--   map.file("name", "text")                    -- a file in that folder
--   map.run([[-x 'echo {}']], "a\nb\n")         --> { out=, err=, code= }
--   map.contents "name"
local shell = require "spec.support.shell"
local quote = shell.quote

return function(command)
  local M = {}

  function M.setup()
    M.folder = os.tmpname()
    os.remove(M.folder)
    assert(os.execute("mkdir " .. M.folder))
  end

  function M.teardown() os.execute("rm -r " .. M.folder) end

  function M.file(name, text)
    local f <close> = assert(io.open(M.folder .. "/" .. name, "wb"))
    f:write(text)
    return name
  end

  function M.contents(name) return shell.contents(M.folder .. "/" .. name) end

  -- The program, for command lines that have it inside.
  M.program = quote(os.getenv "TINE_PROGRAM")

  -- A command line in the folder, with this text as its input.
  function M.shell(line, input)
    M.file("stdin", input or "")
    return shell.run(("cd %s; { %s; } <stdin"):format(quote(M.folder), line))
  end

  function M.run(arguments, input) return M.shell(M.program .. " " .. command .. " " .. arguments, input) end

  return M
end
