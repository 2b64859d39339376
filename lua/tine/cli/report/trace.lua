-- Reads a trace (the format is in src/trace/format.h): the tasks, and everything else that the page shows.
local json = require "tine.cli.report.json"
local trouble = require "tine.cli.trouble"

local M = {}

-- --- events -------------------------------------------------------------------------------------------

-- Most events are tasks that finished: this pattern reads them five times as fast as the JSON parser, with the same
-- result.
local FINISHED <const> = '^{"name":"([^"\\%c]*)","cat":"task","ph":"X","pid":(%d+),"tid":(%d+),"ts":(%d+%.%d+),' ..
  '"dur":(%d+%.%d+),"args":{"id":(%d+),"attempt":(%d+),"how":"(finished)","wait":(%d+%.%d+)}}()'

local function finished_task(text, at)
  local name, pid, tid, ts, dur, id, attempt, how, wait, after = text:match(FINISHED, at)
  if not name then return end
  return { name = name, cat = "task", ph = "X", pid = pid, tid = tid, ts = tonumber(ts), dur = tonumber(dur),
           args = { id = tonumber(id), attempt = tonumber(attempt), how = how, wait = tonumber(wait) } }, after
end

-- The event at `at`, and the position behind it; or nil, a message, and whether the text ends within the event.
local function next_event(text, at)
  local value, after = finished_task(text, at)
  if not value then value, after = json.value(text, at) end
  if value ~= nil then return value, after end
  return nil, after, not text:find("\n", at, true) -- each event is a line
end

-- Calls f with each event of the array that begins at `at`. Returns whether the array is complete; or nil and a
-- message.
local function each_in(text, at, f)
  at = text:find("[^%s]", at + 1)
  local n = 0
  while at and text:sub(at, at) ~= "]" do
    local event, after, cut = next_event(text, at)
    if event == nil and cut and n > 0 then return false end
    if event == nil then return nil, after end
    if type(event) ~= "table" or type(event.ph) ~= "string" then return nil, "what is in it are no events" end
    n = n + 1
    f(event)
    at = text:find("[^%s,]", after)
  end
  return at ~= nil
end

-- The same for an array of events, or an object that contains one.
local function each_event(text, f)
  local at = text:find "[^%s]"
  if not at then return nil, "it is empty" end
  local first = text:sub(at, at)
  if first == "{" then at = select(2, text:find '"traceEvents"%s*:%s*%[') end
  if not at or first ~= "[" and first ~= "{" then return nil, "it is no JSON array of events" end
  return each_in(text, at, f)
end

-- --- labels -------------------------------------------------------------------------------------------

-- Splits a label: its name without the numbers of item and task, but with a mark where the item's was; the number of
-- the item; and whether it had the task's.
local function split_label(label, id)
  local name, numbered = label, false
  local ending = (" #%d"):format(id)
  if label:sub(-#ending) == ending then
    name, numbered = label:sub(1, -#ending - 1), true
  end
  local before, index, after = name:match "^(.-)%[(%d+)%](.*)$"
  if before and (after == "" or after:find "^ %(") and #index < 16 then
    return before .. "[]" .. after, math.tointeger(tonumber(index)), numbered
  end
  return name, nil, numbered
end

-- --- collecting ---------------------------------------------------------------------------------------------

local Trace = {}
Trace.__index = Trace

local function number_of(list, known, value)
  local i = known[value]
  if not i then
    i = #list + 1
    list[i], known[value] = value, i
  end
  return i
end

-- A number that the page has as an integer; raises an error for everything else, as for a value of another type.
local function integer(n) return assert(math.tointeger(n)) end

-- Microseconds as integer ns.
local function ns(us) return integer(math.floor(us * 1000 + 0.5)) end

function Trace:row(e)
  local key = ("%s.%s"):format(e.pid, e.tid)
  local row = self.by_key[key]
  if not row then
    row = { key = key, name = "row " .. tostring(e.tid), place = math.huge }
    self.by_key[key] = row
    self.rows[#self.rows + 1] = row
  end
  return row
end

local META <const> = {
  process_name = function(self, e) self.program = self.program or e.args.name end,
  thread_name = function(self, e) self:row(e).name = e.args.name end,
  thread_sort_index = function(self, e) self:row(e).place = integer(e.args.sort_index) end,
}

function Trace:task(e)
  local args = e.args or {}
  local name, index, numbered = split_label(e.name, args.id or 0)
  local known = numbered and self.numbered or self.plain
  local i = number_of(self.names, known, name)
  self.names_numbered[i] = numbered
  self.tasks[#self.tasks + 1] = {
    row = self:row(e), start = ns(e.ts), dur = ns(e.dur or 0), name = i, index = index, id = args.id or 0,
    attempt = integer(args.attempt or 1), how = number_of(self.hows, self.known_hows, args.how or "finished"),
    wait = args.wait and ns(args.wait * 1e6) or -1, error = args.error,
  }
end

local PHASES <const> = {
  M = function(self, e)
    local f = META[e.name]
    if f and e.args then f(self, e) end
  end,
  X = function(self, e)
    if e.cat == "task" then
      self:task(e)
    elseif e.cat == "worker" then
      local pid = integer(e.args and e.args.pid or 0)
      table.insert(self.starts, { row = self:row(e), at = ns(e.ts), dur = ns(e.dur), pid = pid })
    end
  end,
  i = function(self, e)
    local args = e.args or {}
    table.insert(self.marks, { row = self:row(e), at = ns(e.ts), name = e.name, pid = integer(args.pid or 0),
                               signal = args.signal and integer(args.signal),
                               exit_code = args.exit_code and integer(args.exit_code), why = args.why })
  end,
  s = function() end,
}

function Trace:take(e)
  self.n = self.n + 1
  local f = PHASES[e.ph]
  if f then f(self, e) end
  if f and e.ts then
    self.first = math.min(self.first or math.huge, ns(e.ts - (e.args and e.args.wait or 0) * 1e6))
    self.last = math.max(self.last or 0, ns(e.ts + (e.dur or 0)))
  end
end

-- Keeps rows that have events, sorts and numbers them.
local function settle_rows(self)
  local used = {}
  for _, list in ipairs { self.tasks, self.starts, self.marks } do
    for _, e in ipairs(list) do used[e.row] = true end
  end
  local rows = {}
  for _, row in ipairs(self.rows) do
    if used[row] then rows[#rows + 1] = row end
  end
  table.sort(rows, function(a, b)
    if a.place ~= b.place then return a.place < b.place end
    return a.key < b.key
  end)
  for i, row in ipairs(rows) do row.number = i end
  self.rows = rows
end

-- Reads the text of a trace; nil and a message if it is none.
function M.read(text)
  local self = setmetatable({
    n = 0, rows = {}, by_key = {}, tasks = {}, starts = {}, marks = {}, names = {}, names_numbered = {}, plain = {},
    numbered = {}, hows = {}, known_hows = {},
  }, Trace)
  number_of(self.hows, self.known_hows, "finished")
  local ok, whole, wrong = pcall(each_event, text, function(e) self:take(e) end)
  if not ok then
    trouble.unless_interrupted(whole)
    return nil, "what is in it are no events of a trace"
  end
  if whole == nil then return nil, "this is no trace: " .. wrong end
  if self.n == 0 then return nil, "there are no events in it" end
  if not self.tasks[1] and not next(self.starts) and not self.program then
    return nil, "there is nothing of Tine in this trace"
  end
  self.cut = not whole
  self.first, self.last = self.first or 0, self.last or 0
  settle_rows(self)
  table.sort(self.tasks, function(a, b)
    if a.start ~= b.start then return a.start < b.start end
    return a.dur > b.dur
  end)
  return self
end

return M
