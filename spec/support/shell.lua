-- shell(command): runs a command with sh and gives { out=, err=, code= }, where code is 128 + n for a
-- command that signal n ended.
local quote = function(s) return "'" .. tostring(s):gsub("'", "'\\''") .. "'" end

local function contents(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function shell(command)
  local out, err = os.tmpname(), os.tmpname()
  local _, how, code = os.execute(("{ %s\n} >%s 2>%s"):format(command, out, err))
  local result = { out = contents(out), err = contents(err), code = how == "signal" and 128 + code or code }
  os.remove(out)
  os.remove(err)
  return result
end

-- Formats and runs a command, expects success, and gives the output.
local function ok(command, ...)
  command = command:format(...)
  local s = shell(command)
  assert(s.code == 0, command .. "\n" .. s.out .. s.err)
  return s.out
end

return { run = shell, ok = ok, quote = quote, contents = contents }
