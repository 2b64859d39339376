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

-- The element here that stands for one of the worker.
function Replay:element_of(task, copy)
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

-- Publishes an event as busted.safe_publish would, in the context of its element.
function Replay:publish(task, event)
  local busted = self.busted
  local channel, copy = event[1], event[2]
  print_all(task, event.out, event.err)
  local element = copy.descriptor == "file" and self.file or task.elements[copy.id]
  task.elements[copy.id] = element
  element = self:element_of(task, copy)
  local parent = event.parent and task.elements[event.parent]
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

-- The events of all parts, in the order of the file's units; those of common blocks are taken from the first part.
local function merged(parts)
  local list = {}
  for p, task in ipairs(parts) do
    for i, event in ipairs(task.events[parts.place]) do
      if p == 1 or event.always or not worker.is_own(event) then
        list[#list + 1] = { task = task, event = event, part = p, at = i }
      end
    end
  end
  table.sort(list, function(a, b)
    if a.event.top ~= b.event.top then return a.event.top < b.event.top end
    if a.part ~= b.part then return a.part < b.part end
    return a.at < b.at
  end)
  return list
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
  for _, item in ipairs(merged(parts)) do self:publish(item.task, item.event) end
end
