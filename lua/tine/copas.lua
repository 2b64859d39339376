-- Pools in the loop of copas: tine.copas.attach(pool), tine.copas.detach(pool). See docs/loops.md.
--
-- For all versions of copas from 1.2.0 on, which can only wait for sockets.
local loop = require "tine.loop"
local C = require "tine.core".loop
local copas = require "copas"
local socket = require "socket"

local driver = { name = "copas" }

-- select takes only descriptors below this.
local MOST <const> = socket._SETSIZE or 1024

-- ---- which function has resumed a coroutine ----

local resume = coroutine.resume

-- The coroutine that this one, which is not running, has resumed and waits for; or nil.
local function resumed_by(co)
    local info = debug.getinfo(co, 0, "f")
    if not info then
        return nil
    end
    local _, child
    if info.func == resume then
        _, child = debug.getlocal(co, 0, 1)
    else
        _, child = debug.getupvalue(info.func, 1) -- of a function that coroutine.wrap has made
    end
    return type(child) == "thread" and child or nil
end

-- The function of copas that has resumed the running coroutine, and the socket for which it has done so; or nil.
local source = debug.getinfo(copas.addthread, "S").source

local function resumer()
    local me, parent = coroutine.running(), C.main()
    while parent and parent ~= me do
        local child = resumed_by(parent)
        if child == me then
            local info = debug.getinfo(parent, 1, "Sf")
            local _, co = debug.getlocal(parent, 1, 1)
            if info and info.source == source and co == me then
                local _, client = debug.getlocal(parent, 1, 2)
                return info.func, client
            end
            return nil
        end
        parent = child
    end
end

-- ---- suspending ----

local suspend, wake

if copas.wakeup then
    function suspend()
        copas.sleep(-1)
    end

    function wake(_, w)
        copas.wakeup(w.co)
    end
else
    -- A coroutine is kept by the queue that it yields to copas; this queue keeps none.
    local nowhere = { insert = function() end, push = function() end }

    -- The coroutine is resumed as copas does it, with its socket, which copas closes when the coroutine has ended.
    function suspend(_, w)
        w.tick, w.client = resumer()
        coroutine.yield(true, nowhere)
    end

    function wake(s, w)
        s.ready[#s.ready + 1] = w
        if not s.turning and not s.detached then
            C.ring(s.core)
        end
    end
end
driver.suspend, driver.wake = suspend, wake

local function resume_ready(s)
    while s.ready[1] do
        local ready = s.ready
        s.ready = {}
        for _, w in ipairs(ready) do
            if w.tick and not w.back then
                w.tick(w.co, w.client)
            end
        end
    end
end

-- ---- watching ----

-- What copas takes for a socket. Every other `receive` finds nothing, so a thread that receives from it waits until
-- its descriptor is readable.
local Source = {}
Source.__index = Source

function Source:getfd()
    return self.fd
end

function Source.dirty()
    return false
end

function Source:receive()
    self.asked = not self.asked
    if self.asked then
        return nil, "timeout"
    end
    return "turn"
end

function Source.close()
end

function Source.settimeout()
end

local function watch(s)
    local more
    repeat
        copas.receive(setmetatable({ fd = s.fd }, Source))
        more = s:turn()
        resume_ready(s)
    until not more
    if s.detached then
        C.release(s.core, s)
    end
end

function driver.open(s)
    if s.fd >= MOST then
        C.refuse(("the pool's descriptor is %d, and select, by which copas waits, takes none above %d"):format(
            s.fd, MOST - 1))
    end
    s.ready = {}
end

function driver.close(s)
    if s.awake or s.ready[1] then
        s:start()
        C.ring(s.core) -- the thread ends and releases the service
    else
        C.release(s.core, s)
    end
end

function driver.start(s)
    copas.addthread(function()
        watch(s)
    end)
end

function driver.stop()
end

function driver.here()
    return resumer() ~= nil
end

return loop.module(driver)
