-- Tine: a process pool for Lua. The module itself: its C half is tine.core (src/bind), map is in
-- tine.map, what has to do with event loops in tine.loop.
local core = require "tine.core"
require "tine.loop"
require "tine.map"
require "tine.nested"

local tine = {
    version = core.version,
    pool = core.pool,
    wait = core.wait,
    as_completed = core.as_completed,
    future = core.future,
    kind = core.kind,
    register = core.register,
    cpu_count = core.cpu_count,
    clock = core.clock,
    sleep = core.sleep,
    encode = core.encode,
    progress = require("tine.progress").new,
    buffer = core.buffer,
    freeze = core.freeze,
    thaw = core.thaw,
    type = core.type,
}

-- tine.worker is looked up each time: the fork server may load the module before there are workers.
local worker = core.worker

return setmetatable(tine, {
    __index = function(_, name)
        if name == "worker" then
            return worker()
        end
    end,
})
