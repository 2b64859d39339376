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

return { run = shell, quote = quote, contents = contents }
