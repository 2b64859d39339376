-- luv in a worker that was forked after `preload` had loaded it. libuv makes its loop when luv is loaded, and luv does
-- not have the function that makes it anew in a forked process (uv_loop_fork). So it gets a loop of its own here.
--
-- The functions of luv find their loop by an entry of the registry each time, so that those that a module has kept use
-- the new one as well. No loop is closed at the end, for luv would close the new one twice, and the old one's
-- descriptors are others by now: the end of the process does it.
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
        return false -- another version, of which we know nothing
    end
    local collects = collectgarbage "isrunning"
    collectgarbage "stop" -- the metatable is as before when luv is loaded
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

-- What cannot be used is told, at its use.
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
