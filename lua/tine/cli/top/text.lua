-- Formats what `tine top` shows of pools.
local core = require "tine.core"
local units = require "tine.units"
local clock, sleep = core.public.clock, core.public.sleep
local duration, bytes, count, percent = units.duration, units.bytes, units.count, units.percent

local M = {}

-- --- basics ------------------------------------------------------------------------------------------------------

local function per_second(n) return (n >= 1000 and count(n // 1) or ("%.3g"):format(n)) .. "/s" end

-- Removes control characters from texts of programs.
local function plain(s) return (s:gsub("%c", "?"):gsub("\xC2[\x80-\x9F]", "?")) end

local function clip(s, columns)
  if columns == math.huge or (utf8.len(s) or #s) <= columns then return s end
  local cut = utf8.len(s) and utf8.offset(s, columns + 1) or columns + 1
  return s:sub(1, cut - 1)
end

M.duration, M.bytes, M.count, M.percent, M.plain, M.clip = duration, bytes, count, percent, plain, clip

-- --- one pool --------------------------------------------------------------------------------------------------

-- Appends a line of parts, broken into several lines if needed.
local function parts_lines(lines, name, parts, between, columns)
  local indent = ("  %-11s "):format(name)
  local line = indent
  for _, part in ipairs(parts) do
    local text = (line == indent and "" or between) .. part
    if line ~= indent and #line + #text > columns then
      lines[#lines + 1] = line
      line, text = (" "):rep(#indent), part
    end
    line = line .. text
  end
  lines[#lines + 1] = line:gsub(" +$", "")
end

local PERCENTILES <const> = { { "p50", 0 }, { "p90", 94 }, { "p99", 0 }, { "p999", 94 }, { "max", 62 } }

local function times_parts(times, columns)
  if times.count == 0 then return { "none yet" } end
  local parts = {}
  for _, field in ipairs(PERCENTILES) do
    if columns >= field[2] then
      parts[#parts + 1] = ("%s %-9s"):format(field[1] == "p999" and "p99.9" or field[1], duration(times[field[1]]))
    end
  end
  return parts
end

-- Tasks that end per second: since the last look, or on average.
local function rate(pool)
  local s, before = pool.stats, pool.before
  local done = s.finished + s.failed + s.cancelled
  if before and pool.elapsed > before.elapsed then
    local then_done = before.stats.finished + before.stats.failed + before.stats.cancelled
    return (done - then_done) / (pool.elapsed - before.elapsed)
  end
  return pool.elapsed > 0 and done / pool.elapsed or 0
end

-- Formats numbers by kind: "timeout 3, crashed 1".
local function kinds(by_kind)
  local list = {}
  for kind, n in pairs(by_kind) do list[#list + 1] = ("%s %s"):format(kind, count(n)) end
  table.sort(list)
  return #list > 0 and " (" .. table.concat(list, ", ") .. ")" or ""
end

-- The hosts of a pool with workers on other machines.
local function hosts_of(pool)
  local slots = 0
  for _, host in ipairs(pool.hosts) do slots = slots + host.slots end
  return (" on %d host%s with %d slots"):format(#pool.hosts, #pool.hosts == 1 and "" or "s", slots)
end

local function head(pool, columns)
  local s, running, memory, lines = pool.stats, 0, 0, {}
  for _, worker in ipairs(pool.workers) do
    running = running + (worker.state == "running" and 1 or 0)
    memory = memory + (worker.memory or 0)
  end
  lines[1] = ('pid %d  pool "%s"  up %s  %s'):format(pool.pid, plain(pool.name), duration(pool.elapsed),
    plain(pool.command or ""))
  parts_lines(lines, "tasks", {
    count(s.pending) .. " pending", count(s.running) .. " running", count(s.finished) .. " finished",
    count(s.failed) .. " failed" .. kinds(s.by_kind), count(s.cancelled) .. " cancelled", per_second(rate(pool)),
  }, ", ", columns)
  for _, what in ipairs { { "wait", s.wait }, { "run", s.run }, { "round trip", s.round_trip } } do
    parts_lines(lines, what[1], times_parts(what[2], columns), " ", columns)
  end
  parts_lines(lines, "workers", {
    #pool.workers .. " (" .. running .. " running)" .. (pool.hosts and hosts_of(pool) or ""),
    "busy " .. percent(s.busy), "cpu " .. duration(s.cpu),
    "memory " .. bytes(memory), count(s.workers_started) .. " started", count(s.workers_lost) .. " lost",
    bytes(s.bytes_in) .. " in", bytes(s.bytes_out) .. " out",
  }, ", ", columns)
  return lines
end

-- Columns of a worker: name, format, text, level. The highest levels are left out first if there is no room.
local FIELDS <const> = {
  { "ID", "%4s", function(w) return w.id end, 0 },
  { "PID", "%8s", function(w) return w.pid end, 2 },
  { "STATE", "%-8s", function(w) return w.state end, 0 },
  { "FOR", "%12s", function(w, now) return duration(math.max(now - w.since, 0)) end, 0 },
  { "BUSY", "%6s", function(w) return percent(w.busy) end, 3 },
  { "MEMORY", "%10s", function(w) return bytes(w.memory) end, 1 },
  { "TASKS", "%9s", function(w) return count(w.tasks) end, 4 },
}
-- The highest level that fits; 4: all.
local function detail(columns)
  return columns >= 92 and 4 or columns >= 82 and 3 or columns >= 75 and 2 or columns >= 66 and 1 or 0
end

-- The machine of a worker, for a pool with workers on other machines.
local HOST <const> = { "HOST", "%-16s", function(w) return clip(plain(w.host), 16) end, 0 }

local function row(columns, far, value, last)
  local most = detail(columns - (far and 17 or 0))
  local parts = { "", far and HOST[2]:format(value(HOST)) or nil }
  for _, field in ipairs(FIELDS) do
    if field[4] <= most then parts[#parts + 1] = field[2]:format(value(field)) end
  end
  parts[#parts + 1] = " " .. last
  return table.concat(parts, " ")
end

local function heading(columns, far) return row(columns, far, function(field) return field[1] end, "TASK") end

local function worker_line(worker, now, columns, far)
  local task = worker.task and ("%s%s"):format(plain(worker.task.label),
    worker.task.label:find("#" .. worker.task.id .. "$") and "" or " #" .. worker.task.id) or ""
  return row(columns, far, function(field) return field[3](worker, now) end, task)
end

-- Running workers first, by how long, then the others.
local function in_order(workers)
  local list = table.move(workers, 1, #workers, 1, {})
  table.sort(list, function(a, b)
    if (a.state == "running") ~= (b.state == "running") then return a.state == "running" end
    if a.state == "running" and a.since ~= b.since then return a.since < b.since end
    if a.host ~= b.host then return a.host < b.host end
    return a.id < b.id
  end)
  return list
end

local function failed_lines(pool, now)
  local list = {}
  for i, task in ipairs(pool.failed) do
    if i > 3 then break end
    list[i] = ("  failed %s ago: %s: %s"):format(duration(math.max(now - task.ended, 0)), plain(task.label),
      plain(task.error))
  end
  return list
end

local LEAST_ROOM <const> = 3 -- rows for the workers of a pool, in however small a terminal

-- The lines of a pool, about `rows` at most; `marks` gets the worker of each line that shows one.
local function pool_lines(pool, screen, rows, marks)
  local now, columns = clock(), screen.columns
  local lines = head(pool, columns)
  local failed = failed_lines(pool, now)
  local workers = in_order(pool.workers)
  if #workers > 0 then lines[#lines + 1] = heading(columns, pool.hosts) end
  local room = math.max(rows - #lines - #failed, LEAST_ROOM)
  for i, worker in ipairs(workers) do
    if i == room and #workers > room then
      lines[#lines + 1] = ("  ... and %d more"):format(#workers - i + 1)
      break
    end
    lines[#lines + 1] = worker_line(worker, now, columns, pool.hosts)
    marks[#lines] = worker
  end
  return table.move(failed, 1, #failed, #lines + 1, lines)
end

-- --- all pools ---------------------------------------------------------------------------------------------------

-- The pools as lines that fit the screen, and a table: line -> { pool =, worker = }.
function M.lines(pools, screen)
  local lines, where = {}, {}
  local rows = screen.rows == math.huge and math.huge or math.max(screen.rows // #pools - 1, 8)
  for i, pool in ipairs(pools) do
    local marks = {}
    if i > 1 then lines[#lines + 1] = "" end
    local from = #lines
    for at, line in ipairs(pool_lines(pool, screen, rows, marks)) do
      lines[from + at] = clip(line, screen.columns)
      if marks[at] then where[from + at] = { pool = pool, worker = marks[at] } end
    end
  end
  return lines, where
end

function M.pools(pools, screen) return table.concat((M.lines(pools, screen)), "\n") .. "\n" end

-- --- the place of a task -----------------------------------------------------------------------------------------

-- The kernel's state of a process.
local function kernel_state(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local state = file and file:read "a":match "%) (%a)"
  if file then file:close() end
  return state
end

local C_LINES <const> = {
  R = "it computes in C: it has come to no Lua instruction for a second",
  S = "it stands in a system call of a C function (it waits, or sleeps): it has come to no Lua instruction for a"
    .. " second",
  D = "it stands in a system call that cannot be interrupted (a disk or network file system, as a rule)",
  T = "its process is stopped (SIGSTOP, or a debugger)",
}

-- The same, ignoring short states: a process was just woken by the request, and runs, or waits for a processor,
-- before it blocks again. A process that computes is in state R all the time.
local function settled_state(pid)
  for _ = 1, 20 do
    local state = kernel_state(pid)
    if state ~= "R" then return state end
    sleep(0.01)
  end
  return "R"
end

function M.place(place)
  local text = ("task %d, %s\nworker %d, pid %d\n"):format(place.task, plain(place.label), place.worker, place.pid)
  if place.how == "lua" then
    return text .. "in Lua:\n" .. place.place:gsub("[^\n]+", plain)
  elseif place.how == "unknown" then
    return text .. "where it is cannot be told of this pool\n"
  end
  return text .. (C_LINES[settled_state(place.pid)] or C_LINES.S) .. "\n"
end

return M
