-- A strict reader of the Trace Event format, as far as a trace of Tine uses it: what is not as the format's document
-- says is an error.
--
--   local trace = trace_events.read "file.json"   --> { events =, whole = (the closing bracket is there),
--                                                       rows = name of a row -> its X events, counters = name -> list }
--   trace:tasks(pattern)                          -- the events of tasks whose labels match
--   trace:task(pattern)                           -- the only one
local json = require "dkjson"
local shell = require "spec.support.shell"

local M = {}
local Trace = {}
Trace.__index = Trace

-- Colours that Chrome's viewer knows.
local COLOURS <const> = { good = true, bad = true, terrible = true, yellow = true, grey = true, black = true,
                          startup = true, generic_work = true }

local function check(condition, event, what)
  if condition then return end
  local fields = {}
  for k, v in pairs(event) do fields[#fields + 1] = ("%s=%s"):format(k, tostring(v)) end
  table.sort(fields)
  error(("%s: { %s }"):format(what, table.concat(fields, ", ")), 0)
end

local function is_time(x) return math.type(x) ~= nil and x >= 0 and x < math.huge end

local CHECKS <const> = {
  M = function(e)
    local value = { process_name = "name", thread_name = "name", thread_sort_index = "sort_index" }
    check(value[e.name], e, "unknown metadata")
    check(e.args[value[e.name]] ~= nil, e, "metadata without its argument")
  end,
  X = function(e)
    check(is_time(e.ts) and is_time(e.dur), e, "no times")
    check(type(e.cat) == "string", e, "no category")
  end,
  i = function(e) check(is_time(e.ts) and (e.s == "t" or e.s == "p" or e.s == "g"), e, "an instant event") end,
  C = function(e)
    check(is_time(e.ts) and next(e.args), e, "a counter")
    for _, n in pairs(e.args) do check(math.type(n), e, "a counter that is no number") end
  end,
  s = function(e) check(is_time(e.ts) and type(e.id) == "string", e, "the start of an arrow") end,
  f = function(e) check(is_time(e.ts) and type(e.id) == "string" and e.bp == "e", e, "the end of an arrow") end,
}

local function check_event(e)
  check(type(e.name) == "string" and utf8.len(e.name), e, "no name, or one that is no UTF-8")
  check(math.type(e.pid) == "integer" and math.type(e.tid) == "integer" and e.tid > 0, e, "no process or thread")
  check(CHECKS[e.ph], e, "an unknown phase")
  check(e.args == nil or type(e.args) == "table", e, "arguments")
  check(e.cname == nil or COLOURS[e.cname], e, "an unknown colour")
  CHECKS[e.ph](e)
end

-- Events of one row lie inside each other or apart. In ns: µs with three digits are not exact.
local function check_row(list)
  local stack = {}
  local function ns(us) return math.floor(us * 1000 + 0.5) end
  table.sort(list, function(a, b) return a.ts < b.ts or a.ts == b.ts and a.dur > b.dur end)
  for _, e in ipairs(list) do
    while stack[1] and ns(stack[#stack].ts + stack[#stack].dur) <= ns(e.ts) do stack[#stack] = nil end
    local around = stack[#stack]
    check(not around or ns(e.ts + e.dur) <= ns(around.ts + around.dur) + 1, e, "it ends after what it lies in")
    stack[#stack + 1] = e
  end
end

-- By key, as lists.
local function group(events, phase, key)
  local groups = {}
  for _, e in ipairs(events) do
    if e.ph == phase then
      local k = key(e)
      groups[k] = groups[k] or {}
      table.insert(groups[k], e)
    end
  end
  return groups
end

local function check_arrows(events)
  local from, to = group(events, "s", function(e) return e.id end), group(events, "f", function(e) return e.id end)
  for id, list in pairs(to) do
    check(#list == 1 and from[id] and #from[id] == 1, list[1], "an arrow without a start")
    check(from[id][1].ts <= list[1].ts, list[1], "an arrow into the past")
  end
  for id, list in pairs(from) do check(to[id], list[1], "an arrow without an end") end
end

-- The text of a trace. A program that was killed leaves one without a bracket; all of it is whole events.
function M.parse(text)
  local whole = text:find "%]%s*$" ~= nil
  local events = assert(json.decode(whole and text or text .. "]"))
  local self = setmetatable({ events = events, whole = whole, rows = {} }, Trace)
  local names = {}
  for _, e in ipairs(events) do
    check_event(e)
    if e.name == "thread_name" then
      local key = e.pid .. "." .. e.tid
      check(not names[key], e, "a row with two names")
      names[key] = e.args.name
      self.rows[e.args.name] = {}
    end
  end
  for key, list in pairs(group(events, "X", function(e) return e.pid .. "." .. e.tid end)) do
    check(names[key], list[1], "a row without a name")
    check_row(list)
    self.rows[names[key]] = list
  end
  check_arrows(events)
  self.counters = group(events, "C", function(e) return e.name end)
  return self
end

function M.read(file) return M.parse(shell.contents(file)) end

-- Of tasks; `pattern` of the label.
function Trace:tasks(pattern)
  local list = {}
  for _, e in ipairs(self.events) do
    if e.ph == "X" and e.cat == "task" and e.name:find(pattern or "") then list[#list + 1] = e end
  end
  table.sort(list, function(a, b) return a.args.attempt < b.args.attempt end)
  return list
end

function Trace:task(pattern)
  local list = self:tasks(pattern)
  if #list ~= 1 then error(("%d events of tasks match '%s'"):format(#list, pattern), 2) end
  return list[1]
end

-- The name of the row that the event is in.
function Trace:row_of(event)
  for name, list in pairs(self.rows) do
    for _, e in ipairs(list) do
      if e == event then return name end
    end
  end
end

return M
