-- Pools in a controller of cqueues: tine.cqueues.attach(pool [, controller]), tine.cqueues.detach(pool). See
-- docs/loops.md.
local loop = require "tine.loop"
local C = require "tine.core".loop
local cqueues = require "cqueues"
local condition = require "cqueues.condition"

local driver = { name = "cqueues" }

-- The thread that watches. It exists only while there is something to wait for, because a controller runs until all
-- its threads have ended.
local function watch(s)
    repeat
        cqueues.poll(s.source)
    until not s:turn()
    if s.detached then
        driver.release(s)
    end
end

-- cqueues must forget the descriptor's number before another file can get it.
function driver.release(s)
    cqueues.cancel(s.fd)
    C.release(s.core, s)
end

function driver.open(s)
    s.source = { pollfd = s.fd, events = "r" }
end

function driver.close(s)
    if s.awake then
        C.ring(s.core) -- the thread ends and releases the service
    else
        driver.release(s)
    end
end

function driver.start(s)
    s.at:wrap(watch, s)
end

function driver.stop()
end

function driver.here(s)
    local controller, mine = cqueues.running()
    return mine and controller == s.at
end

function driver.suspend(_, w)
    w.condition = w.condition or condition.new()
    w.condition:wait()
end

function driver.wake(_, w)
    if w.condition then
        w.condition:signal()
    end
end

return {
    attach = function(pool, controller)
        controller = controller or cqueues.running()
        if cqueues.type(controller) ~= "controller" then
            error(controller == nil and "bad argument #2 to 'attach' (controller expected: none is running)" or
                ("bad argument #2 to 'attach' (controller expected, got %s)"):format(type(controller)), 2)
        end
        loop.attach(pool, driver, controller)
    end,
    detach = function(pool)
        loop.detach(pool, driver)
    end,
}
