-- tine busted: busted over all processors, a spec file in each worker.
--
-- busted's own runner runs here, with its configuration, file loaders, filters and output handlers. Only the
-- executor of files is ours: it does not run a file but waits for a worker that has done so (busted/file.lua),
-- and publishes here what was published there. So the output handler sees the same events in the same order as
-- without us, and what tests have printed stands between them where it belongs.
--
-- Each worker runs one file, or several that are short by the times of the last run, and is then replaced. The longest
-- go first.
local host = require "tine.cli.host"
local streams = require "tine.cli.busted.stream"
local times_of = require "tine.cli.busted.times"
local trouble = require "tine.cli.trouble"
local worker = require "tine.cli.busted.file"
local jobs = require "tine.cli.options".jobs

local M = {}

local USAGE <const> = [[
usage: tine busted [-j N] [--split] [options of busted] [paths]

  -j, --jobs N   so many files at a time; +N, -N: more, fewer than processors; N%: of them
  --split        the describe blocks of a long file apart, where they do not depend on each other

]]

-- --- the command line ----------------------------------------------------------------------------------------

local function wrong_jobs(text)
  trouble.give_up("option '-j' needs a number of 1 or more, +N, -N or N%%, not '%s'\n%s", text or "", USAGE)
end

-- Our options, and the rest for busted.
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
      options.workers = jobs(text) or wrong_jobs(text)
    elseif word == "--split" then
      options.split = true
    else
      options.help = options.help or word == "--help" or word == "-h"
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  options.workers = options.workers or require "tine".cpu_count()
  return options, rest
end

-- Our options and busted's, which it tells as an error. It does not return.
local function print_help(text)
  trouble.print(USAGE, (text:gsub("^busted: error: ", ""):gsub("; re%-run with %-%-help for usage%.%s*$", "\n")))
  os.exit(0, true)
end

-- --- what the workers need -----------------------------------------------------------------------------------

local PARAMETERS <const> = { "TableFormatLevel", "TableFormatShowRecursion", "TableErrorHighlightCharacter",
                             "TableErrorHighlightColor" }

-- How assertions write their messages: output handlers set that.
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
    preload = function() require "tine.cli.busted.file".load_ahead() end,
    on_callback_error = function(err) self.callback_error = self.callback_error or err end,
  }
end

-- --- starting files --------------------------------------------------------------------------------------------

local AHEAD <const> = 4 -- for each worker: these have files open

-- A task for these files, or for a part of one, when its turn has come.
function Suite:plan(files, part, parts, deal)
  local task = { files = files, left = #files, part = part, parts = parts, deal = deal }
  table.insert(self.queue, task)
  for i, file in ipairs(files) do
    local tasks = self.tasks[file]
    tasks[part], tasks.place = task, i
  end
end

function Suite:submit(task)
  task.out, task.err, task.note = streams.new(io.stdout), streams.new(io.stderr), assert(host.memory "")
  local names = {}
  for i, file in ipairs(task.files) do names[i] = file.name end
  task.future = self.pool:with { label = table.concat(names, " ") }:submit("tine.cli.busted.file.run", {
    files = names, arg = self.arg, part = task.part, parts = task.parts, deal = task.deal,
    seed = self.busted.randomseed, parameters = self.parameters, out = task.out:path(), err = task.err:path(),
    note = host.path(task.note),
  })
  self.running = self.running + 1
  task.future:add_done_callback(function()
    self.running = self.running - 1
    task.out:finish()
    task.err:finish()
    task.during = host.contents(task.note, 4096) or ""
    host.close(task.note)
    task.ended = true
    self:submit_some()
  end)
end

function Suite:submit_some()
  while self.running < AHEAD * self.options.workers and self.queue[self.submitted + 1] do
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

-- Into how many parts a file is cut: not when its tests have an order of their own, and not a short one.
function Suite:parts_of(file)
  if not self.options.split or self.busted.randomize or self.busted.sort then return 1 end
  local seconds = self.times[file.name]
  return (not seconds or seconds > self.share / 2) and self.options.workers or 1
end

-- All files, the longest first; those that were never run before the others.
function Suite:start(files)
  local total = 0
  for _, file in ipairs(files) do total = total + (self.times[file.name] or 0) end
  self.share = total / self.options.workers
  self.tasks, self.queue, self.submitted, self.running, self.parameters = {}, {}, 0, 0, parameters()
  for _, file in ipairs(files) do self.tasks[file] = {} end -- its parts, and which one of their files it is
  for _, batch in ipairs(times_of.batches(self.times, files, self.share)) do
    local parts = #batch == 1 and self:parts_of(batch[1]) or 1
    local deal = times_of.deal(self.times, batch[1].name, parts)
    for part = 1, parts do self:plan(batch, part, parts, deal) end
  end
  self:submit_some()
end

-- --- what a file has given ---------------------------------------------------------------------------------------

local function print_all(task, out, err)
  task.out:print(out)
  task.err:print(err)
end

-- The element here that stands for the one there.
local function element_of(self, task, copy)
  local element = task.elements[copy.id]
  if not element then
    element = { attributes = {}, run = function() end }
    task.elements[copy.id] = element
  end
  for key, value in pairs(copy) do
    if key ~= "id" then element[key] = value end
  end
  if not self.busted.context.parent(element) and element ~= self.file then self.busted.context.attach(element) end
  return element
end

-- Publish an event as busted.safe_publish would, in the context of its element.
function Suite:publish(task, event)
  local busted = self.busted
  local channel, copy = event[1], event[2]
  print_all(task, event.out, event.err)
  local element = copy.descriptor == "file" and self.file or task.elements[copy.id]
  task.elements[copy.id] = element
  element = element_of(self, task, copy)
  local parent = event.parent and task.elements[event.parent]
  if element == self.file then parent = busted.context.parent(element) end -- the suite, which is told of nowhere
  if parent and event.seed then parent.randomseed = event.seed end
  local what = channel[2]
  local block = channel[1] == "file" or channel[1] == "describe"
  if block and what == "start" then busted.context.push(element) end
  local inside = busted.context.get() == element
  if not inside then busted.context.push(element) end
  busted.publish(channel, element, parent, table.unpack(event.args, 1, event.args.n))
  if not inside then busted.context.pop() end
  if block and what == "end" then busted.context.pop() end
end

-- The events of all parts, in the order of the file's blocks; what is in each part is taken from the first.
local function merged(parts)
  local list = {}
  for p, task in ipairs(parts) do
    for i, event in ipairs(task.given[parts.place].events) do
      if p == 1 or not worker.is_own(event) then list[#list + 1] = { task = task, event = event, at = i } end
    end
  end
  table.sort(list, function(a, b)
    if a.event.top ~= b.event.top then return a.event.top < b.event.top end
    return a.at < b.at
  end)
  return list
end

-- Each part knows the blocks that are in all of them under ids of its own. What was written before they began (by a
-- helper, by -e), was written here, too.
local function share_blocks(parts, file)
  local blocks = { file }
  for _, task in ipairs(parts) do
    local events, n = task.given[parts.place].events, 0
    local first = events[1]
    task.elements = {}
    if parts.place == 1 and first then
      task.out:skip(first.out)
      task.err:skip(first.err)
    end
    for _, event in ipairs(events) do
      local channel = event[1]
      if #parts > 1 and worker.is_own(event) and channel[2] == "start" or event[2].descriptor == "file" then
        n = n + 1
        blocks[n] = blocks[n] or { attributes = {}, run = function() end }
        task.elements[event[2].id] = blocks[n]
      end
      if event.top > 0 then break end
    end
  end
end

-- It did not come to its end: what its tests wrote, and an error that says where it was.
function Suite:crashed(file, task, err)
  print_all(task)
  local during = task.during ~= "" and "\nwhile it was running: " .. task.during or ""
  file.descriptor = "file"
  local trace = { short_src = file.name, source = "@" .. file.name, traceback = "",
                  currentline = tonumber(task.during:match ":(%d+)%)$") or 1 } -- output handlers tell places by it
  self.busted.publish({ "error", "file" }, file, nil, tostring(err) .. during, trace)
end

-- A task with several files did not come to its end: each has one of its own, to find the file that did it.
function Suite:take_apart(task)
  for _, file in ipairs(task.files) do
    self.tasks[file] = {}
    self:plan({ file }, 1, 1, {})
  end
  task.out:close()
  task.err:close()
  self:submit_some()
end

-- Waits for the parts of the file; gives them, and whether all have ended well.
function Suite:collect(file)
  local parts, seconds, ok = self.tasks[file], 0, true
  for _, task in ipairs(parts) do
    self:wait_for(task)
    local done, given = task.future:pcall()
    if done then
      task.given = task.given or worker.read(given)
      seconds = seconds + (task.given[parts.place].seconds or 0)
      for n, unit in pairs(task.given.units) do self.new_times[times_of.unit(file.name, n)] = unit end
    elseif task.files[2] then
      self:take_apart(task)
      return self:collect(file)
    else
      ok = false
      self:crashed(file, task, given)
    end
  end
  if ok then self.new_times[file.name] = seconds end
  return parts, ok
end

-- The executor of files.
function Suite:run_file(file)
  if not self.tasks then self:start(self.busted.context.children(self.busted.context.parent(file))) end
  self.file = file
  local collected, parts, ok = pcall(self.collect, self, file)
  if not collected then -- Ctrl-C
    self.failure, self.busted.skipAll = parts, true
    return
  elseif ok then
    share_blocks(parts, file)
    for _, item in ipairs(merged(parts)) do self:publish(item.task, item.event) end
  end
  for _, task in ipairs(parts) do
    task.left = task.left - 1
    if task.left == 0 then
      if ok then print_all(task) end
      task.out:close()
      task.err:close()
    end
  end
end

-- busted's own program, which it starts by another Lua with --lua; a script, not a wrapper of one.
local function program_of_busted()
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local name = folder .. "/busted"
    local file <close> = io.open(name, "rb")
    if file and (file:read "l" or ""):find "^#!.*lua" then return name end
  end
  return "busted"
end

-- --- all of it ------------------------------------------------------------------------------------------------------

-- Counts tests: a run without any is a failure.
local function watch(self)
  self.tests = 0
  self.busted.subscribe({ "test", "end" }, function()
    self.tests = self.tests + 1
    return nil, true
  end, { priority = 1 })
  self.busted.subscribe({ "suite", "start" }, function() -- of each of --repeat
    self.tasks = nil
    return nil, true
  end, { priority = 1 })
end

-- What is told there for one process only: names of tests, coverage.
local function is_serial(args) return args.list or args.coverage end

local function take_over(self)
  local busted = self.busted
  busted.register("file", function(file) self:run_file(file) end, { envmode = "insulate" })
  busted.hide "file"
end

local function prepare_modules(self)
  worker.wrap("busted.core", function(core)
    return function(...)
      self.busted = core(...)
      watch(self)
      return self.busted
    end
  end)
  worker.wrap("busted.modules.cli", function(cli)
    return function(options)
      local parser = cli(options)
      local parse_arguments = parser.parse
      function parser.parse(...)
        local args, err = parse_arguments(...)
        if not args and self.options.help then print_help(err) end
        self.cli = args
        self.parallel = args and not args.version and not is_serial(args)
        if self.parallel then self.pool = self:new_pool() end -- in the folder and with the paths of now
        return args, err
      end
      return parser
    end
  end)
  worker.wrap("busted.execute", function(execute)
    return function(busted)
      worker.unwrap()
      if self.parallel then take_over(self) end
      return execute(busted)
    end
  end)
end

local function run(...)
  local options, rest = parse(...)
  local found, why = pcall(require, "busted.compatibility")
  if not found then
    trouble.give_up("busted is not installed for Lua 5.4 (Debian: lua-busted, LuaRocks: busted): %s",
      tostring(why):match "^[^\n]*")
  end
  rest[0], rest[-1] = program_of_busted(), assert(host.program())
  arg = rest -- luacheck: globals arg
  local self = setmetatable({ options = options, arg = rest, times = times_of.read(), new_times = {} }, Suite)
  prepare_modules(self)
  trouble.watch_exit "busted"
  local code = worker.run_busted()
  self.queue = {} -- of which nothing is to start any more
  if self.failure then self.pool:kill_workers() end
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

-- The program: gives its exit code.
function M.main(...) return trouble.protect("busted", run, ...) end

return M
