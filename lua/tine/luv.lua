-- Pools in a loop of libuv (luv): tine.luv.attach(pool), tine.luv.detach(pool). See docs/loops.md.
local loop = require "tine.loop"
local C = require "tine.core".loop
local uv = package.loaded.luv or package.loaded.uv or require "luv"

local driver = { name = "luv" }

-- Resume all coroutines that were woken. Their errors are collected and raised for the loop to show.
local function resume_ready(s)
    local errors = {}
    while s.ready[1] do
        local ready = s.ready
        s.ready = {}
        for _, w in ipairs(ready) do
            if not w.back and coroutine.status(w.co) == "suspended" then
                local ok, err = coroutine.resume(w.co)
                if not ok then
                    errors[#errors + 1] = debug.traceback(w.co, tostring(err))
                end
            end
        end
    end
    if errors[1] then
        error(table.concat(errors, "\n"), 0)
    end
end

function driver.open(s)
    s.ready = {}
    s.poll = assert(uv.new_poll(s.fd))
    assert(s.poll:start("r", function()
        s:turn()
        resume_ready(s)
    end))
    s.poll:unref()
end

function driver.close(s)
    if s.ready[1] and not s.turning then -- no other turn will come for them
        local timer = uv.new_timer()
        timer:start(0, 0, function()
            timer:close()
            resume_ready(s)
        end)
    end
    s.poll:stop()
    s.poll:close()
    C.release(s.core, s)
end

function driver.start(s)
    s.poll:ref()
end

function driver.stop(s)
    s.poll:unref()
end

-- luv's callbacks run wherever luv is called, so any coroutine may be resumed by them.
function driver.here()
    return not select(2, coroutine.running())
end

function driver.suspend()
    coroutine.yield()
end

function driver.wake(s, w)
    s.ready[#s.ready + 1] = w
    if not s.turning and not s.detached then
        C.ring(s.core)
    end
end

return loop.module(driver)
