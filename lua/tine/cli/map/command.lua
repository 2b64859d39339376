-- tine map -x, in the worker: runs a command for a record.
--
-- Its output goes into files that the program has opened (/proc/PID/fd/N). So it is complete when the command has
-- ended, waits on disk for its place in the order, and survives the worker's death.
local columns_of = require "tine.cli.map.columns"
local host = require "tine.cli.host"
local results = require "tine.cli.map.results"
local tagged = require "tine.cli.map.tag"
local template = require "tine.cli.map.template"
local give_up = require "tine.cli.trouble".give_up
local log_entry = require "tine.cli.map.work".log_entry
local unnamed = require "tine.cli.unnamed"
local words = require "tine.cli.map.words"
local write_all = require "tine.cli.write"

local M = {}

function M.prepare(job)
  local tine = require "tine"
  tine.worker.state.map_command = {
    job = job,
    split = columns_of.splitter(job),
    worker = tine.worker.id,
    null = assert(host.open("/dev/null", "r")),
    lock = job.lock and assert(host.open(job.lock, "a")),
    file = not (job.line_buffer or job.quiet or job.results) and assert(host.temporary()), -- beside those of outputs
  }
end

-- The record for the template. A block of lines (--pipe) is named by its number.
function M.work(job, split, text, number, worker)
  if job.pipe then return { record = tostring(number), number = number, worker = worker } end
  local record = job.separator and text:sub(1, -2) or text
  if job.csv then record = record:gsub("\r$", "") end
  local columns, arguments
  if split then columns, arguments = split(record) end
  if arguments then record = table.concat(arguments, " ") end
  return { record = record, columns = columns, words = arguments, number = number, worker = worker }
end

local function wait(child)
  repeat
    local code, signal = child:wait()
    if code then return code, signal end
  until false
end

-- --- --line-buffer: lines are printed as they are written ------------------------------------------------------

local BYTES <const> = 65536

-- Writes whole lines, under a lock for all workers, which is released also if writing fails.
local function write_lines(state, to, text)
  if state.tag then text = tagged(text, state.tag) end
  repeat until host.lock(state.lock, true)
  local written, err = pcall(write_all, to, text)
  host.lock(state.lock, false)
  if not written then error(err, 0) end
end

local function pass_on(state, stream, text)
  if not text then return end
  stream.bytes = stream.bytes + #text
  if not state.job.quiet then write_lines(state, stream.to, text) end
  if stream.copy then write_all(stream.copy, text, "cannot write results") end
end

-- Passes on what is there. Returns false at the end.
local function pump(state, stream)
  local open = stream.reader:fill(BYTES)
  pass_on(state, stream, stream.reader:take(math.maxinteger, math.maxinteger))
  return open
end

local function new_stream(to, path)
  local from, into = assert(host.pipe())
  return { from = from, into = into, to = to, bytes = 0, reader = host.reader(from, "\n"),
           copy = path and results.open_file(path, "w") }
end

-- The command has ended, or was killed (--timeout): passes on the rest, and a last line without newline.
local function finish_streams(state, streams)
  for _, stream in ipairs(streams) do
    if host.poll({ stream.from }, 0) then pump(state, stream) end
    pass_on(state, stream, (stream.reader:take(1, BYTES, true)))
    host.close(stream.from)
    if stream.copy then host.close(stream.copy) end
  end
end

-- Passes on output until the command has ended; does not wait for programs that it left in the background.
local function pump_all(state, child, streams)
  local open = { streams[1], streams[2] }
  local ended = false
  while open[1] do
    local list = { assert(child:fd()) }
    for _, stream in ipairs(open) do list[#list + 1] = stream.from end
    local ready = { host.poll(list, ended and 0 or nil) }
    for i = #open, 1, -1 do
      if ready[i + 1] and not pump(state, open[i]) or ended and not ready[i + 1] then table.remove(open, i) end
    end
    ended = ended or ready[1]
  end
end

-- Starts the command for a record: directly if it needs no shell, else by sh. Also by sh if it cannot be started,
-- since the shell then tells why.
local function spawn(state, work, ...)
  if state.job.direct then
    local path, list = words.expand(state.job.direct, work)
    local child = host.spawn(path, list, ...)
    if child then return child end
  end
  local command = template.expand(state.job.template, work)
  local child, err = host.spawn("/bin/sh", { "sh", "-c", command }, ...)
  return child or error(("cannot start a command of %d bytes: %s"):format(#command, err), 0)
end

local function run_line_buffered(state, work, input, out_path, err_path)
  local streams = { new_stream(1, out_path), new_stream(2, err_path) }
  local code, signal
  do
    local _ <close> = setmetatable({}, { __close = function() finish_streams(state, streams) end })
    -- Closed, and so killed, before the streams.
    local child <close> = spawn(state, work, input, streams[1].into, streams[2].into)
    for _, stream in ipairs(streams) do host.close(stream.into) end
    pump_all(state, child, streams)
    code, signal = wait(child)
  end
  return code, signal, streams[1].bytes
end

-- --- complete outputs ------------------------------------------------------------------------------------------

-- Fails if some of what the command wrote may be missing. folder: of --results
local function check_room(state, folder)
  local why
  if folder then
    why = unnamed.no_room(folder)
  elseif state.file then
    why = select(2, host.room(state.file)) -- no_room would make a file for each command
  end
  if why then give_up(folder and "cannot write results: %s" or "cannot hold what commands write: %s", why) end
end

local function run_grouped(state, work, input, out_path, err_path, folder)
  local out, err = assert(host.open(out_path, "a")), assert(host.open(err_path, "a"))
  local child <close> = spawn(state, work, input, out, err)
  local code, signal = wait(child)
  check_room(state, folder)
  local bytes = host.size(out)
  host.close(out)
  host.close(err)
  return code, signal, bytes
end

-- --- the task ---------------------------------------------------------------------------------------------------

-- Runs the command for a record (with --pipe: with this text as its input). Returns the exit code, the signal that
-- ended it or 0, the command if it has failed, and a line for the joblog.
function M.command(text, number, out_path, err_path, folder)
  local state = require "tine".worker.state.map_command
  local job = state.job
  local work = M.work(job, state.split, text, number, state.worker)
  local input = job.pipe and assert(host.memory(text)) or state.null
  local time, clock = host.time(), host.clock()
  local code, signal, bytes
  if job.line_buffer then
    state.tag = job.tag and work.record
    code, signal, bytes = run_line_buffered(state, work, input, out_path, err_path)
  else
    code, signal, bytes = run_grouped(state, work, input, out_path, err_path, folder)
  end
  local seconds = host.clock() - clock
  if job.pipe then host.close(input) end
  local failed = code ~= 0 or signal ~= 0
  local command = (job.log or failed) and template.expand(job.template, work)
  local entry = job.log and log_entry(number, time, seconds, job.pipe and #text or 0, bytes, code, signal, command)
  return code, signal, failed and command or nil, entry or nil
end

return M
