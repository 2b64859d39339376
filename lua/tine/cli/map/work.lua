-- tine map, in the worker: runs a Lua function on a block of records. (Commands: map/command.lua.)
--
-- A job is what the command line asks for, made by map.lua:
--
--   text=, file=    FUNCTION, or the file that returns one
--   separator=      end of a record; nil: a block is one record (--pipe, :::)
--   csv=, colsep=, arguments=, header=    columns, and their names
--   seed=, tag=, log=, quiet=, results=   options of these names
local columns_of = require "tine.cli.map.columns"
local decimal = require "tine.cli.decimal"
local host = require "tine.cli.host"
local tagged = require "tine.cli.map.tag"

local M = {}

-- --- the function ---------------------------------------------------------------------------------

local KEYWORDS <const> = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
    until while]]):gmatch "%a+" do
  KEYWORDS[word] = true
end

-- The columns that FUNCTION uses, as _1 ... and by name: a list of name, column, ...
local function named_columns(text, header)
  local list, seen = {}, {}
  for digits in text:gmatch "%f[%w_]_(%d+)%f[^%w_]" do
    local column = math.tointeger(tonumber(digits))
    if column and column > 0 and not seen[column] then
      seen[column] = true
      table.move({ "_" .. column, column }, 1, 2, #list + 1, list)
    end
  end
  for name, column in pairs(header or {}) do
    if name:find "^[%a_][%w_]*$" and not KEYWORDS[name] and text:find("%f[%w_]" .. name .. "%f[^%w_]") then
      table.move({ name, column }, 1, 2, #list + 1, list)
    end
  end
  return list
end

-- The parameters of FUNCTION: _, _n, and the columns that it uses. Not all columns, since a record may have more of
-- them than a Lua function local variables.
local function parameters(text, header)
  local columns, names, values = named_columns(text, header), {}, {}
  if not columns[1] then return "local _, _n = ...; " end
  for i = 1, #columns, 2 do
    names[#names + 1] = columns[i]
    values[#values + 1] = ("(select(%d, ...))"):format(columns[i + 1] + 2)
  end
  return ("local _, _n = ...; local %s = %s; "):format(table.concat(names, ", "), table.concat(values, ", "))
end

local STATEMENTS <const> = { "local", "if", "for", "while", "repeat", "do", "return", "goto" }

local function begins_statement(text)
  local first = text:match "^%s*(%a*)"
  for _, word in ipairs(STATEMENTS) do
    if word == first then return true end
  end
end

-- The chunk of FUNCTION, an expression or statements; nil and an error message.
function M.compile(text, header)
  local head = parameters(text, header)
  local fn, wrong = load(head .. "return " .. text, "=FUNCTION", "t")
  if fn then return fn end
  local statements, wrong_too = load(head .. text, "=FUNCTION", "t")
  return statements, begins_statement(text) and wrong_too or wrong
end

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
end

-- Runs the file, which returns a function, or a table with `map` and perhaps `reduce`, `init`, `finish`.
function M.load_file(job)
  local value = assert(load(job.text, "@" .. job.file))()
  if is_callable(value) then return { map = value } end
  if type(value) ~= "table" then
    error(("%s returns a %s, not a function"):format(job.file, type(value)), 0)
  end
  for _, name in ipairs { "map", "reduce", "finish" } do
    if (name == "map" or value[name] ~= nil) and not is_callable(value[name]) then
      error(("%s returns a table whose field '%s' is a %s, not a function"):format(job.file, name, type(value[name])),
        0)
    end
  end
  return value
end

-- --- results of a record ------------------------------------------------------------------------------------

-- The line to print for a record: its values, joined; nil for nothing.
function M.joined(...)
  local first = ...
  if select("#", ...) <= 1 then
    return first ~= nil and tostring(first) or nil
  end
  local texts, some = { ... }, false
  for i = 1, select("#", ...) do
    some = some or texts[i] ~= nil
    texts[i] = texts[i] ~= nil and tostring(texts[i]) or ""
  end
  return some and table.concat(texts, "\t") or nil
end
local joined = M.joined

function M.message_of(err)
  local meta = getmetatable(err)
  if type(err) == "string" or type(err) == "number" or type(meta) == "table" and meta.__tostring then
    local ok, text = pcall(tostring, err)
    if ok then return text end
  end
  return ("(error object is a %s value)"):format(type(err))
end
local message_of = M.message_of

-- --- plain lines: the fast way --------------------------------------------------------------------------

-- Calls fn with each line of `text` from at.position on, and appends lines to print to `out`. After an error,
-- at.position is behind the line that failed.
local function call_lines(work, text, at, out)
  local find, sub, n = string.find, string.sub, #out
  local start, fn, separator = at.position, work.fn, work.separator
  local stop = find(text, separator, start, true)
  while stop do
    at.position = stop + 1
    local result = joined(fn(sub(text, start, stop - 1)))
    if result then
      n = n + 1
      out[n] = result
    end
    start = stop + 1
    stop = find(text, separator, start, true)
  end
end

-- --- everything else --------------------------------------------------------------------------------------

-- The last byte of the record that begins at `start`, and its separator; or nil.
local function record_end(work, text, start)
  if not work.separator then return start <= #text and #text, #text end
  local stop
  if work.csv then
    stop = host.csv_end(text, start, work.colsep)
  else
    stop = string.find(text, work.separator, start, true)
  end
  if not stop then return nil end
  local last = stop - 1
  if work.csv and text:byte(last) == 13 and last >= start then last = last - 1 end
  return last, stop
end

-- Splits a block into records.
function M.records(work, text)
  local list, start = {}, 1
  while true do
    local last, stop = record_end(work, text, start)
    if not last then return list end
    list[#list + 1] = text:sub(start, stop)
    start = stop + 1
  end
end

local function add(work, out, name, ...)
  if work.reduce then
    if joined(...) then out.values[#out.values + 1] = table.pack(...) end
    return
  end
  local result = joined(...)
  if not result then return end
  if work.tag then result = tagged(result, name) end
  if not work.separator and work.pipe and result:sub(-1) == "\n" then result = result:sub(1, -2) end
  out[#out + 1] = result
  out.bytes = #result + 1
end

-- A line of the joblog in GNU parallel's format.
function M.log_entry(seq, started, seconds, sent, received, code, signal, command)
  return ("%d\t:\t%s\t%10s\t%d\t%d\t%d\t%d\t%s\n"):format(seq, decimal(started, 3), decimal(seconds, 3), sent,
    received, code, signal, (command:gsub("\n", "\0")))
end

local function log(work, out, at, code)
  local seconds = host.clock() - at.clock
  out.log[#out.log + 1] = M.log_entry(at.number, at.time, seconds, 0, out.bytes, code, 0,
    M.described(work, at.record))
end

-- The description of a record's call, for joblogs and --dry-run.
function M.described(job, record)
  local name = job.file and "@" .. job.file or job.text
  return job.pipe and name or name .. " " .. record
end

-- Like call_lines, for everything else.
local function call_records(work, text, at, out)
  local last, stop = record_end(work, text, at.position)
  while last do
    local record = text:sub(at.position, last)
    local columns, words
    if work.split then columns, words = work.split(record) end
    if words then record = table.concat(words, " ") end
    at.position, at.number, at.record, out.bytes = stop + 1, at.number + 1, record, 0
    local name = work.pipe and tostring(at.number) or record -- a block is named by its number
    if work.log then at.clock, at.time = host.clock(), host.time() end
    if work.seed then math.randomseed(work.seed, at.number) end
    if work.plain then -- a function of a file, which gets the record and its columns
      add(work, out, name, work.fn(record, table.unpack(columns or {})))
    else
      add(work, out, name, work.fn(record, at.number, table.unpack(columns or { record })))
    end
    if work.log then log(work, out, at, 0) end
    last, stop = record_end(work, text, at.position)
  end
end

-- --- the task --------------------------------------------------------------------------------------------

-- The initializer of the workers.
function M.prepare(job)
  local work = {}
  for key, value in pairs(job) do work[key] = value end
  if job.file then
    local program = M.load_file(job)
    work.fn, work.reduce, work.plain = program.map, program.reduce ~= nil, true
  else
    work.fn = assert(M.compile(job.text, job.header))
  end
  work.split = columns_of.splitter(job)
  -- More than the line is used.
  local more = not job.file and (job.text:find "%f[%w_]_n" or named_columns(job.text, job.header)[1])
  work.quick = job.separator and not (work.split or more or work.reduce or job.seed or job.tag or job.log)
  work.call = work.quick and call_lines or call_records
  require "tine".worker.state.map_work = work
end

-- Does the file have a `reduce`? Asked first, so that errors in the file are reported at once.
function M.reduces() return require "tine".worker.state.map_work.reduce end

local function count(text, separator) return select(2, text:gsub(separator == "\0" and "%z" or separator, "")) end

-- The numbers of records and lines up to at.position. (Counted only after an error.)
local function place(work, text, at)
  local before = text:sub(1, at.position - 1)
  if not work.separator then return 1, 1 end
  local lines = count(before, work.separator)
  if not work.csv then return lines, lines end
  local records = at.number - at.first
  local last = M.records(work, before)[records] or ""
  return records, lines - math.max(count(last, "\n"), 1) + 1
end

-- Runs a block of records, the first of which has number `first`. Returns the text to print; failures as a list of
-- record (its index), line (in the block), message, ..., or nil; values for `reduce`; lines for the joblog; seconds.
function M.block(text, first)
  local work = require "tine".worker.state.map_work
  local at = { position = 1, number = first - 1, first = first - 1 }
  local started = host.clock()
  local out, failed = { values = {}, log = {}, bytes = 0 }, nil
  while true do
    local before = at.position
    local ok, err = pcall(work.call, work, text, at, out) -- one pcall for all records, unless some fail
    if ok then break end
    if at.position == before then error(err, 0) end -- no function was called: it is the same error for ever
    failed = failed or {}
    local record, line = place(work, text, at)
    table.move({ record, line, message_of(err) }, 1, 3, #failed + 1, failed)
    if work.log then log(work, out, at, 1) end
  end
  if work.quiet and not work.results then out = { values = out.values, log = out.log } end
  out[#out + 1] = "" -- so that the last line ends with a newline
  return table.concat(out, "\n"), failed, work.reduce and out.values or nil, table.concat(out.log),
    host.clock() - started
end

return M
