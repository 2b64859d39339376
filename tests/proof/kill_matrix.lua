-- SIGKILL at each named point of a task's way, in both crash modes, with 1 and 4 workers.
-- arg: the `tine` program of a build with faults, "pairs" (a quarter of the cases, in which each two of point, mode,
-- workers and count meet) or "all", which is the default
local program, pairwise = arg[1], arg[2] == "pairs"
local here = arg[0]:gsub("[^/]*$", "")
local points = {
    "starting", "announced", "woken", "taken", "begun", "freed", "decoding", "running", "encoding",
    "asked", "ended", "finished", "halfway", "allocated", "written", "leaving",
    "told", "diverted", "printed", "restored",
}
local failures, cases = 0, 0
local signatures = os.tmpname()

local function run(mode, workers, point, count)
    assert(io.open(signatures, "w")):close()
    local command = string.format(
        "TINE_KILL=worker/%s:%d timeout -k 5 60 '%s' '%skill_case.lua' %s %d '%s' 2>&1",
        point, count, program, here, mode, workers, signatures)
    local p = assert(io.popen(command))
    local output = p:read("a"):gsub("%s+$", "")
    local ok, _, code = p:close()
    cases = cases + 1
    failures = failures + (ok and 0 or 1)
    print(string.format("%s  %-7s %d workers  %s:%d  %s", ok and "ok  " or "FAIL", mode,
        workers, point, count, ok and output or output .. " (exit " .. code .. ")"))
end

for m, mode in ipairs { "break", "replace" } do
    for w, workers in ipairs { 1, 4 } do
        for p, point in ipairs(points) do
            for c, count in ipairs { 1, 2, 7 } do
                local k = p + c
                if not pairwise or (k % 2 == m - 1 and k // 2 % 2 == w - 1) then
                    run(mode, workers, point, count)
                end
            end
        end
    end
end
os.remove(signatures)
print(string.format("%d passed, %d failed", cases - failures, failures))
os.exit(failures == 0)
