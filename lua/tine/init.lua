-- Tine: a process pool for Lua. This is the module itself. Its C half is tine.core (src/bind); map is in tine.map,
-- and everything about event loops in tine.loop.
local core = require "tine.core"
local require, loaders, loaded = require, package.preload, package.loaded

-- Methods that are written in Lua. They are loaded at once if the module comes from files. If it is compiled in, as
-- in workers, they are loaded by the first call: few tasks need them, and each worker would have a copy of its own.
local function fill(methods, name, home)
    if loaded[home] or not loaders[home] then -- loaded before this module, as tine.luv loads tine.loop: they are there
        return require(home)
    end
    methods[name] = function(...)
        require(home) -- replaces this function by the real one
        return methods[name](...)
    end
end

fill(core.future_methods, "await", "tine.loop")
fill(core.map_methods, "totable", "tine.map")
fill(core.pool_methods, "map", "tine.map")
fill(core.view_methods, "map", "tine.map")
fill(core.pool_methods, "report", "tine.report")
fill(core.nested_methods, "map", "tine.nested")
core.events.on_await(function(future)
    require("tine.loop").await_event(future)
end)

local tine = {
    version = core.version,
    progress = function(...)
        return require("tine.progress").new(...)
    end,
}
for name, value in pairs(core.public) do
    tine[name] = value
end

-- tine.worker is looked up each time, because the fork server may load the module before there are workers.
local worker = core.worker

return setmetatable(tine, {
    __index = function(_, name)
        if name == "worker" then
            return worker()
        end
    end,
})
