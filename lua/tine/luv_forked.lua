-- luv in a worker that was forked after `preload` has loaded it. libuv makes its loop when luv is loaded, and luv
-- lacks the function to renew it in a forked process (uv_loop_fork). So this gives luv a new loop.
--
-- The functions of luv find their loop by an entry of the registry at each call, so functions that a module has kept
-- use the new loop, too. No loop is closed at the end: luv would close the new one twice, and the descriptor numbers
-- of the old one belong to other files by now. The end of the process closes them.
local registry = debug.getregistry()

local function close_no_loop()
    local meta = registry["uv_loop.meta"]
    if type(meta) == "table" then
        meta.__gc = function() end
    end
    return type(meta) == "table"
end

local function renew(name, uv)
    if type(registry.luv_context) ~= "userdata" or not close_no_loop() then
        return false -- an unknown version
    end
    local collects = collectgarbage "isrunning"
    collectgarbage "stop" -- the old loop's metatable must not be collected before luv was loaded again
    registry.luv_context = nil
    package.loaded[name] = nil
    local ok, fresh = pcall(require, name)
    package.loaded[name] = uv
    close_no_loop()
    if collects then
        collectgarbage "restart"
    end
    return ok and fresh ~= uv
end

-- Make all functions raise an error that explains what to do instead.
local function spoil(uv)
    for name, value in pairs(uv) do
        if type(value) == "function" then
            uv[name] = function()
                error("luv was loaded by 'preload', and its loop cannot be used in a forked process (uv_loop_fork): " ..
                    "load it in the pool's initializer instead", 2)
            end
        end
    end
end

return function()
    for _, name in ipairs { "luv", "uv" } do
        local uv = package.loaded[name]
        if type(uv) == "table" and uv.new_poll and not renew(name, uv) then
            spoil(uv)
        end
    end
end
