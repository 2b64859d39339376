-- Limits: very large values, much queued at once, many pools, many workers, few descriptors.
local tine = require "tine"

local function step(name, fn, ...)
    io.write(name, " ... ")
    io.flush()
    fn(...)
    collectgarbage()
    print "ok"
end

step("1 GB argument and result", function()
    local pool <close> = tine.pool { workers = 1 }
    local big = string.rep("0123456789abcdef", (1 << 30) // 16)
    local same, back = pool:submit(function(s) return #s, s end, big):result()
    assert(same == #big and back == big)
end)

step("10,000 tasks of 1 MB queued at once", function()
    local pool <close> = tine.pool { workers = 2 }
    local payload, futures = string.rep("m", 1000000), {}
    for i = 1, 10000 do
        futures[i] = pool:submit(function(s, n) return #s + n end, payload, i)
    end
    for i, f in ipairs(futures) do
        assert(f:result() == 1000000 + i)
    end
end)

step("large results in both directions at once", function()
    local pool <close> = tine.pool { workers = 4 }
    local payload, futures = string.rep("x", 5000000), {}
    for i = 1, 200 do
        futures[i] = pool:submit(function(s) return s .. "y" end, payload)
    end
    for _, f in ipairs(futures) do
        assert(#f:result() == 5000001)
    end
end)

step("100 pools opened and closed", function()
    for i = 1, 100 do
        local pool <close> = tine.pool { workers = 2 }
        assert(pool:submit(function(n) return n end, i):result() == i)
    end
end)

step("20 pools at once", function()
    local pools, futures = {}, {}
    for i = 1, 20 do
        pools[i] = tine.pool { workers = 2 }
        futures[i] = pools[i]:submit(function(n) return n * n end, i)
    end
    for i, f in ipairs(futures) do
        assert(f:result() == i * i)
        pools[i]:shutdown()
    end
end)

step("64 workers", function()
    local pool <close> = tine.pool { workers = 64 }
    local futures, pids, n = {}, {}, 0
    for i = 1, 64 do
        futures[i] = pool:submit(function()
            os.execute("sleep 0.5")
            return tine.worker.pid
        end)
    end
    for _, f in ipairs(futures) do
        local pid = f:result()
        n = n + (pids[pid] and 0 or 1)
        pids[pid] = true
    end
    assert(n > 32, n .. " workers only")
    local sum = 0
    for _, v in pool:map(function(x) return x end, (function()
        local t = {}
        for i = 1, 20000 do
            t[i] = 1
        end
        return t
    end)()) do
        sum = sum + v
    end
    assert(sum == 20000)
end)

step("a descriptor limit of 64", function()
    local script = os.tmpname()
    local f = assert(io.open(script, "w"))
    f:write [[
        local tine = require "tine"
        local pools, n = {}, 0
        for i = 1, 40 do
            local ok, pool = pcall(tine.pool, { workers = 4, on_crash = "replace" })
            if not ok then
                assert(tine.kind(pool) == "system" and pool.errno == 24, tostring(pool))
                break
            end
            pools[i] = pool
            n = i
            local futures = {}
            for k = 1, 8 do
                local good, future = pcall(pool.submit, pool, function(x) return x + 1 end, k)
                futures[k] = good and future or nil
                assert(good or tine.kind(future) == "broken", tostring(future))
            end
            for k, future in pairs(futures) do
                local good, value = future:pcall(30)
                assert(good and value == k + 1 or not good and tine.kind(value) == "broken", tostring(value))
            end
        end
        assert(n >= 2, "not even two pools")
        for _, pool in ipairs(pools) do
            pool:shutdown()
        end
        local pool <close> = tine.pool(2) -- there is room again
        assert(pool:submit(function() return 1 end):result() == 1)
        print "fine"
    ]]
    f:close()
    local lua = arg[-1]
    local p = assert(io.popen("ulimit -n 64; exec timeout 100 '" .. lua .. "' " .. script .. " 2>&1"))
    local output = p:read("a")
    os.remove(script)
    assert(p:close() and output == "fine\n", output)
end)
print "7 passed, 0 failed"
