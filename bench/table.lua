-- Runs Tine, its peers and the machine's floors in turn, and prints one table (called by bench/run).
local rounds = math.tointeger(tonumber(arg[1] or 5))
local python = os.getenv "PYTHON" or "python3"

local PROGRAMS = {
  { name = "floor", command = os.getenv "TINE_BUILD_DIR" .. "/bin/tine-floors" },
  { name = "tine", command = "lua5.4 bench/tine.lua quick" },
  { name = "cpython", command = python .. " bench/peers/cpython.py" },
  { name = "mce", command = "perl bench/peers/mce.pl", optional = "perl -MMCE -e 1" },
  { name = "tine", command = "lua5.4 bench/tine.lua big idle busy" },
  { name = "tine", command = "lua5.4 bench/tine.lua flat priorities" },
  { name = "tine", command = "lua5.4 bench/tine.lua modules" },
  { name = "tine", command = "lua5.4 bench/old.lua" },
  { name = "tine", command = "lua5.4 bench/shell.lua tine" },
  { name = "xargs", command = "lua5.4 bench/shell.lua xargs", optional = "command -v xargs" },
  { name = "parallel", command = "lua5.4 bench/shell.lua parallel", optional = "command -v parallel" },
}

-- How the table writes a value.
local function per_second(v)
  if v >= 1e6 then return ("%.2f M/s"):format(v / 1e6) end
  return v >= 1e4 and ("%.0f k/s"):format(v / 1e3) or ("%.1f k/s"):format(v / 1e3)
end
local function seconds(v)
  if v < 1e-6 then return ("%.0f ns"):format(v * 1e9) end
  if v < 1e-3 then return ("%.1f us"):format(v * 1e6) end
  return ("%.2f ms"):format(v * 1e3)
end
local function bytes(v) return ("%.2f MB"):format(v / 1e6) end
local function factor(v) return ("%.2f"):format(v) end
local function share(v) return ("%.1f %%"):format(v * 100) end

-- Rows: what, unit, Tine's measure, and what it is compared with: { program, measure, goal }. The ratio
-- is Tine's value to the other's; `least` and `most` say which side of the goal is good. Without a
-- program the goal is for the value itself.
local ROWS = {
  { "no-op tasks, submitted singly", per_second, "noops", { "cpython", "noops", least = 200 } },
  { "", per_second, "noops", { "mce", "noops", least = 35 } },
  { "map of 1,000,000, best chunk size", per_second, "map", { "cpython", "map", least = 3 } },
  { "", per_second, "map", { "mce", "map" } },
  { "  without a chunk size given", per_second, "map_unchunked", { "tine", "map", least = 1 / 1.5 } },
  { "round trip, median", seconds, "round_trip", { "floor", "ping_pong", most = 0.6 } },
  { "", seconds, "round_trip", { "cpython", "round_trip", most = 0.1 } },
  { "  99th percentile", seconds, "round_trip_p99", { "tine", "round_trip", most = 5 } },
  { "  beside two busy loops", seconds, "round_trip_busy", { "floor", "ping_pong" } },
  { "echo of 1 MiB", seconds, "echo_1m", { "floor", "memcpy_1m", most = 6 } },
  { "", seconds, "echo_1m", { "cpython", "echo_1m" } },
  { "echo of 64 MiB", seconds, "echo_64m", { "floor", "memcpy_64m", most = 4 } },
  { "echo of 1,000 records", seconds, "echo_records", { "cpython", "echo_records", most = 0.6 } },
  { "pool of 1, to its first result", seconds, "start_1", { "floor", "fork", most = 1.6 } },
  { "pool of 2, to each one's first result", seconds, "start_2", { "floor", "fork_2", most = 2.2 } },
  { "", seconds, "start_2", { "cpython", "start_2", most = 0.25 } },
  { "", seconds, "start_2", { "mce", "start_2" } },
  { "pool of 8", seconds, "start_8", { "floor", "fork_8", most = 2.5 } },
  { "", seconds, "start_8", { "cpython", "start_8" } },
  { "first submit, 200 modules loaded", seconds, "first_submit", { most = 2e-3 } },
  { "  loaded after the pool was opened", seconds, "first_submit_late" },
  { "shutdown of 8", seconds, "stop_8", { most = 2e-3 } },
  { "", seconds, "stop_8", { "floor", "end_8" } },
  { "", seconds, "stop_8", { "cpython", "stop_8" } },
  { "kill to the replacement's result", seconds, "replace", { most = 2e-3 } },
  { "  with a heap of 1 GB", seconds, "replace_1g", { most = 2e-3 } },
  { "memory of an idle worker (PSS)", bytes, "pss", { most = 0.5e6 } },
  { "", bytes, "pss", { "cpython", "pss", most = 1 / 6 } },
  { "", bytes, "pss", { "mce", "pss" } },
  { "tasks of 10 ms, two workers to one", factor, "scaling", { least = 1.95 } },
  { "", factor, "scaling", { "floor", "scaling" } },
  { "", factor, "scaling", { "cpython", "scaling" } },
  { "  two workers, share of both processors", share, "scaling_share", { least = 0.975 } },
  { "tasks of 100 us, own work", share, "efficiency_100us", { least = 0.95 } },
  { "tasks of 10 us, own work", share, "efficiency_10us", { least = 0.80 } },
  { "one task of 1,000", seconds, "task_1e3" },
  { "  of 10,000", seconds, "task_1e4", { "tine", "task_1e3" } },
  { "  of 100,000", seconds, "task_1e5", { "tine", "task_1e3" } },
  { "  of 1,000,000, all pending at once", seconds, "task_1e6", { "tine", "task_1e3" } },
  { "  of 10,000,000", seconds, "task_1e7", { "tine", "task_1e3" } },
  { "1,000,000 submits of mixed priorities", seconds, "submits_mixed", { "tine", "submits_equal", most = 1.3 } },
  { "no-op tasks, 1 worker", per_second, "noops_workers_1", { "tine", "noops_workers_2" } },
  { "  8 workers", per_second, "noops_workers_8", { "tine", "noops_workers_2" } },
  { "  64 workers", per_second, "noops_workers_64", { "tine", "noops_workers_2", least = 0.7 } },
  { "wake-ups of an idle pool in a second", factor, "idle_wakeups", { most = 0 } },
  { "IN AN OLD PROGRAM: no-op tasks", per_second, "old_noops", { "floor", "futures", least = 1 / 2.0 } },
  { "", per_second, "old_noops", { "cpython", "noops" } },
  { "map of 1,000,000, best chunk size", per_second, "old_map", { "cpython", "map", least = 5.5 } },
  { "  one item a chunk", per_second, "old_map_single", { "tine", "old_noops" } },
  { "round trip, median", seconds, "old_round_trip", { "floor", "ping_pong", most = 0.14 } },
  { "  with 8 workers", seconds, "old_round_trip_8", { "floor", "ping_pong", most = 0.5 } },
  { "  with 64", seconds, "old_round_trip_64", { "floor", "ping_pong", most = 0.5 } },
  { "  beside 200 idle pools", seconds, "old_round_trip_beside", { "tine", "old_round_trip", most = 1.3 } },
  { "echo of 1 MiB", seconds, "old_echo_1m", { "floor", "memcpy_1m", most = 6 } },
  { "  the first 50", seconds, "old_echo_1m_first", { "floor", "memcpy_1m" } },
  { "echo of 1,000 records", seconds, "old_echo_records", { "cpython", "echo_records", most = 0.7 } },
  { "memory of a worker after 5,000 tasks", bytes, "old_pss", { most = 0.42e6 } },
  { "  of 8", bytes, "old_pss_8", { most = 0.42e6 } },
  { "processor time of a task of 20 us", seconds, "old_lone", { "tine", "old_lone_asleep", most = 1.15 } },
  { "a function of 14,000, the last ones", seconds, "old_function_late", { "tine", "old_function_early", most = 1.3 } },
  { "tine map -x, 2,000 times true", seconds, "commands", { "xargs", "commands", most = 1 / 1.5 } },
  { "", seconds, "commands", { "parallel", "commands", most = 1 / 5 } },
  { "  basename", seconds, "programs", { "xargs", "programs", most = 1 } },
  { "", seconds, "programs", { "parallel", "programs", most = 1 / 5 } },
  { "tine map, 1,000,000 lines", seconds, "lines" },
  { "  through --pipe -x cat", seconds, "blocks", { "parallel", "blocks", most = 1 } },
}

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  return pipe:close() and text
end

local samples = {} -- samples[program][measure] = list of values

local function run(program)
  if program.optional and not output(program.optional .. " 2>/dev/null") then return end
  local text = output(program.command)
  if not text then
    io.stderr:write("failed: ", program.command, "\n")
    return
  end
  local measures = samples[program.name] or {}
  samples[program.name] = measures
  for measure, value in text:gmatch "(%S+)%s+(%S+)\n" do
    measures[measure] = measures[measure] or {}
    table.insert(measures[measure], tonumber(value))
  end
end

local function median(program, measure)
  local values = samples[program] and samples[program][measure]
  if not values then return nil end
  table.sort(values)
  return values[(#values + 1) // 2]
end

-- Ticks that the processors have spent so far: busy, and in all.
local function ticks()
  local busy, all, n = 0, 0, 0
  for field in output("head -1 /proc/stat"):gmatch "%d+" do
    n = n + 1
    all = all + field
    if n ~= 4 and n ~= 5 then busy = busy + field end -- idle, waiting for input
  end
  return busy, all
end

-- The share of the processors that other programs take, watched for a second.
local function foreign()
  local busy, all = ticks()
  os.execute "sleep 1"
  local busy_now, all_now = ticks()
  return (busy_now - busy) / (all_now - all)
end

local function machine()
  local model = output("grep -m1 'model name' /proc/cpuinfo"):match ":%s*(.-)%s*\n" or "?"
  return ("%s, %d processors, %s"):format(model, tonumber(output "nproc"), output("uname -sr"):match "[^\n]+")
end

local function versions()
  local perl = output "perl -MMCE -e 'print $MCE::VERSION' 2>/dev/null"
  return ("%s; %s (fork); MCE %s"):format(output("lua5.4 -v"):match "^%S+ %S+",
    output(python .. " -c 'import platform as p; print(\"CPython\", p.python_version())'"):match "[^\n]+",
    perl and #perl > 0 and perl or "is not there")
end

local FORMAT = "%-38s %10s  %-20s %10s %8s  %-11s %s"

-- The goal as text, and whether the number meets it.
local function judge(number, goal, write)
  if goal.least then return ">= " .. write(goal.least), number >= goal.least and "met" or "MISSED" end
  if goal.most then return "<= " .. write(goal.most), number <= goal.most and "met" or "MISSED" end
  return "", ""
end

local function ratio_text(v) return ("%.3g"):format(v) end

local function line(what, unit, measure, against)
  local value = median("tine", measure)
  if not value then return FORMAT:format(what, "-", "", "", "", "", "") end
  if not against or not against[1] then
    return FORMAT:format(what, unit(value), "", "", "", judge(value, against or {}, unit))
  end
  local program, other = against[1], median(against[1], against[2])
  if not other then return nil end
  return FORMAT:format(what, unit(value), program .. " " .. against[2], unit(other), ratio_text(value / other),
    judge(value / other, against, ratio_text))
end

local busiest = 0
for round = 1, rounds do
  busiest = math.max(busiest, foreign())
  for _, program in ipairs(PROGRAMS) do
    io.stderr:write(("\rround %d of %d: %s%s"):format(round, rounds, program.name, (" "):rep(12)))
    run(program)
  end
end
io.stderr:write "\r\27[K"

print(("Medians of %d rounds. %s; other programs took up to %.0f %% of it"):format(rounds, machine(), busiest * 100))
print(versions())
print()
print(FORMAT:format("", "tine", "beside", "", "ratio", "goal", ""))
for _, row in ipairs(ROWS) do
  local text = line(table.unpack(row))
  if text then print((text:gsub("%s+$", ""))) end
end
