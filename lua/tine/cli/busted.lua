-- tine busted: busted on all processors, a spec file in each worker.
--
-- busted's own runner runs here, with its configuration, file loaders, filters and output handlers. Only the executor
-- of files is replaced: instead of running a file it waits for a worker that has done so (busted/file.lua), and
-- publishes the events that were published there (busted/replay.lua). So the output handler sees the same events in
-- the same order as without workers, and what tests have printed appears between them where it belongs.
--
-- A worker runs one file, or several that were short in the last run, and is then replaced. The longest files go
-- first.
local events = require "tine.cli.busted.events"
local host = require "tine.cli.host"
local open_files = require "tine.cli.open_files"
local replay = require "tine.cli.busted.replay"
local runner = require "tine.cli.busted.runner"
local streams = require "tine.cli.busted.stream"
local times_of = require "tine.cli.busted.times"
local trouble = require "tine.cli.trouble"
local jobs = require "tine.cli.options".jobs

local M = {}

local USAGE <const> = [[
usage: tine busted [-j N] [--split] [options of busted] [paths]

  -j, --jobs N   so many files at a time; +N, -N: more, fewer than processors; N%: of them
  --split        the describe blocks of a long file apart, where they do not depend on each other

]]

local AHEAD <const> = 4 -- tasks at a time for each worker
local FILES <const> = 3 -- that are open for each: stdout, stderr, events

-- --- the command line ----------------------------------------------------------------------------------------

local function read_jobs(text)
  local workers, expected = jobs(text)
  return workers or trouble.give_up("option '-j' needs %s, not '%s'\n%s", expected, text, USAGE)
end

local HELP <const> = { ["--help"] = true, ["-h"] = true }

-- Separates our options from those for busted.
local function parse(...)
  local args, rest, options = { ... }, {}, {}
  local i = 1
  while args[i] do
    local word = args[i]
    local text = word:match "^%-j(.+)$" or word:match "^%-%-jobs=(.*)$"
    if word == "-j" or word == "--jobs" then
      i = i + 1
      text = args[i] or ""
    end
    if text then
      options.workers = read_jobs(text)
    elseif word == "--split" then
      options.split = true
    else
      options.help = options.help or HELP[word]
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  local workers, why = open_files.choose(options.workers, "spec files", FILES)
  options.workers = workers or trouble.give_up("%s", why)
  options.tasks = math.min(AHEAD * workers, open_files.tasks(workers, FILES))
  return options, rest
end

-- Prints our options and busted's, which busted raises as an error. Does not return.
local function print_help(text)
  trouble.print(USAGE, (text:gsub("^busted: error: ", ""):gsub("; re%-run with %-%-help for usage%.%s*$", "\n")))
  os.exit(0, true)
end

-- --- the workers ----------------------------------------------------------------------------------------------

local PARAMETERS <const> = { "TableFormatLevel", "TableFormatShowRecursion", "TableErrorHighlightCharacter",
                             "TableErrorHighlightColor" }

-- How assertions write their messages, as the output handler has set it.
local function parameters()
  local list = {}
  for _, name in ipairs(PARAMETERS) do list[name] = require "luassert":get_parameter(name) end
  return list
end

local Suite = {}
Suite.__index = Suite

function Suite:new_pool()
  return require "tine".pool {
    name = "tine busted", workers = self.options.workers, max_tasks_per_worker = 1, on_crash = "replace",
    preload = function()
      require "tine.cli.busted.runner".load_ahead()
      require "tine.cli.busted.file"
    end,
    on_callback_error = function(err) self.callback_error = self.callback_error or err end,
  }
end

-- --- starting files -------------------------------------------------------------------------------------------

-- Queues a task for these files, or for a part of one file.
function Suite:plan(files, part, parts, deal)
  local task = { files = files, left = #files, part = part, parts = parts, deal = deal }
  table.insert(self.queue, task)
  for i, file in ipairs(files) do
    local tasks = self.tasks[file]
    tasks[part], tasks.place = task, i
  end
end

function Suite:submit(task)
  task.out, task.err = streams.new(io.stdout), streams.new(io.stderr)
  local recorded, names = events.reader(), {}
  for i, file in ipairs(task.files) do names[i] = file.name end
  task.future = self.pool:with { label = table.concat(names, " ") }:submit("tine.cli.busted.file.run", {
    files = names, arg = self.arg, part = task.part, parts = task.parts, deal = task.deal,
    seed = self.busted.randomseed, parameters = self.parameters, out = task.out:path(), err = task.err:path(),
    events = recorded:path(),
  })
  self.running = self.running + 1
  task.future:add_done_callback(function()
    self.running = self.running - 1
    task.events = recorded:take(#names)
    task.out:finish()
    task.err:finish()
    task.ended = true
    self:submit_some()
  end)
end

function Suite:submit_some()
  while self.running < self.options.tasks and self.queue[self.submitted + 1] do
    self.submitted = self.submitted + 1
    self:submit(self.queue[self.submitted])
  end
end

function Suite:wait_for(task)
  while not task.ended do
    if self.callback_error then error(self.callback_error, 0) end
    host.poll { self.pool:fileno() }
    self.pool:dispatch()
  end
end

-- The number of parts to split a file into: 1 for a short file, or if its tests have an order of their own.
function Suite:parts_of(file)
  if not self.options.split or self.busted.randomize or self.busted.sort then return 1 end
  local seconds = self.times[file.name]
  return (not seconds or seconds > self.share / 2) and self.options.workers or 1
end

-- Starts all files, the longest first, but before them those that were never run.
function Suite:start(files)
  self.pool = self.pool or self:new_pool()
  self.tasks, self.queue, self.submitted, self.running, self.parameters = {}, {}, 0, 0, parameters()
  for _, file in ipairs(files) do self.tasks[file] = {} end -- by part; and `place`, the file's index in its task
  local batches
  batches, self.share = times_of.batches(self.times, files, self.options.workers)
  for _, batch in ipairs(batches) do
    local parts = #batch == 1 and self:parts_of(batch[1]) or 1
    local deal = times_of.deal(self.times, batch[1].name, parts)
    for part = 1, parts do self:plan(batch, part, parts, deal) end
  end
  self:submit_some()
end

-- --- running a file ------------------------------------------------------------------------------------------------

-- Forgets what these tasks have done, and runs each of their files in a task of its own.
function Suite:run_again(tasks)
  for _, file in ipairs(tasks[1].files) do
    self.tasks[file] = {}
    self:plan({ file }, 1, 1, {})
  end
  for _, task in ipairs(tasks) do
    task.out:close()
    task.err:close()
  end
  self:submit_some()
end

-- Do the parts of a file belong together? Not if its tests have an order of their own (`randomize`), or are not the
-- same in each process (made from random numbers, say): some would be missing, others be there twice.
local function fit(parts)
  local plan
  for _, task in ipairs(parts) do
    if task.plan == false or task.plan and plan and task.plan ~= plan then return false end
    plan = task.plan or plan
  end
  return true
end

-- Waits for the parts of the file and returns them. The first file asked for starts all.
function Suite:collect(file)
  if not self.tasks then self:start(self.busted.context.children(self.busted.context.parent(file))) end
  local parts, sum, ok = self.tasks[file], 0, true
  for _, task in ipairs(parts) do
    self:wait_for(task)
    local done, seconds, units, plan = task.future:pcall()
    if done then
      sum, task.plan = sum + (seconds[parts.place] or 0), plan
      for n, unit in pairs(units) do self.new_times[times_of.unit(file.name, n)] = unit end
    elseif task.files[2] then -- to find the guilty one
      self:run_again { task }
      return self:collect(file)
    else
      ok, task.died = false, tostring(seconds)
    end
  end
  if not fit(parts) then
    self:run_again(parts)
    return self:collect(file)
  end
  if ok then self.new_times[file.name] = sum end
  return parts
end

-- The executor of files.
function Suite:run_file(file)
  local collected, parts = pcall(self.collect, self, file)
  if not collected then -- Ctrl-C, or what ends the run otherwise
    self.failure, self.busted.skipAll = parts, true
    return
  end
  replay(self.busted, file, parts)
  for _, task in ipairs(parts) do
    task.left = task.left - 1
    if task.left == 0 then
      task.out:print()
      task.err:print()
      task.out:close()
      task.err:close()
    end
  end
end

-- The program of busted, which busted needs to start itself under another Lua (--lua); a script, not a shell wrapper.
local function program_of_busted()
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local name = folder .. "/busted"
    local file <close> = io.open(name, "rb")
    if file and (file:read "l" or ""):find "^#!.*lua" then return name end
  end
  return "busted"
end

-- --- the whole ----------------------------------------------------------------------------------------------------

-- Counts tests, because a run without any is a failure.
local function watch(self)
  self.tests = 0
  self.busted.subscribe({ "test", "end" }, function()
    self.tests = self.tests + 1
    return nil, true
  end, { priority = 1 })
  self.busted.subscribe({ "suite", "start" }, function() -- of each round of --repeat
    self.tasks = nil
    return nil, true
  end, { priority = 1 })
end

-- What busted does in one process only: names of tests, coverage.
local function is_serial(args) return args.list or args.coverage end

-- Are the folder, the helper and some of the files there that the command line names? Otherwise busted will only say
-- what is missing.
local function is_there(args)
  local path = require "pl.path"
  local function exists(name) return path.exists(path.join(args.directory, name)) end
  local helper = args.helper or ""
  if not path.isdir(args.directory) or helper:find "%.lua$" and not exists(helper) then return false end
  for _, name in ipairs(args.ROOT) do
    if exists(name) then return true end
  end
  return false
end

local function take_over(self)
  local busted = self.busted
  busted.register("file", function(file) self:run_file(file) end, { envmode = "insulate" })
  busted.hide "file"
end

local function prepare_modules(self)
  runner.on_core(function(busted)
    self.busted = busted
    watch(self)
  end)
  runner.on_arguments(function(args, err)
    if not args and self.options.help then print_help(err) end
    self.parallel = args and not args.version and not is_serial(args)
    if self.parallel and is_there(args) then self.pool = self:new_pool() end -- loads busted while this process does
  end)
  runner.wrap("busted.execute", function(execute)
    return function(busted)
      runner.unwrap()
      if self.parallel then take_over(self) end
      return execute(busted)
    end
  end)
end

local function run(...)
  local options, rest = parse(...)
  local found, why = pcall(require, "busted.compatibility")
  if not found and not tostring(why):find "not found" then error(why, 0) end -- Ctrl-C, too
  if not found then
    trouble.give_up("busted is not installed for Lua 5.4 (Debian: lua-busted, LuaRocks: busted): %s",
      tostring(why):match "^[^\n]*")
  end
  rest[0], rest[-1] = program_of_busted(), host.program() or "tine"
  arg = rest -- luacheck: globals arg
  local self = setmetatable({ options = options, arg = rest, times = times_of.read(), new_times = {} }, Suite)
  prepare_modules(self)
  trouble.watch_exit "busted"
  local code = runner.run()
  self.queue = {} -- nothing more is to start
  if self.failure and self.pool then self.pool:kill_workers() end
  if self.pool then self.pool:shutdown { cancel_futures = true } end
  if self.failure then error(self.failure, 0) end
  for name, seconds in pairs(self.times) do self.new_times[name] = self.new_times[name] or seconds end
  if self.parallel then times_of.write(self.new_times) end
  if self.parallel and code == 0 and self.tests == 0 then
    trouble.complain("busted", "no tests")
    return trouble.FAILED
  end
  return code
end

-- The program; returns its exit code.
function M.main(...) return trouble.protect("busted", run, ...) end

return M
