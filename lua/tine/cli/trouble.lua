-- How the commands of the program tell what is wrong.
local host = require "tine.cli.host"

local M = {}

M.TROUBLE = 2 -- exit code: wrong usage, a file that cannot be read, output that cannot be written
M.FAILED = 1  -- exit code: something that was to be run has failed

-- Trouble that ends the program: raised as a table, so that it is told from errors of Lua.
function M.give_up(format, ...)
  error({ trouble = format:format(...) })
end

-- As give_up, of what was to be run, which has failed.
function M.fail(format, ...)
  error({ trouble = format:format(...), code = M.FAILED })
end

-- The reason at the bottom of an error: of an initializer that raised, what it raised.
function M.root_cause(err)
  while type(err) == "table" and err.cause ~= nil do err = err.cause end
  return tostring(err)
end

function M.complain(command, text)
  io.stdout:flush()
  io.stderr:write("tine ", command, ": ", text, "\n")
end

-- Prints all that a program has to say.
function M.print(...)
  local ok, why = io.stdout:write(...)
  if ok then why = host.output_error() end
  if why then M.give_up("write error: %s", why) end
end

-- Calls fn(...), which gives an exit code; trouble is told, and gives its own. So does what could not be printed.
function M.protect(command, fn, ...)
  local ok, code = pcall(function(...)
    local code = fn(...)
    M.print()
    return code
  end, ...)
  if ok then return code end
  local err = code
  if type(err) == "table" and err.trouble then
    M.complain(command, (err.trouble:gsub("\n$", "")))
    return err.code or M.TROUBLE
  elseif require "tine".kind(err) then
    M.complain(command, M.root_cause(err))
  else
    error(err, 0)
  end
  return M.TROUBLE
end

-- For programs of others, which end it by os.exit without a look whether what they have printed could be written.
function M.watch_exit(command)
  local exit = os.exit
  function os.exit(code, close) -- luacheck: globals os.exit
    exit(M.protect(command, function() return code end), close)
  end
end

-- The program of a command, which gives its exit code. `parse` makes options of its arguments, `run` does what they
-- say; with the option `help` that text is printed instead.
function M.program(command, help, parse, run)
  return function(...)
    return M.protect(command, function(...)
      local o = parse(...)
      if not o.help then return run(o) end
      M.print(help)
      return 0
    end, ...)
  end
end

return M
