-- tine serve: a pool of this machine behind job servers, for programs on other machines.
local host = require "tine.cli.host"
local open_files = require "tine.cli.open_files"
local options = require "tine.cli.options"
local trouble = require "tine.cli.trouble"

local M = {}

local USAGE <const> = [[
usage: tine serve [options] gearman://HOST[:PORT][,HOST...]/SET]]

local HELP <const> = USAGE .. [[


Runs tasks of programs on other machines, which reach it through the job servers (gearmand) named by URL, with
tine.pool { backend = URL }. SET is the name of the hosts that work together.

  --key FILE               the key that all of them have (tine key); without one only loopback addresses will do
  -j N, --jobs N           so many workers (default: the number of processors; +N, -N, N%)
  --name TEXT              what this host is called (default: its host name)
  --allow modules          refuse calls that carry code: only functions of modules that are installed here are run
  --preload MODULE,...     modules that workers start with
  --initializer FILE       a Lua file, run in each worker before its first task
  --memory BYTES           that a task may add to its worker's Lua state, at most
  --timeout S              that a task may run, at most
  --cache BYTES            of functions and values of programs, to be kept beyond their tasks (default: 256 MiB)
  --max-tasks N            a worker that has run so many is replaced
  --on-disconnect finish   tasks whose program, or server, is gone run to their end (default: they are ended)
  --exit-when-idle S       end when there has been no task for so long
  --exit-without-server S  end when no server has been there for so long
  --on HOST,HOST           do all that on these hosts, by ssh; ends when they do, and ends them
  --help

Says `tine: serving URL as NAME with N workers` when it is registered, and logs to stderr. SIGTERM: it takes nothing
more, finishes what runs, and leaves; at once when it comes again. Exit code: 0; 1 when its own preload or initializer
fails, or no server was there; 2 for wrong use.]]

local function words(text)
  local list = {}
  for word in text:gmatch "[^,%s]+" do list[#list + 1] = word end
  if #list > 0 then return list end
  return nil, "names"
end

local function only(word)
  return function(text)
    if text == word then return true end
    return nil, "'" .. word .. "'"
  end
end

local OPTIONS <const> = {
  { "--key", value = "FILE", key = "key" },
  { "-j", "--jobs", value = "N", key = "workers", read = options.jobs },
  { "--name", value = "TEXT", key = "name" },
  { "--allow", value = "modules", key = "only_modules", read = only "modules" },
  { "--preload", value = "MODULE,...", key = "preload", read = words },
  { "--initializer", value = "FILE", key = "initializer" },
  { "--memory", value = "BYTES", key = "memory", read = options.count },
  { "--timeout", value = "S", key = "timeout", read = options.seconds },
  { "--cache", value = "BYTES", key = "cache", read = options.count },
  { "--max-tasks", value = "N", key = "max_tasks", read = options.count },
  { "--on-disconnect", value = "finish", key = "finish", read = only "finish" },
  { "--exit-when-idle", value = "S", key = "exit_when_idle", read = options.seconds },
  { "--exit-without-server", value = "S", key = "exit_without_server", read = options.seconds },
  { "--on", value = "HOST,HOST", key = "hosts", read = words },
  { "--help", "-h", key = "help" },
}

local function parse(args)
  local result = {}
  local operands = options.parse_all(OPTIONS, args, result, USAGE)
  if not result.help and #operands ~= 1 then
    trouble.give_up(#operands == 0 and "no URL\n%s" or "more than one URL\n%s", USAGE)
  end
  result.url = operands[1]
  return result
end

local function initializer_of(path)
  if not path then return nil end
  local fn, err = loadfile(path)
  if not fn then trouble.give_up("%s", err) end
  return fn
end

-- Reasons to end that are no failure.
local GOOD <const> = { asked = true, idle = true }

local WORDS <const> = {
  forced = "ended at once",
  alone = "no job server was there",
  broken = "its workers cannot start",
  failed = "no memory or no descriptor to be had",
}

local function why_broken(pool)
  local ok, err = pcall(pool.submit, pool, function() end)
  return ok and "" or ": " .. tostring(err)
end

local function serve(o)
  local tine = require "tine"
  local workers, why_not = open_files.choose(o.workers)
  o.workers = workers or trouble.give_up("%s", why_not)
  local read, wrong = host.read_serve(o)
  if not read then trouble.give_up("%s", wrong) end
  local pool = tine.pool {
    workers = o.workers,
    preload = o.preload,
    initializer = initializer_of(o.initializer),
    max_tasks_per_worker = o.max_tasks,
    on_crash = "replace",
    name = "tine serve",
  }
  local why = host.serve(pool, o, read)
  if not GOOD[why] then
    trouble.complain("serve", WORDS[why] .. (why == "broken" and why_broken(pool) or ""))
    pool:kill_workers()
  end
  pool:shutdown()
  return (GOOD[why] or why == "forced") and 0 or 1
end

function M.main(...)
  return trouble.protect("serve", function(...)
    local o = parse { ... }
    if o.help then
      trouble.print(HELP, "\n")
      return 0
    end
    if o.hosts then return require "tine.cli.serve.on".serve(o.hosts, { ... }) end
    return serve(o)
  end, ...)
end

return M
