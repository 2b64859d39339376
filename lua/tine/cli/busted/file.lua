-- tine busted, in the worker: runs spec files with busted's own runner and records the events that it publishes.
--
-- The runner gets the arguments of the command line, so configuration, helpers, paths and filters are read as always.
-- Only what it loads (these files), where it prints (nowhere) and how it ends are changed, by replacing modules that
-- it requires. What tests print goes into files of the program; each event carries the positions in them, so that the
-- program can print the output where it belongs. Events are written as they come, so they survive a crash.
local events = require "tine.cli.busted.events"
local host = require "tine.cli.host"
local runner = require "tine.cli.busted.runner"
local unnamed = require "tine.cli.unnamed"

local M = {}

-- --- recording --------------------------------------------------------------------------------------------

local FIELDS <const> = { "starttick", "endtick", "starttime", "endtime", "duration", "randomseed", "message" }

-- An element as the program needs it: everything the first time, later only what may have changed.
local function describe_element(record, element)
  local id = record.ids[element]
  local copy = {}
  if not id then
    id = #record.elements + 1
    record.ids[element], record.elements[id] = id, element
    copy.name, copy.descriptor, copy.trace = element.name, element.descriptor, element.trace
  end
  copy.id = id
  for _, field in ipairs(FIELDS) do copy[field] = element[field] end
  return copy
end

-- The position of an event in the file: the number of its unit (see below), or before or behind all units.
local OWN_BEGIN <const>, OWN_END <const> = 0, math.maxinteger

function M.is_own(event) return event.top == OWN_BEGIN or event.top == OWN_END end
function M.is_behind(event) return event.top == OWN_END end

-- The position of the end of what began with this event.
function M.top_of_end(event) return event.top == OWN_BEGIN and OWN_END or event.top end

local function add(record, channel, element, parent, ...)
  io.stdout:flush()
  local top, descriptor = record.top, tostring(element.descriptor)
  local is_shared = record.shared[record.busted.context.parent(element)]
  if is_shared and descriptor:find "teardown$" then top = OWN_END end
  local event = { channel, describe_element(record, element), top = top, out = host.size(1), err = host.size(2),
                  file = math.max(record.n, 1), once = is_shared and descriptor == "lazy_setup" or nil,
                  args = table.pack(...) }
  if parent then event.parent, event.seed = record.ids[parent], parent.randomseed end
  record.events:add(event)
end

local PRIORITY <const> = { priority = 1 }

-- Records the number and the duration of each file.
local function watch_files(record)
  local started
  record.busted.subscribe({ "file", "start" }, function()
    record.n = record.n + 1
    started = host.clock()
    return nil, true
  end, PRIORITY)
  record.busted.subscribe({ "file", "end" }, function()
    record.seconds[record.n] = host.clock() - started
    return nil, true
  end, PRIORITY)
end

local function subscribe(record)
  local busted = record.busted
  local function forward(channel)
    busted.subscribe(channel, function(element, parent, ...)
      -- a test that is cancelled by a filter is not reported, as in outputHandlers/base.lua
      local name = channel[2] and channel or { channel[1], element.descriptor }
      add(record, name, element, parent, ...)
      return nil, true
    end, PRIORITY)
  end
  for _, what in ipairs { "file", "describe", "test" } do
    forward { what, "start" }
    forward { what, "end" }
  end
  for _, what in ipairs { "pending", "failure", "error" } do forward { what } end
end

-- --- parts of a file (--split) ----------------------------------------------------------------------------

-- The units that are distributed over the parts are the children of one block: of the file; or if the file has only a
-- single `describe`, of that; and so on. The blocks around them are in every part; their own events are taken from
-- one part.
local UNITS <const> = { describe = true, it = true, pending = true }

-- `dealt`: the block whose children are distributed, the numbers of those in this part (`kept`), their number (`n`)
-- and all their names.
local function deal_out(record, dealt, block)
  dealt.block, dealt.kept, dealt.n, dealt.names = block, {}, 0, {}
  record.shared[block] = true
end

-- What all parts must agree on: which units there are, and that they are run in this order. False: their block has
-- called `randomize`.
local function plan_of(dealt)
  return not dealt.random and table.concat(dealt.names, "\n")
end

-- Hides units of other parts from busted.
local function choose_units(record, job, dealt)
  local busted = record.busted
  local context = busted.context

  local function is_mine(number) return (job.deal[number] or (number - 1) % job.parts + 1) == job.part end

  -- A first `describe` was kept because it might have been the only one; drops it.
  local function drop_first()
    local children = context.children(dealt.block)
    for i, child in ipairs(children) do
      if UNITS[child.descriptor] then
        table.remove(children, i)
        dealt.kept = {}
        return
      end
    end
  end

  for descriptor in pairs(UNITS) do
    busted.subscribe({ "register", descriptor }, function(name)
      local into = context.get()
      if into.descriptor == "file" and into ~= dealt.block then deal_out(record, dealt, into) end
      if into ~= dealt.block then return nil, true end
      dealt.n = dealt.n + 1
      dealt.names[dealt.n] = descriptor .. " " .. tostring(name)
      if dealt.n == 2 and dealt.kept[1] and not is_mine(1) then drop_first() end
      local keep = is_mine(dealt.n) or dealt.n == 1 and descriptor == "describe"
      if keep then dealt.kept[#dealt.kept + 1] = dealt.n end
      return nil, keep
    end, PRIORITY)
  end
end

-- Records the duration of each unit by its number. When a single `describe` begins, its children become the units.
local function time_units(record, dealt)
  local busted = record.busted

  local function number_of(element)
    local i = 0
    for _, child in ipairs(busted.context.children(dealt.block)) do
      if UNITS[child.descriptor] then i = i + 1 end
      if child == element then return dealt.kept[i] end
    end
  end

  local began
  local function turn_to(top)
    local now = host.clock()
    if record.top > 0 then record.units[record.top] = now - began end
    record.top, began = top, now
  end

  local current
  local function begin_unit(element)
    current = element
    turn_to(number_of(element))
    if not dealt.block.randomseed then return end
    dealt.random, busted.skipAll = true, true -- its children were shuffled: this part need not go on
    function element.run() end
  end

  -- A unit begins before its "start", which does not come when a hook before it fails.
  local push = busted.context.push
  function busted.context.push(element)
    push(element)
    local is_unit = UNITS[element.descriptor] and busted.context.parent(element) == dealt.block
    if is_unit and element ~= current and (dealt.n > 1 or element.descriptor ~= "describe") then begin_unit(element) end
  end

  busted.subscribe({ "describe", "start" }, function(element, parent)
    if parent == dealt.block and dealt.n == 1 then deal_out(record, dealt, element) end
    return nil, true
  end, PRIORITY)
  for _, what in ipairs { "file", "describe" } do
    busted.subscribe({ what, "end" }, function(element)
      if record.shared[element] and record.top < OWN_END then turn_to(OWN_END) end
      return nil, true
    end, PRIORITY)
  end
end

local function deal(record, job)
  local dealt = { names = {} }
  record.dealt = dealt
  choose_units(record, job, dealt)
  time_units(record, dealt)
end

-- --- the task -----------------------------------------------------------------------------------------------

-- Replaces busted's output handlers: events are recorded instead.
local function record_events(record, job)
  runner.wrap("busted.modules.output_handler_loader", function()
    return function()
      return function(_, _, options)
        require "busted.languages.en"
        if options.language ~= "en" then require("busted.languages." .. options.language) end
        for name, value in pairs(job.parameters) do require "luassert":set_parameter(name, value) end
        subscribe(record) -- last, since a later subscriber with priority 1 comes before earlier ones
        if job.parts > 1 then deal(record, job) end
        watch_files(record)
      end
    end
  end)
end

-- Makes busted load the files of the job and run them once, in the order of the program's seed.
local function choose_files(job)
  runner.on_arguments(function(args)
    if args then args["repeat"] = 1 end
  end)
  runner.wrap("busted.modules.test_file_loader", function(loader)
    return function(...)
      local load_files = loader(...)
      return function(_, patterns, options) return load_files(job.files, patterns, options) end
    end
  end)
  runner.wrap("busted.execute", function(execute)
    return function(busted)
      local run = execute(busted)
      return function()
        busted.randomseed = job.seed
        runner.unwrap()
        return run(1, {})
      end
    end
  end)
end

-- Redirects stdout and stderr into the program's files.
local function redirect(job)
  io.stdout:setvbuf "line"
  for to, path in pairs { [1] = job.out, [2] = job.err } do
    local fd = assert(host.open(path, "a"))
    assert(host.duplicate(fd, to))
    host.close(fd)
  end
end

-- job: { files=, arg=, part=, parts=, deal= (the part of each unit), seed=, parameters=, out=, err=, events= (paths) }.
-- Returns the seconds of each file, and of units, and for a part what all parts must agree on.
function M.run(job)
  redirect(job)
  arg = job.arg -- luacheck: globals arg
  local record = { ids = {}, elements = {}, shared = {}, top = OWN_BEGIN, n = 0, seconds = {}, units = {},
                   events = events.writer(job.events) }
  runner.on_core(function(busted) record.busted = busted end)
  record_events(record, job)
  choose_files(job)
  runner.run()
  local lost = host.output_error() or record.events.error or unnamed.no_room()
  if lost then error("what its tests have written cannot be held: " .. lost, 0) end
  return record.seconds, record.units, record.dealt and plan_of(record.dealt)
end

return M
