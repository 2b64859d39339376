-- SIGKILL at each named point of the ways of tasks, in both crash modes, with 1 and 4 workers.
-- arg: the `tine` program of a build with faults, "pairs" (a quarter of the cases, in which each two of point, mode,
-- workers and count meet) or "all", which is the default
local program, pairwise = arg[1], arg[2] == "pairs"
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

local function run_all(script, points)
    for m, mode in ipairs { "break", "replace" } do
        for w, workers in ipairs { 1, 4 } do
            for p, point in ipairs(points) do
                for c, count in ipairs { 1, 2, 7 } do
                    local k = p + c
                    if not pairwise or (k % 2 == m - 1 and k // 2 % 2 == w - 1) then
                        run(script, mode, workers, point, count)
                    end
                end
            end
        end
    end
end

run_all("kill_case", way)
run_all("kill_data", data)
os.remove(signatures)
print(string.format("%d passed, %d failed", cases - failures, failures))
os.exit(failures == 0)
