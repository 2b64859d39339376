-- tine busted: publishes the events that a worker has recorded for a file (busted/file.lua), in order, and prints
-- what the tests have written between them.
--
-- A part of the file is a task: { events= (for each of its files), out=, err= (busted/stream.lua), died= (a message,
-- if its process has died) }. Elements that such a process had begun are ended here, the innermost with an error, so
-- that nothing that was done before is lost.
local worker = require "tine.cli.busted.file"

local Replay = {}
Replay.__index = Replay

local function print_all(task, out, err)
  task.out:print(out)
  task.err:print(err)
end

-- --- a process that has died ----------------------------------------------------------------------------------

-- The events of elements that have begun and have not ended.
local function unfinished(events)
  local open = {}
  for _, event in ipairs(events) do
    local what = event[1][2]
    if what == "start" then
      open[#open + 1] = event
    elseif what == "end" then
      repeat local last = table.remove(open) until not last or last[2].id == event[2].id
    end
  end
  return open
end

-- What was running: names, and the position of the innermost element.
local function during(open)
  local names = {}
  for _, event in ipairs(open) do
    if event[2].descriptor ~= "file" then names[#names + 1] = event[2].name or event[2].descriptor end
  end
  if not names[1] then return "" end
  local trace = open[#open][2].trace
  local place = trace and trace.short_src and (" (%s:%d)"):format(trace.short_src, trace.currentline) or ""
  return "\nwhile it was running: " .. table.concat(names, " ") .. place
end

-- Output handlers need a position.
local function top_of_file(file)
  return { short_src = file.name, source = "@" .. file.name, traceback = "", currentline = 1 }
end

-- Adds the error of the innermost element (of the file if none was open), and the ends of all open elements.
local function end_at_death(events, message, file)
  local open = unfinished(events)
  local last = open[#open] or events[1]
  local behind = events[#events].top ~= last.top -- its children are distributed over parts
  local trace = last[2].trace or top_of_file(file)
  events[#events + 1] = { { "error", last[2].descriptor }, { id = last[2].id }, parent = last.parent, seed = last.seed,
                          top = behind and worker.top_of_end(last) or last.top, always = true,
                          args = { n = 2, message .. during(open), trace } }
  for i = #open, 1, -1 do
    local event, element = open[i], open[i][2]
    local is_test = event[1][1] == "test"
    events[#events + 1] = {
      { event[1][1], "end" }, parent = event.parent, seed = event.seed, top = worker.top_of_end(event),
      { id = element.id, endtick = element.starttick, endtime = element.starttime, duration = 0 },
      args = is_test and { n = 2, "error", trace } or { n = 0 },
    }
  end
end

-- --- events ------------------------------------------------------------------------------------------------------

-- Makes the element a child of its parent, which need not be what is running: the hook of an outer block, which fails
-- for a test of an inner one, is that of the outer block.
function Replay:attach(element, parent)
  local context = self.busted.context
  local elsewhere = parent and context.parent(parent) and context.get() ~= parent
  if elsewhere then context.push(parent) end
  context.attach(element)
  if elsewhere then context.pop() end
end

-- The element here that stands for one of the worker.
function Replay:element_of(task, copy, parent)
  local element = task.elements[copy.id]
  if not element then
    element = { attributes = {}, run = function() end }
    task.elements[copy.id] = element
  end
  for key, value in pairs(copy) do
    if key ~= "id" then element[key] = value end
  end
  if not self.busted.context.parent(element) and element ~= self.file then self:attach(element, parent) end
  return element
end

-- Publishes an event as busted.safe_publish would, in the context of its element.
function Replay:publish(task, event)
  local busted = self.busted
  local channel, copy = event[1], event[2]
  print_all(task, event.out, event.err)
  local element = copy.descriptor == "file" and self.file or task.elements[copy.id]
  task.elements[copy.id] = element
  local parent = event.parent and task.elements[event.parent]
  element = self:element_of(task, copy, parent)
  if element == self.file then parent = busted.context.parent(element) end -- the suite, which has no events
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

-- The order in which busted ends a block.
local function rank(event, own)
  if not own then return 0 end
  if event[1][2] == "end" then return 2 end
  return worker.is_behind(event) and event[1][2] ~= "lazy_teardown" and 1 or 0
end

-- The events of a part, for merging. `depth`: for those of common blocks, how many of these have ended before.
local function items_of(part, task, place, list)
  local starts, ends = 0, 0
  for i, event in ipairs(task.events[place]) do
    local own, what = worker.is_own(event), event[1][2]
    list[#list + 1] = { task = task, event = event, part = part, at = i, depth = own and ends or 0,
                        rank = rank(event, own), common = own or event.once }
    if own and what == "start" then starts = starts + 1 end
    if own and what == "end" then ends = ends + 1 end
  end
  return starts
end

local function before(a, b)
  if a.event.top ~= b.event.top then return a.event.top < b.event.top end
  if a.depth ~= b.depth then return a.depth < b.depth end
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.part ~= b.part then return a.part < b.part end
  return a.at < b.at
end

-- What stands in every part is to be given once: that blocks begin and end, from part `lead`; what went wrong in their
-- hooks, from each part in which it did, unless another one has said the same.
local function once(lead)
  local told = {}
  return function(item)
    local event = item.event
    local what = event[1][2]
    if not item.common or event.always then return true end
    if what == "start" or what == "end" then return item.part == lead end
    local key = table.concat({ event[1][1], tostring(what), tostring(event.args[1]) }, "\0")
    local counts = told[key] or { most = 0 }
    told[key] = counts
    counts[item.part] = (counts[item.part] or 0) + 1
    local is_new = counts[item.part] > counts.most
    counts.most = math.max(counts.most, counts[item.part])
    return is_new
  end
end

-- The events of all parts, in the order of the file's units.
local function merged(parts)
  local list, kept, lead, most = {}, {}, 1, 0
  for p, task in ipairs(parts) do
    local starts = items_of(p, task, parts.place, list)
    if starts > most then lead, most = p, starts end -- common blocks may not have begun where a setup has failed
  end
  table.sort(list, before)
  local is_wanted = once(lead)
  for _, item in ipairs(list) do
    if is_wanted(item) then kept[#kept + 1] = item end
  end
  return kept
end

-- Blocks that are in every part have different ids in each: lets them share one element. What was written before them
-- (by a helper, by -e) was written by this process, too, and is skipped.
local function share_blocks(parts, file)
  local blocks = { file }
  for _, task in ipairs(parts) do
    local events, n = task.events[parts.place], 0
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

-- The process died before the file began.
function Replay:died_at_once(task)
  print_all(task)
  self.file.descriptor = "file"
  self.busted.publish({ "error", "file" }, self.file, nil, task.died, top_of_file(self.file))
end

-- parts: tasks; parts.place: the index of this file in them
return function(busted, file, parts)
  local self = setmetatable({ busted = busted, file = file }, Replay)
  for _, task in ipairs(parts) do
    local events = task.events[parts.place]
    if task.died and events[1] then
      end_at_death(events, task.died, file)
    elseif task.died then
      self:died_at_once(task)
    end
  end
  share_blocks(parts, file)
  local last -- the unit behind which nothing more is to be run (--no-keep-going), which other parts did not know
  for _, item in ipairs(merged(parts)) do
    if last and item.event.top ~= last and not worker.is_own(item.event) then
      item.task.out:skip(item.event.out)
      item.task.err:skip(item.event.err)
    else
      self:publish(item.task, item.event)
      last = last or busted.skipAll and item.event.top
    end
  end
end
