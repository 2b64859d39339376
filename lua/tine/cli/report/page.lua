-- The page of a report: the parts of the template (page.html, page.css, the .js files), and the trace in compact
-- form.
local M = {}

-- --- JSON ---------------------------------------------------------------------------------------------

-- Escapes for text inside a script element: no "</script>", no "<!--".
local ESCAPES <const> = { ['"'] = '\\"', ["\\"] = "\\\\", ["<"] = "\\u003c", ["\u{2028}"] = "\\u2028" }

local function text(s)
  s = tostring(s):gsub('["\\<]', ESCAPES)
  s = s:gsub("%c", function(c) return ("\\u%04x"):format(c:byte()) end)
  if not utf8.len(s) then s = s:gsub("[\x80-\xff]", "\\ufffd") end
  return '"' .. s .. '"'
end

local function list(values, f)
  local out = {}
  for i, v in ipairs(values) do out[i] = f and f(v) or ("%d"):format(v) end
  return "[" .. table.concat(out, ",") .. "]"
end

local function column(tasks, f)
  local out = {}
  for i, t in ipairs(tasks) do out[i] = ("%d"):format(f(t)) end
  return "[" .. table.concat(out, ",") .. "]"
end

-- The values of tasks that have one: { "number of the task": value, ... }
local function some(tasks, f)
  local out = {}
  for i, t in ipairs(tasks) do
    local v = f(t)
    if v then out[#out + 1] = ('"%d":%s'):format(i - 1, v) end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

-- Start times as differences, which are small numbers.
local function steps(tasks, first)
  local before = first
  return column(tasks, function(t)
    local step = t.start - before
    before = t.start
    return step
  end)
end

local function tasks_of(trace)
  local tasks = trace.tasks
  return ('{"row":%s,"step":%s,"dur":%s,"name":%s,"how":%s,"id":%s,"wait":%s,' ..
    '"attempt":%s,"index":%s,"error":%s}'):format(
    column(tasks, function(t) return t.row.number - 1 end), steps(tasks, trace.first),
    column(tasks, function(t) return t.dur end), column(tasks, function(t) return t.name - 1 end),
    column(tasks, function(t) return t.how - 1 end), column(tasks, function(t) return t.id end),
    column(tasks, function(t) return t.wait end),
    some(tasks, function(t) return t.attempt ~= 1 and ("%d"):format(t.attempt) end),
    some(tasks, function(t) return t.index and ("%d"):format(t.index) end),
    some(tasks, function(t) return t.error and text(t.error) end))
end

local function mark(trace)
  return function(m)
    local said = m.why or m.signal and ("signal %d"):format(m.signal) or
      m.exit_code and ("exit code %d"):format(m.exit_code) or ""
    return ('{"row":%d,"at":%d,"name":%s,"pid":%d,"said":%s}'):format(
      m.row.number - 1, m.at - trace.first, text(m.name), m.pid, text(said))
  end
end

local function data_of(trace)
  local numbered = {}
  for i = 1, #trace.names do numbered[i] = trace.names_numbered[i] and 1 or 0 end
  return ('{"file":%s,"program":%s,"cut":%s,"first":%d,"length":%d,"rows":%s,"names":%s,"numbered":%s,"hows":%s,\n' ..
    '"tasks":%s,\n"starts":%s,"marks":%s}'):format(
    text(trace.file), text(trace.program or "a program"), tostring(trace.cut), trace.first, trace.last - trace.first,
    list(trace.rows, function(row) return text(row.name) end), list(trace.names, text), list(numbered),
    list(trace.hows, text), tasks_of(trace),
    list(trace.starts, function(s)
      return ('{"row":%d,"at":%d,"dur":%d,"pid":%d}'):format(s.row.number - 1, s.at - trace.first, s.dur, s.pid)
    end), list(trace.marks, mark(trace)))
end

-- --- the page -----------------------------------------------------------------------------------------

local SCRIPTS <const> = { "model", "view", "timeline", "charts", "tables", "page" }

local ENTITIES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function html(s) return (tostring(s):gsub("[&<>\"]", ENTITIES)) end

-- Makes the page. trace: from report/trace.lua, with `file`, its name.
function M.make(trace)
  local scripts = {}
  for i, name in ipairs(SCRIPTS) do scripts[i] = require("tine.cli.report." .. name .. "_js") end
  local parts = {
    title = html(trace.file), style = require "tine.cli.report.page_css", data = data_of(trace),
    script = table.concat(scripts, "\n"),
  }
  return (require "tine.cli.report.page_html":gsub("{{(%a+)}}", parts))
end

return M
