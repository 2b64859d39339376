-- Sends jobs through two stages, and survives bad data, runaway jobs and a crashed worker.
--
--   tine examples/pipeline.lua
--
-- Shows futures: the second stage of a job starts as soon as its first is done, whatever the others
-- do (`as_completed`); a task's own error is told from trouble with its worker (`tine.kind`); and with
-- on_crash = "replace" a worker that dies takes nothing with it but the task it was running.
local tine = require "tine"

if arg[1] == "--help" then
  print "usage: pipeline.lua"
  os.exit(true)
end

local jobs = {
  { name = "march", text = "12 7.5 30" },
  { name = "april", text = "9 x 4" }, -- does not parse
  { name = "may", text = "1 2 3", crashes = true }, -- its worker dies, the first time
  { name = "june", text = "40 2", endless = true }, -- never ends
  { name = "july", text = "3 4 5" },
}

-- First stage: text to numbers.
local function parse(job, attempt)
  if job.crashes and attempt == 1 then os.execute("kill -SEGV " .. tine.worker.pid) end
  while job.endless do end
  local numbers = {}
  for word in job.text:gmatch "%S+" do
    numbers[#numbers + 1] = tonumber(word) or error(("'%s' is not a number"):format(word), 0)
  end
  return numbers
end

-- Second stage: numbers to their sum.
local function add(numbers)
  local sum = 0
  for _, n in ipairs(numbers) do sum = sum + n end
  return sum
end

local report = {}
local function note(job, ...) report[#report + 1] = job.name .. ": " .. (...):format(select(2, ...)) end

do
  local pool <close> = tine.pool { workers = 2, on_crash = "replace" }

  local job_of = {} -- by future
  local function start(job, attempt)
    local future = pool:with({ label = job.name, timeout = 0.5 }):submit(parse, job, attempt)
    job_of[future] = job
    return future
  end

  local parsing, adding = {}, {}
  for i, job in ipairs(jobs) do parsing[i] = start(job, 1) end

  while #parsing > 0 do
    local again = {}
    for future in tine.as_completed(parsing) do
      local job, ok, value = job_of[future], future:pcall()
      if ok then
        local sum = pool:submit(add, value)
        job_of[sum] = job
        adding[#adding + 1] = sum
      elseif tine.kind(value) == "crashed" then
        note(job, "worker died of signal %d, once more", value.signal)
        again[#again + 1] = start(job, 2)
      elseif tine.kind(value) == "timeout" then
        note(job, "took too long")
      else
        note(job, "error: %s", value)
      end
    end
    parsing = again
  end

  for future in tine.as_completed(adding) do note(job_of[future], "sum %g", future:result()) end
end

table.sort(report)
print(table.concat(report, "\n"))
