-- tine map: the loop that runs jobs.
--
-- A job is a block of records, as the input cuts it, or one record. The loop waits for input and results at once, so
-- results are printed while the input is slow. Both what is read ahead and what waits to be printed are limited, so
-- input of any length is processed in constant memory.
--
-- Blocks begin with one record and grow with the input, so that a few slow lines spread over all workers, and many
-- fast ones cost next to nothing. A block whose worker dies is run again record by record, to find the one to blame.
-- If each record must be handled by itself (time limits, retries, --halt), a job is one record.
local command = require "tine.cli.map.command"
local columns_of = require "tine.cli.map.columns"
local halt_rule = require "tine.cli.map.halt"
local host = require "tine.cli.host"
local open_files = require "tine.cli.open_files"
local outputs = require "tine.cli.map.output"
local reduce = require "tine.cli.map.reduce"
local results = require "tine.cli.map.results"
local template = require "tine.cli.map.template"
local trouble = require "tine.cli.trouble"
local work = require "tine.cli.map.work"
local write_all = require "tine.cli.write"

local M = {}

local BLOCK_BYTES <const> = 65536 -- about the largest block of lines
local GROWTH <const> = 64         -- a block has at most 1/64 of the records that were read before
local LOGGED_SECONDS <const> = 0.05 -- with a joblog, about the longest time for a block
local STDOUT <const> = 1

local Run = {}
Run.__index = Run

-- --- the next job -----------------------------------------------------------------------------------------

function Run:block_size()
  local s = self.settings
  if s.pipe then return s.records or math.maxinteger, s.records and math.maxinteger or s.block, true end
  if self.single or self.input.records < self.resumed then return 1, BLOCK_BYTES end
  if s.lines then return s.lines, BLOCK_BYTES end
  local size = math.max(1, self.input.records // GROWTH)
  if self.each then size = math.max(1, math.min(size, LOGGED_SECONDS / self.each // 1 | 0)) end
  return size, BLOCK_BYTES
end

-- The record of a job, with all values for replacement strings.
function Run:work_of(job)
  return command.work(self.job, self.split, job.text, job.number, 1)
end

function Run:description(job)
  local w = self:work_of(job)
  return self.job.template and template.expand(self.job.template, w) or work.described(self.job, w.record)
end

-- A command for messages: shortened, but not within a UTF-8 character.
local function brief(text)
  if #text <= 500 then return text end
  return text:sub(1, 500):gsub("[\xC0-\xFF][\x80-\xBF]*$", "") .. " ..."
end

-- The next job: one to be tried again, or from the input; "wait" if none is there yet, nil at the end.
function Run:next_job()
  if self.again[1] then return table.remove(self.again, 1) end
  while not self.halted do
    local job = self.input:next(self:block_size())
    if job == "wait" or job == nil then
      self.ended = job == nil
      return job
    end
    if self.done[job.number] then
      self.progress:skip(job)
    elseif self.settings.dry_run then
      self.output:write(self:description(job) .. "\n")
    else
      self.jobs = self.jobs + 1
      job.index, job.attempts, job.bytes = self.jobs, 0, #job.text
      return job
    end
  end
  self.ended = true
end

-- --- starting --------------------------------------------------------------------------------------------

-- Opens the files for the output of a job's command; returns their paths, and the folder of results.
function Run:open_files(job)
  local s, folder = self.settings, nil
  if s.results then
    local out, err = s.results(self:work_of(job))
    if s.line_buffer then return out, err end
    job.out, job.err = results.open_file(out, "w"), results.open_file(err, "w")
    folder = out:match "^.*/" or "."
  elseif s.line_buffer then
    return nil
  elseif s.quiet then
    return "/dev/null", "/dev/null"
  else
    job.out, job.err = outputs.temporary(), outputs.temporary()
  end
  return outputs.path(job.out), outputs.path(job.err), folder
end

function Run:submit(job)
  local future
  job.time, job.clock = host.time(), host.clock()
  if self.job.template then
    future = self.view:submit("tine.cli.map.command.command", job.text, job.number, self:open_files(job))
  else
    local text, number = job.text, job.number
    if job.rescue then text, number = job.rescue.list[job.rescue.at], number + job.rescue.at - 1 end
    future = self.view:submit("tine.cli.map.work.block", text, number)
  end
  self.running[future] = job
  self.in_flight = self.in_flight + 1
  future:add_done_callback(self.on_done)
end

-- May a job be started? One that has a place in the order already may be what all those wait for that leave no room.
function Run:may_start()
  return self.in_flight < self.limit and (self.due or self.again[1] or self.output:has_room())
end

function Run:start_some()
  local delay = self.settings.delay
  self.waits_for_input, self.waits_until = false, nil
  while self:may_start() do
    local job = self.due or self:next_job()
    self.waits_for_input = job == "wait"
    if self.waits_for_input or not job then return end
    if delay and host.clock() < self.next_start then
      self.due, self.waits_until = job, self.next_start
      return
    end
    self.due = nil
    job.attempts = job.attempts + 1
    self:submit(job)
    if delay then self.next_start = host.clock() + delay end
  end
end

-- --- ending ----------------------------------------------------------------------------------------------

local function where(job, line)
  if job.argument then return "argument " .. job.number end
  return ("%s:%d"):format(job.name, job.line + line)
end

function Run:take_files(job)
  if job.out and self.settings.results then
    job.files = { out = job.out, err = job.err }
    if self.settings.quiet then self:drop_files(job) end
  elseif job.out then
    job.files = { out = outputs.collect(job.out), err = outputs.collect(job.err) }
  end
  job.out, job.err = nil, nil
end

function Run:drop_files(job)
  for _, name in ipairs { "out", "err" } do
    if job[name] then (self.settings.results and host.close or outputs.give_back)(job[name]) end
    job[name] = nil
  end
  job.files = nil
end

-- The job will not run, or not again: releases its place in the order.
function Run:drop(job)
  self:drop_files(job)
  self.output:put { index = job.index }
end

-- Queues the job for another attempt, if it has one left.
function Run:try_again(job)
  if job.attempts >= (self.settings.retries or 1) or self.halted then return false end
  self:drop_files(job)
  self.again[#self.again + 1] = job
  return true
end

-- The job's command has ended.
function Run:took_command(job, code, signal, text, entry)
  if text then
    if self:try_again(job) then return end
    local how = signal ~= 0 and "killed by " .. (host.signal_name(signal) or "signal " .. signal) or
      "exit code " .. code
    job.messages = { ("%s: %s: %s"):format(where(job, 1), how, brief(text)) }
  end
  job.entry = entry
  self:take_files(job)
  self:finish(job)
end

-- Adds the results of FUNCTION for a part of a block, which begins at record `from`.
local function add_part(job, from, text, failed, values, entry)
  job.texts[#job.texts + 1] = text
  for i = 1, failed and #failed or 0, 3 do
    job.messages[#job.messages + 1] = ("%s: %s"):format(where(job, from + failed[i + 1]), failed[i + 2])
  end
  for _, value in ipairs(values or {}) do job.values[#job.values + 1] = value end
  job.entries[#job.entries + 1] = entry
end

local function begin_parts(job)
  job.texts, job.messages, job.values, job.entries = {}, {}, {}, {}
end

function Run:write_results(job)
  local out, err = self.settings.results(self:work_of(job))
  local messages = table.concat(job.messages, "\n")
  for path, text in pairs { [out] = job.printed, [err] = messages ~= "" and messages .. "\n" or "" } do
    local fd = results.open_file(path, "w")
    write_all(fd, text, "cannot write results")
    host.close(fd)
  end
end

function Run:finish_block(job)
  job.printed, job.entry = table.concat(job.texts), table.concat(job.entries)
  if job.entry == "" then job.entry = nil end
  self.each = job.seconds and job.seconds / job.records or self.each
  if self.settings.results then self:write_results(job) end
  if self.settings.quiet then job.printed = "" end
  self:finish(job)
end

function Run:took_block(job, text, failed, values, entry, seconds)
  if job.rescue then return self:rescued(job, text, failed, values, entry) end
  if failed and self.single and self:try_again(job) then return end
  begin_parts(job)
  job.seconds = seconds
  add_part(job, 0, text, failed, values, entry)
  self:finish_block(job)
end

-- --- a block whose worker died: record by record ---------------------------------------------------------------

function Run:rescue(job)
  job.rescue = { list = work.records(self.job, job.text), at = 1, line = 0 }
  begin_parts(job)
  self:submit(job)
end

function Run:rescued(job, ...)
  local rescue = job.rescue
  add_part(job, rescue.line, ...)
  -- a CSV record may have many lines; with -0, where newlines are text, a record counts as one line
  local lines = self.job.csv and select(2, rescue.list[rescue.at]:gsub("\n", "")) or 1
  rescue.line = rescue.line + math.max(lines, 1)
  rescue.at = rescue.at + 1
  if rescue.list[rescue.at] and not self.halted then return self:submit(job) end
  self:finish_block(job)
end

-- The message for a task's error. Tine's own begin with a label that says nothing to users.
function Run:cause(err, kind)
  if kind == "timeout" then return ("took longer than %g s"):format(self.settings.timeout) end
  return tostring(err)
end

local FATAL <const> = { broken = true, shutdown = true, system = true }

-- For errors that end everything: of the pool, or of a worker that could not write (--line-buffer).
local function fatal(err, kind)
  if FATAL[kind] then return { trouble = trouble.root_cause(err) } end
  return not kind and type(err) == "table" and err.trouble and { trouble = err.trouble } or nil
end

-- The joblog entry of a record whose worker died or was killed, with the time from when the record began.
function Run:lost_entry(job, number, err, kind, times)
  local waited, ended = (times.started or job.clock) - job.clock, times.ended or host.clock()
  local code, signal = err.exit_code or -1, err.signal or kind == "timeout" and 15 or 0
  return work.log_entry(number, job.time + waited, ended - job.clock - waited, 0, 0, code, signal,
    self:description(job))
end

-- The job's worker died or was killed.
function Run:lost(job, err, times)
  local kind = require "tine".kind(err)
  local ends_all = fatal(err, kind)
  if ends_all then
    self.error = self.error or ends_all
    return
  elseif kind == "cancelled" then
    return self:drop(job)
  elseif job.records > 1 and not job.rescue and not self.job.template then
    return self:rescue(job)
  elseif not job.rescue and self:try_again(job) then
    return
  end
  local number = job.number + (job.rescue and job.rescue.at - 1 or 0)
  local cause = self:cause(err, kind)
  local entry = self.job.log and self:lost_entry(job, number, err, kind, times) or nil
  if not self.job.template then
    if not job.rescue then begin_parts(job) end
    return self:took_lost(job, { 1, 1, cause }, entry)
  end
  job.messages, job.entry = { ("%s: %s: %s"):format(where(job, 1), cause, brief(self:description(job))) }, entry
  self:take_files(job)
  self:finish(job)
end

function Run:took_lost(job, failed, entry)
  if job.rescue then return self:rescued(job, "", failed, nil, entry) end
  add_part(job, 0, "", failed, nil, entry)
  self:finish_block(job)
end

-- --- the whole -----------------------------------------------------------------------------------------------------

function Run:finish(job)
  local failed = job.messages and #job.messages or 0
  self.counts.done, self.counts.fail = self.counts.done + job.records, self.counts.fail + failed
  if self.job.tag and job.files then job.tag = self:work_of(job).record end
  job.text = nil -- a job that waits for its turn need not keep its input
  self.output:put(job)
  self.progress:add(job)
  local due = not self.halted and self.settings.halt and halt_rule.due(self.settings.halt, self.counts)
  if due then self:halt(due) end
end

-- Starts nothing more; with "now" also ends what is running.
function Run:halt(when)
  self.halted = when
  self.again[#self.again + 1] = self.due
  for _, job in ipairs(self.again) do self:drop(job) end
  self.again, self.due = {}, nil
  local futures = {}
  for future in pairs(self.running) do futures[#futures + 1] = future end
  for _, future in ipairs(futures) do
    if when == "now" then future:abort() else future:cancel() end
  end
end

function Run:done_callback()
  return function(future)
    if self.error then return end -- after Ctrl-C, or an error in an earlier callback, nothing more is printed
    local job = self.running[future]
    self.running[future] = nil
    self.in_flight = self.in_flight - 1
    local result = table.pack(future:pcall())
    if not result[1] then
      self:lost(job, result[2], future:times())
    elseif self.job.template then
      self:took_command(job, table.unpack(result, 2, result.n))
    else
      self:took_block(job, table.unpack(result, 2, result.n))
    end
  end
end

-- Waits for results; for input if there is room for more; and for the time of the next start if there is a delay.
function Run:wait()
  local list, seconds = { self.pool:fileno() }, nil
  if self.waits_for_input then list[2] = self.input.fd end
  if self.waits_until then seconds = math.max(self.waits_until - host.clock(), 0) end
  host.poll(list, seconds, STDOUT)
  self.pool:dispatch()
end

function Run:loop()
  while true do
    self:start_some()
    if self.error then error(self.error, 0) end
    if self.in_flight == 0 and self.ended and not self.again[1] and not self.due then break end
    self.output:flush()
    self:wait()
  end
  self.output:flush()
  self.progress:close()
end

-- How many jobs may be in flight: more than workers, so that no worker waits for the program.
local function limit_of(settings)
  local workers = settings.workers
  if settings.delay or settings.halt then return workers end -- jobs begin only one by one
  local most = settings.files and open_files.tasks(workers, settings.files) or math.huge
  return math.min(most, settings.pipe and workers + 2 or settings.command and 2 * workers or 4 * workers)
end

local function new_pool(self, job, settings)
  if settings.trace then warn "@on" end -- to report a full disk
  return require "tine".pool {
    name = "tine map", workers = settings.workers, on_crash = "replace", trace = settings.trace,
    initializer = function(j)
      require(j.template and "tine.cli.map.command" or "tine.cli.map.work").prepare(j)
    end,
    initargs = { job },
    on_callback_error = function(err) self.error = self.error or err end,
  }
end

local function nothing() end
local no_progress <const> = { add = nothing, skip = nothing, close = nothing }

-- Runs the job (map/work.lua) over the input; returns the exit code.
-- settings: workers, ordered, lines, pipe, block, records, timeout, retries, delay, halt, joblog, results, quiet,
-- dry_run, line_buffer, progress, files (how many collect the output of each command)
function M.run(job, input, settings)
  local joblog = settings.joblog
  local self = setmetatable({
    job = job, input = input, settings = settings, running = {}, in_flight = 0, again = {}, jobs = 0,
    counts = { done = 0, fail = 0 }, next_start = 0, split = columns_of.splitter(job),
    limit = limit_of(settings), done = joblog and joblog.done or {},
    resumed = joblog and joblog.last or 0, progress = settings.progress or no_progress,
    single = settings.command or settings.timeout or settings.retries or settings.delay or settings.halt or
      settings.results or settings.dry_run,
    output = outputs.new { ordered = settings.ordered, joblog = joblog, progress = settings.progress },
  }, Run)
  self.on_done = self:done_callback()
  local pool <close> = new_pool(self, job, settings)
  -- For messages about a worker's death.
  local label = brief(settings.command or job.file and "@" .. job.file or job.text)
  self.pool, self.view = pool, pool:with { timeout = settings.timeout, label = label }
  local reduces = job.file and pool:submit("tine.cli.map.work.reduces"):result()
  local finish = reduces and not settings.dry_run and reduce(job, self.output)
  local ok, err = pcall(self.loop, self)
  if not ok then
    self.error = self.error or err
    pool:kill_workers() -- the results of running jobs are no longer needed
    pcall(self.output.flush, self.output) -- those of finished jobs are
    error(err, 0)
  end
  if finish then finish() end
  if input.failed then return trouble.TROUBLE end
  local succeeded = self.halted and settings.halt.why == "success"
  return self.counts.fail > 0 and not succeeded and trouble.FAILED or 0
end

return M
