-- tine top: shows what the pools of running programs are doing, from outside.
--
-- This file has the command line and the requests to pools; top/text.lua formats the answers, top/screen.lua has the
-- terminal.
local host = require "tine.cli.host"
local json = require "tine.cli.top.json"
local options_of = require "tine.cli.options"
local text_of = require "tine.cli.top.text"
local trouble = require "tine.cli.trouble"
local give_up = trouble.give_up

local M = {}

local USAGE <const> = "usage: tine top [--once | --json | --traceback ID] [--delay S] [pid]\n"

local HELP <const> = USAGE .. [[

Shows the pools of a running program, or without a pid of all of this user's: their
workers, what each runs and for how long, rates and percentiles. The program needs no
preparation, and may be busy with anything. Only its user and root may look.

  --once            print it once, as text
  --json            print it once, as JSON: { "pools": [ { "pid", "name", "stats", "workers", ... } ] }
  --traceback ID    print where the task with this number is in its Lua code
  -d, --delay S     seconds between two looks (1)
  -h, --help        this text

Keys: up and down choose a worker, t or Enter shows where its task is, q ends.

Exit codes: 0; 1 there is no such pool or task; 2 wrong use, it may not be looked at, or
output that cannot be written.
]]

local function seconds(text)
  local n = options_of.seconds(text)
  return n and n >= 0.1 and n < 1e6 and n or nil, "seconds, 0.1 or more"
end

local function number(text)
  local n = options_of.integer(text)
  return n and n > 0 and n or nil, "the number of a task"
end

local OPTIONS <const> = {
  { "--once", key = "once" },
  { "--json", key = "json" },
  { "--traceback", value = "ID", key = "task", read = number },
  { "-d", "--delay", value = "S", key = "delay", read = seconds },
  { "-h", "--help", key = "help" },
}

-- --- finding pools ---------------------------------------------------------------------------------------------

-- Names of sockets on which pools may be listening. Anybody may use such a name; `look` asks the kernel for the
-- owner.
local function sockets()
  local list, seen = {}, {}
  local file = io.open "/proc/net/unix"
  if not file then return list end
  for line in file:lines() do
    local name = line:match "@(tine/%d+/%x+)$"
    if name and not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  file:close()
  table.sort(list)
  return list
end

-- The user id of a process; nil: there is no such process.
local function owner(pid)
  local file = io.open(("/proc/%d/status"):format(pid))
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return math.tointeger(text:match "\nUid:%s+%d+%s+(%d+)")
end

local function command_of(pid)
  local file = io.open(("/proc/%d/cmdline"):format(pid), "rb")
  local text = file and file:read "a" or ""
  if file then file:close() end
  return (text:gsub("%z+$", ""):gsub("%z", " "))
end

-- A program that was stopped by SIGSTOP accepts the request and does not answer.
local function is_stopped(pid)
  local file <close> = io.open(("/proc/%d/status"):format(pid))
  return file ~= nil and file:read "a":find "\nState:%s+[Tt]" ~= nil
end

-- Asks all pools, or those of program `pid`, for their state, or for the place of `task`.
local function ask(pid, task)
  local answers = {}
  for _, name in ipairs(sockets()) do
    local its_pid = host.owner(name)
    local wanted = its_pid and (not pid or its_pid == pid) and not is_stopped(its_pid)
    local answer = wanted and host.look(name, task)
    if answer then
      if not task then answer.pid, answer.command, answer.socket = its_pid, command_of(its_pid), name end
      answers[#answers + 1] = answer
    end
  end
  return answers
end

-- Why there is nothing to show, and the exit code.
local function explain(pid)
  if not pid then return "no pool of this user is running", 1 end
  local uid = owner(pid)
  if not uid then return ("there is no process %d"):format(pid), 1 end
  if uid ~= host.user() and host.user() ~= 0 then
    return ("process %d is another user's (uid %d): only that user and root may look"):format(pid, uid), 2
  end
  if is_stopped(pid) then return ("process %d is stopped: it cannot answer until it goes on"):format(pid), 1 end
  return ("process %d has no pool that can be seen"):format(pid), 1
end

local function nothing(pid)
  local why, code = explain(pid)
  trouble.complain("top", why)
  return code
end

-- --- output ------------------------------------------------------------------------------------------------------

local function by_pid(a, b)
  if a.pid ~= b.pid then return a.pid < b.pid end
  return a.name < b.name
end

local function look(pid)
  local pools = ask(pid)
  table.sort(pools, by_pid)
  for _, pool in ipairs(pools) do
    pool.stats.workers = pool.workers
    for _, name in ipairs { "workers", "slowest", "failed" } do json.list(pool[name]) end
    if pool.hosts then json.list(pool.hosts) end
  end
  return pools
end

-- The best answer of the pools: one whose worker runs the task. "gone": none does.
local function place_of(pid, task)
  local best
  for _, answer in ipairs(ask(pid, task)) do
    if not best or best.how == "gone" then best = answer end
  end
  return best
end

local function traceback(pid, task)
  local place = place_of(pid, task)
  if not place then return nothing(pid) end
  if place.how == "gone" then
    trouble.complain("top", ("no worker runs task %d"):format(task))
    return 1
  end
  trouble.print(text_of.place(place))
  return 0
end

local function once(pid, as_json)
  local pools = look(pid)
  if #pools == 0 then return nothing(pid) end
  if as_json then
    trouble.print(json.encode { pools = json.list(pools) }, "\n")
  else
    trouble.print(text_of.pools(pools, { columns = math.huge, rows = math.huge }))
  end
  return 0
end

local function parse(...)
  local o = {}
  local pids = options_of.parse_all(OPTIONS, { ... }, o, USAGE)
  if pids[2] then give_up("one pid at most\n%s", USAGE) end
  if pids[1] then
    o.pid = number(pids[1])
    if not o.pid then give_up("'%s' is no pid\n%s", pids[1], USAGE) end
  end
  return o
end

-- Is there a screen to draw on? A dumb terminal, that of an editor say, shows what would move its cursor as text.
local function has_screen() return os.getenv "TERM" ~= "dumb" and require "tine.core".terminal(1) ~= nil end

local function run(o)
  if o.task then
    return traceback(o.pid, o.task)
  elseif o.once or o.json or not has_screen() then
    return once(o.pid, o.json)
  end
  if #look(o.pid) == 0 then return nothing(o.pid) end
  return require "tine.cli.top.screen".run {
    delay = o.delay or 1,
    look = function() return look(o.pid) end,
    place = function(pid, task) return place_of(pid, task) end,
    explain = function() return (explain(o.pid)) end,
  }
end

M.main = trouble.program("top", HELP, parse, run)

return M
