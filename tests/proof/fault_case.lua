-- One case of the fault table: some call fails in some process. Whatever happens must be a clear error
-- or none at all; nothing may hang, crash, or give a wrong answer.
-- arg: start method
local ok, tine = pcall(require, "tine")
if not ok then
    print("require: " .. tostring(tine))
    return
end

local function clear(err)
    local kind = tine.kind(err)
    if not kind then
        assert(tostring(err):find("memory"), "no error of ours: " .. tostring(err))
        kind = "memory"
    end
    assert(#tostring(err) > 10, "an error that says nothing")
    assert(not tostring(err):find "exit code", "an end that nobody explains: " .. tostring(err))
    return kind
end

local tally = {}
local function count(kind)
    tally[kind] = (tally[kind] or 0) + 1
end

local large = string.rep("y", 200000)
local function task(i, payload)
    local t = { i, payload }
    return #t[2] + i, t
end

local function use()
    local pool <close> = tine.pool { workers = 2, on_crash = "replace", start_method = arg[1] }
    local futures = {}
    for i = 1, 12 do
        local good, f = pcall(pool.submit, pool, task, i, i % 3 == 0 and large or "small")
        if good then
            futures[i] = f
        else
            count("submit " .. clear(f))
        end
    end
    for i, f in pairs(futures) do
        local good, value = f:pcall(20)
        if good then
            assert(value == (i % 3 == 0 and #large or 5) + i, "a wrong answer")
            count "ok"
        else
            count(clear(value))
        end
    end
    for i = 1, 6 do
        local good, f = pcall(function()
            return pool:with({ output = i % 2 == 0 and "capture" or "prefix" }):submit(function()
                if i % 2 == 0 then print("output " .. i) end
                return i
            end)
        end)
        local value = f
        if good then good, value = f:pcall(20) end
        if good then
            -- What nobody has the descriptors to read is lost; where memory is short the last bytes are kept.
            local output, whole = f:output() or "", "output " .. i .. "\n"
            assert(value == i, "a wrong answer")
            assert(i % 2 == 1 or #output <= #whole and whole:sub(#whole - #output + 1) == output, "another output")
        end
        count(good and "output ok" or "output " .. clear(value))
    end
    local good, err = pcall(function()
        for i, v in pool:map(function(x) return x + 1 end, { 1, 2, 3, 4, 5, 6 }, { chunksize = 2 }) do
            assert(v == i + 1, "a wrong answer")
        end
    end)
    count(good and "map ok" or "map " .. clear(err))
end

local good, err = pcall(use)
if not good then
    count("pool " .. clear(err))
end
local words = {}
for kind, n in pairs(tally) do
    words[#words + 1] = kind .. " " .. n
end
table.sort(words)
print(table.concat(words, ", "))
