-- Job servers and hosts on this machine, for specs of pools whose workers are on others.
--
--   if machines.are_missing(pending) then return end
--   local server = machines.server()              -- a gearmand on a free port of the loopback
--   local host = machines.host(server, "-j 2")    -- a `tine serve` that is registered there
--   tine.pool { backend = server:url() }
--   machines.stop()                               -- in a teardown: all that was started
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local socket = require "socket"

local M = {}
local Process = {}
Process.__index = Process

local started = {}
local names = 0

-- Where gearmand is, or nil.
local function find_server()
  for _, path in ipairs { "/usr/sbin/gearmand", "/usr/local/sbin/gearmand", "/usr/bin/gearmand" } do
    local file = io.open(path)
    if file then
      file:close()
      return path
    end
  end
end
M.gearmand = find_server()

-- Whether there can be none; then that is told by busted's `pending`.
function M.are_missing(pending)
  if M.gearmand then return false end
  pending "gearmand is not installed (package gearman-job-server)"
  return true
end

local function start(command)
  local self = setmetatable({ out = os.tmpname(), err = os.tmpname() }, Process)
  self.pipe = assert(io.popen(("exec setsid sh -c 'echo $$; exec %s >%s 2>%s </dev/null'")
    :format(command, self.out, self.err)))
  self.pid = tonumber(self.pipe:read "l")
  started[#started + 1] = self
  return self
end

M.start = start

-- A file with a new key, and behind it, as older ones, those of the file `more`.
function M.new_key(more)
  local file = os.tmpname()
  local old = more and shell.contents(more) or ""
  shell.ok("%s key > %s.new", program.tine(), file)
  shell.ok("chmod 600 %s && cat %s.new > %s && rm %s.new", file, file, file, file)
  if more then
    local out = assert(io.open(file, "a"))
    out:write("# an older one\n", old)
    out:close()
  end
  return file
end

function Process:log() return processes.read(self.err) or "" end
function Process:alive() return processes.alive(self.pid) end
function Process:signal(name) processes.signal(name, self.pid) end

-- Waits for its end; its exit code, or nil and the signal's number.
function Process:close()
  if self.ended then return table.unpack(self.ended) end
  eventually(function() return not self:alive() end, "the end of a process\n" .. self:log(), 30)
  local _, how, code = self.pipe:close()
  self.ended = how == "exit" and { code } or { nil, code }
  os.remove(self.out)
  os.remove(self.err)
  return table.unpack(self.ended)
end

-- Kills it, and whatever it has started dies with it.
function Process:kill()
  self:signal "KILL"
  self:signal "CONT"
  return self:close()
end

function Process:url(set) return ("gearman://127.0.0.1:%d/%s"):format(self.port, set or "spec") end

local function listens(port)
  local connection = socket.connect("127.0.0.1", port)
  return connection and connection:close()
end

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end
M.free_port = free_port

-- A job server, on this port or a free one; `options` for its command line take the place of the usual ones.
function M.server(port, options)
  port = port or free_port()
  local self = start(("%s -L 127.0.0.1 -p %d --threads=1 %s -l stderr --pid-file=%s --config-file=/dev/null")
    :format(M.gearmand, port, options or "--job-retries=1", os.tmpname()))
  self.port = port
  eventually(function() return listens(port) end, "a job server that listens\n" .. self:log())
  return self
end

-- A host that serves the set of the URL, with these words on its command line; waits until it is registered, or has
-- ended.
function M.host(url, options, set)
  names = names + 1
  if type(url) ~= "string" then url = url:url(set) end
  local name = ("host%d"):format(names)
  local self = start(("%s serve %s --name %s %s"):format(program.tine(), url, name, options or "-j 1"))
  self.name = name
  eventually(function()
    return (processes.read(self.out) or ""):find "\n" or not self:alive()
  end, "a host that serves", 20)
  self.said = processes.read(self.out)
  return self
end

-- All that was started ends.
function M.stop()
  for i = #started, 1, -1 do
    if not started[i].ended then started[i]:kill() end
    started[i] = nil
  end
end

return M
