-- Tine: a process pool for Lua. The module itself: its C half is tine.core (src/bind), map is in
-- tine.map, what has to do with event loops in tine.loop.
local core = require "tine.core"
local require, loaders = require, package.preload

-- What is written in Lua is loaded at once where it comes from files. Where it is compiled in, as in workers, it is
-- when it is first called: few tasks need it, and each worker would have a copy of its own.
local function fill(methods, name, home)
    if not loaders[home] then
        return require(home)
    end
    methods[name] = function(...)
        require(home) -- puts the real one in the place of this one
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

-- tine.worker is looked up each time: the fork server may load the module before there are workers.
local worker = core.worker

return setmetatable(tine, {
    __index = function(_, name)
        if name == "worker" then
            return worker()
        end
    end,
})
