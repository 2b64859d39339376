-- Reporting errors of the program's commands.
local host = require "tine.cli.host"

local M = {}

M.TROUBLE = 2 -- exit code: wrong usage, a file that cannot be read, output that cannot be written
M.FAILED = 1  -- exit code: something that was run has failed

-- Ends the program with a message. Raised as a table, to be distinguished from Lua errors.
function M.give_up(format, ...)
  error({ trouble = format:format(...) })
end

-- Like give_up, for a failure of something that was run.
function M.fail(format, ...)
  error({ trouble = format:format(...), code = M.FAILED })
end

-- After a pcall that takes errors for something else: raises the error again if it is Ctrl-C's.
function M.unless_interrupted(err)
  if require "tine.core".map.is_interrupt(err) then error(err, 0) end
end

-- The innermost cause of an error: for a failed initializer, the error that it raised.
function M.root_cause(err)
  while type(err) == "table" and err.cause ~= nil do err = err.cause end
  return tostring(err)
end

function M.complain(command, text)
  io.stdout:flush()
  io.stderr:write("tine ", command, ": ", text, "\n")
end

-- Prints, and checks that all output was written.
function M.print(...)
  local ok, why = io.stdout:write(...)
  if ok then why = host.output_error() end
  if why then M.give_up("write error: %s", why) end
end

-- Calls fn(...), which returns an exit code. Reports errors, also of output, and returns their exit code.
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

-- For programs that end by os.exit without checking whether their output was written.
function M.watch_exit(command)
  local exit = os.exit
  function os.exit(code, close) -- luacheck: globals os.exit
    exit(M.protect(command, function() return code end), close)
  end
end

-- The main function of a command, which returns its exit code. `parse` turns arguments into options, `run` executes
-- them; with the option `help` the help text is printed instead.
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
