-- The fault table: every system call and allocation of ours fails, by name and count, in each kind of
-- process; each failure is run through.
-- arg: the `tine` program of a build with faults, most counts for each name (default 12), "shown": later counts only of
-- what showed the first time
local program, most, only_shown = arg[1], tonumber(arg[2] or 12), arg[3] == "shown"
local here = arg[0]:gsub("[^/]*$", "")
local roles = { "host", "root", "server", "worker" }
local names = {}
for line in io.lines(here .. "../../src/base/sys.h") do
    names[#names + 1] = line:match("^    X%(([%w_]+),")
end

local cases, failures, struck = 0, 0, 0
local function run(fault, clean)
    local p = assert(io.popen(string.format("TINE_FAULT='%s' timeout -k 5 60 '%s' '%sfault_case.lua' fork 2>&1",
        fault, program, here)))
    local output = p:read("a"):gsub("%s+$", "")
    local ok, _, code = p:close()
    cases = cases + 1
    if not ok then
        failures = failures + 1
        print(string.format("FAIL %s: %s (exit %d)", fault, output, code))
    end
    if output ~= clean then
        struck = struck + 1
    end
    return output
end

local clean = run("", "")
print("without faults: " .. clean)
for _, role in ipairs(roles) do
    for _, name in ipairs(names) do
        local seen = {}
        for count = 1, most do
            local output = run(string.format("%s/%s:%d", role, name, count), clean)
            if not seen[output] then
                seen[output] = true
                print(string.format("%-6s %-13s %2d  %s", role, name, count, output))
            end
            if only_shown and output == clean then break end
        end
    end
end
print(string.format("%d of them showed", struck))
print(string.format("%d passed, %d failed", cases - failures, failures))
os.exit(failures == 0)
