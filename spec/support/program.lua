-- Programs that specs run as child processes, to see how they end and what they leave behind.
--
--   local p = program.start([[print "ready" ... ]])    -- plain Lua; { tine = true } for the host program
--   p:line()                                           --> "ready"
--   local ended = p:close()                            --> { out= (the rest), err=, how="exit"|"signal", code= }
--   program.run [[...]]                                -- start and close
--
-- `close` also checks that no process of the program is left: it waits a few seconds for them to go,
-- and raises an error that names those that stay.
local assert = require "luassert"
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"

local PATIENCE = 30 -- seconds for a program to go on or to end

local M = {}
local Program = {}
Program.__index = Program

local function quote(s) return "'" .. tostring(s):gsub("'", "'\\''") .. "'" end
M.quote = quote

-- The interpreter that runs this spec: plain Lua, or the host program in builds with a sanitizer.
local function interpreter()
  local pipe <close> = assert(io.popen "readlink /proc/$PPID/exe")
  return pipe:read "l"
end
local LUA = interpreter()

-- The host program.
function M.tine()
  return os.getenv "TINE_PROGRAM" or error "TINE_PROGRAM is not set: run specs with scripts/env"
end

-- Whether this spec, and what it starts, is run by the host program.
function M.lua_is_tine() return LUA == M.tine() end

local function temporary(text)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(text or "")
  file:close()
  return name
end

local started = 0

-- Starts a program of the given source. Options: tine (run by the host program), args (a list), before
-- (shell words before the interpreter, such as "taskset -c 0"), options (of the interpreter), stdin (a
-- file). Its standard output goes to a file, so that a program that hangs can be told from one that writes.
function M.start(source, options)
  options = options or {}
  started = started + 1
  if os.getenv "TINE_SPEC_BACKEND" and not options.tine then -- its pools are on other machines, too
    source = 'require "spec.support.far_pools" ' .. source
  end
  local self = setmetatable({}, Program)
  self.file, self.output, self.errors = temporary(source), temporary(), temporary()
  self.reader = assert(io.open(self.output, "rb"))
  self.mark = ("TINE_SPEC_PROGRAM=%d.%d."):format(processes.self(), started)
  local words = { options.before or "", quote(options.tine and M.tine() or LUA), options.options or "",
                  quote(self.file) }
  for _, argument in ipairs(options.args or {}) do words[#words + 1] = quote(argument) end
  -- A session of its own, so that its processes are found, and that Ctrl-C can be sent to all of them.
  local command = ("exec setsid env %s sh -c 'echo $$; exec \"$@\" >%s' sh %s <%s 2>%s"):format(
    self.mark, self.output, table.concat(words, " "), quote(options.stdin or "/dev/null"), self.errors)
  self.pipe = assert(io.popen(command, "r"))
  self.pid = tonumber(self.pipe:read "l")
  return self
end

-- The next line of its standard output; nil when it has ended without one.
function Program:line()
  local line
  eventually(function()
    local ended = not processes.alive(self.pid) -- looked at before reading: what it wrote at last is seen
    local at = self.reader:seek()
    line = self.reader:read "L"
    if line and line:sub(-1) == "\n" then
      line = line:sub(1, -2)
      return true
    end
    line = nil
    self.reader:seek("set", at)
    return ended
  end, "a line of output", PATIENCE)
  return line
end

-- The numbers of its next line, as a list.
function Program:numbers()
  local line, list = self:line() or "", {}
  for number in line:gmatch "%-?%d+" do list[#list + 1] = tonumber(number) end
  return list
end

-- What it has written to stderr so far.
function Program:stderr() return processes.read(self.errors) end

-- Those of its processes that are alive: of its session, or started with its mark.
function Program:processes()
  local list = {}
  for _, pid in ipairs(processes.all()) do
    local stat = processes.stat(pid)
    if stat and stat.state ~= "Z" and (stat.session == self.pid or processes.has_environment(pid, self.mark)) then
      list[#list + 1] = stat
    end
  end
  return list
end

-- Sends a signal to the program, or with `group` to its whole process group, as a terminal does.
function Program:signal(name, group) processes.signal(name, group and -self.pid or self.pid) end

-- Kills all that is left of it; their names.
local function bury(left)
  local names = {}
  for i, stat in ipairs(left) do
    names[i] = ("%d (%s, %s)"):format(stat.pid, stat.name, stat.state)
    processes.signal("KILL", stat.pid)
  end
  return table.concat(names, ", ")
end

-- Waits for its end. That it does not end, and anything it leaves behind, is an error.
function Program:close()
  local ended = { hangs = not pcall(eventually, function() return not processes.alive(self.pid) end, nil, PATIENCE) }
  local left
  ended.leaves = not ended.hangs and not pcall(eventually, function()
    left = self:processes()
    return #left == 0
  end)
  local buried = (ended.hangs or ended.leaves) and bury(self:processes())
  local _, how, code = self.pipe:close()
  ended.how, ended.code, ended.out, ended.err = how, code, self.reader:read "a", self:stderr()
  self.reader:close()
  for _, name in ipairs { self.file, self.output, self.errors } do os.remove(name) end
  if buried then
    error(("the program %s: %s\nits stderr: %s"):format(ended.hangs and "hangs" or "left behind", buried, ended.err), 2)
  end
  return ended
end

function M.run(source, options)
  local ended = M.start(source, options):close()
  return ended
end

-- What the program prints, which must end in good order.
function M.output(source, options)
  local ended = M.run(source, options)
  assert.equal("", ended.err)
  assert.equal("exit 0", ended.how .. " " .. ended.code)
  return ended.out
end

return M
