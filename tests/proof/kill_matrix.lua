-- SIGKILL at each named point of the ways of tasks, in both crash modes, with 1 and 4 workers.
-- arg: the `tine` program of a build with faults, "points" (each point once: a twelfth of the cases) or "all", which is
-- the default
local program, once = arg[1], arg[2] == "points"
local here = arg[0]:gsub("[^/]*$", "")
local way = {
    "starting", "announced", "woken", "taken", "begun", "freed", "decoding", "running", "encoding",
    "asked", "ended", "finished", "halfway", "allocated", "written", "leaving",
    "told", "diverted", "printed", "restored", "spinning", "spun", "watching", "watched",
}
-- of tasks that submit tasks, emit, and pass memory on
local data = {
    "submitted", "listening", "emits", "carrying", "region-made", "region-freeing", "taken", "begun",
    "decoding", "encoding", "finished", "written",
}
local failures, cases = 0, 0
local signatures = os.tmpname()

local function run(script, mode, workers, point, count)
    assert(io.open(signatures, "w")):close()
    local command = string.format(
        "TINE_KILL=worker/%s:%d timeout -k 5 60 '%s' '%s%s.lua' %s %d '%s' 2>&1",
        point, count, program, here, script, mode, workers, signatures)
    local p = assert(io.popen(command))
    local output = p:read("a"):gsub("%s+$", "")
    local ok, _, code = p:close()
    cases = cases + 1
    failures = failures + (ok and 0 or 1)
    print(string.format("%s  %s %-7s %d workers  %s:%d  %s", ok and "ok  " or "FAIL", script, mode,
        workers, point, count, ok and output or output .. " (exit " .. code .. ")"))
end

local modes, numbers, counts = { "break", "replace" }, { 1, 4 }, { 1, 2, 7 }

local function run_all(script, points)
    for _, point in ipairs(points) do
        for _, mode in ipairs(modes) do
            for _, workers in ipairs(numbers) do
                for _, count in ipairs(counts) do
                    run(script, mode, workers, point, count)
                end
            end
        end
    end
end

-- One case of each point; the mode, the workers and the count change from point to point.
local function run_once(script, points)
    for p, point in ipairs(points) do
        run(script, modes[p % 2 + 1], numbers[p // 2 % 2 + 1], point, counts[p % 3 + 1])
    end
end

local run_points = once and run_once or run_all
run_points("kill_case", way)
run_points("kill_data", data)
os.remove(signatures)
print(string.format("%d passed, %d failed", cases - failures, failures))
os.exit(failures == 0)
