-- Pools that an event loop serves: what the loops have in common (tine.luv, tine.cqueues, tine.copas).
--
-- A *service* is one pool at one loop. The loop watches the pool's descriptor and calls `turn` when that is readable.
-- A coroutine that has to wait is suspended as its loop has it, and a turn wakes it. What a loop must be able to do is
-- its *driver*:
--
--   open(s)        watch s.fd, but do not go on for its sake; closed by
--   close(s)       which calls C.release(s.core, s) once the descriptor is watched no more
--   start(s)       go on for its sake, until
--   stop(s)        (a turn that returns false says the same)
--   here(s)        does it run this coroutine?
--   suspend(s, w)  suspend this coroutine, for which the waiter w stands; it may come back too early
--   wake(s, w)     let it come back
local core = require "tine.core"
local C, deadline_of, over = core.loop, core.map.deadline, core.map.over
local events = core.events
local running = coroutine.running

local loop = {}
local NEVER <const> = -1 -- as a deadline

-- All that are not detached, weak: a future without a pool is awaited with the help of any.
local services = setmetatable({}, { __mode = "k" })
local isyieldable = coroutine.isyieldable

local Service = {}
Service.__index = Service

-- ---- turns ----

-- Tasks are unfinished, or somebody waits for a time: the loop has a reason to go on.
function Service:start()
    if not self.awake and not self.detached then
        self.awake = true
        C.awake(self.core, true)
        self.driver.start(self)
    end
end

function Service:rest()
    self.awake = false
    C.awake(self.core, false)
    self.driver.stop(self)
end

-- Wake the maps and the like that have what they wait for.
function Service:look(all)
    for w, is_there in pairs(self.parked) do
        if all or is_there() then
            self:wake(w)
        end
    end
end

-- There is something to dispatch. True when there will be more.
function Service:turn()
    self.turning = true
    local open, news, ended = C.turn(self.core)
    self.turning = false
    if self.detached then
        return false
    end
    if news or open == 0 then
        self:look(open == 0)
        self:more()
    end
    local waiting = self.queue[self.first]
    if waiting and open == 0 then -- who was woken may be gone: then it is the next one's turn
        C.ring(self.core)
    end
    if self.armed then
        self:expire()
    end
    if ended then
        self:detach()
        return false
    elseif open == 0 and not self.armed and not waiting then
        self:rest()
        return false
    end
    return true
end

-- ---- waiting ----

-- The coroutine of this waiter may go on.
function Service:wake(w)
    if not w.woken then
        w.woken = true
        self.parked[w] = nil
        if not self.awake and not self.detached then -- it may be the only reason to come round
            C.ring(self.core) -- and that turn finds that it was
            self:start()
        end
        self.driver.wake(self, w)
    end
end

-- Suspend this coroutine until its waiter is woken. False: the deadline has passed.
function Service:suspend(w, deadline)
    w.co = running()
    self.waiters[w] = true
    if deadline ~= NEVER then
        self:limit(w, deadline)
    end
    while not w.woken do
        self.driver.suspend(self, w)
    end
    w.back = true
    self.waiters[w] = nil
    return not w.late
end

-- Wait until is_there(), which is asked when there are news.
function Service:park(is_there, deadline)
    local w = {}
    self.parked[w] = is_there
    return self:suspend(w, deadline)
end

-- ---- waiting for room ----

-- They take turns: who has come first is woken first, one at a time, and wakes the next if there was room for him. If
-- there was none after all he goes back to his place: those that were woken are the first.
local function go_back(queue, first, w)
    while queue[first + 1] and queue[first + 1].ticket < w.ticket do
        queue[first] = queue[first + 1]
        first = first + 1
    end
    queue[first] = w
end

-- A submit has to wait.
function Service:room()
    local co = running()
    local w = { ticket = self.tickets[co] }
    if w.ticket then
        self.first = self.first - 1
        go_back(self.queue, self.first, w)
    else
        self.last = self.last + 1
        w.ticket = self.last
        self.queue[self.last] = w
    end
    self.tickets[co] = nil
    self:suspend(w, NEVER)
    self.tickets[co] = w.ticket
end

-- There may be room for one more. False: nobody waits.
function Service:more()
    self.tickets[running()] = nil
    local w = self.queue[self.first]
    if not w then
        return false
    end
    self.queue[self.first] = nil
    self.first = self.first + 1
    self:wake(w)
    return true
end

-- ---- time limits: a heap of those that are waited for, and one alarm for the first ----

function Service:limit(w, deadline)
    local heap, i = self.limits, #self.limits + 1
    w.deadline = deadline
    while i > 1 and heap[i // 2].deadline > deadline do
        heap[i] = heap[i // 2]
        i = i // 2
    end
    heap[i] = w
    if i == 1 then
        self.armed = deadline
        C.alarm(self.core, deadline)
    end
    self:start()
end

local function remove_first(heap)
    local n = #heap
    local w = heap[n]
    heap[n] = nil
    n = n - 1
    if n == 0 then
        return
    end
    local i = 1
    while 2 * i <= n do
        local child = 2 * i
        if child < n and heap[child + 1].deadline < heap[child].deadline then
            child = child + 1
        end
        if heap[child].deadline >= w.deadline then
            break
        end
        heap[i] = heap[child]
        i = child
    end
    heap[i] = w
end

-- Wake those whose time is over. Those that do not wait any more are left in the heap until they come first.
function Service:expire()
    local heap = self.limits
    while heap[1] and (heap[1].woken or over(heap[1].deadline)) do
        local w = heap[1]
        remove_first(heap)
        if not w.woken then
            w.late = true
            self:wake(w)
        end
    end
    local first = heap[1] and heap[1].deadline
    if first ~= self.armed then
        self.armed = first
        C.alarm(self.core, first or NEVER)
    end
end

-- ---- the beginning and the end ----

-- What a function of the core raises is raised where `level` says, as `error` counts in the function that calls this.
local function called(name, level, ok, ...)
    if ok then
        return ...
    end
    local err = ...
    error(type(err) == "string" and err:gsub("'%?'", "'" .. name .. "'", 1) or err, level + 1)
end

-- The service of a pool at the loop of this driver; `at`: which one of several. Called by what `attach` is in the
-- loop's module, which its users have called; `detach` likewise.
function loop.attach(pool, driver, at)
    local old = called("attach", 3, pcall(C.of_pool, pool))
    if old and not old.detached and old.driver == driver and old.at == at then
        return
    elseif old and not old.detached then
        C.refuse(("the pool is attached to %s already: detach it first"):format(old.driver.name))
    end
    local s = setmetatable({
        driver = driver,
        at = at,
        parked = {}, -- waiter -> what it asks
        waiters = {}, -- all that are suspended
        queue = {}, -- for room: first .. last
        first = 1,
        last = 0,
        tickets = setmetatable({}, { __mode = "k" }), -- of coroutines that were woken, and have not got it yet
        limits = {},
    }, Service)
    s.fd, s.core = called("attach", 3, pcall(C.attach, pool, s))
    local ok, err = pcall(driver.open, s)
    if not ok then
        C.release(s.core, s)
        error(err, 0)
    end
    services[s] = true
    C.ring(s.core) -- the first turn finds out whether there is anything to do
    s:start()
end

function loop.detach(pool, driver)
    local s = called("detach", 3, pcall(C.of_pool, pool))
    if not s or s.detached then
        return
    elseif s.driver ~= driver then
        C.refuse(("the pool is attached to %s"):format(s.driver.name))
    end
    s:detach()
end

-- What the module of a driver gives whose loop needs not be named.
function loop.module(driver)
    return {
        attach = function(pool)
            loop.attach(pool, driver)
        end,
        detach = function(pool)
            loop.detach(pool, driver)
        end,
    }
end

-- Also when the pool has ended: nothing is to come.
function Service:detach()
    self.detached = true
    services[self] = nil
    for w in pairs(self.waiters) do
        w.woken = true
        self.driver.wake(self, w)
    end
    self.driver.close(self)
end

-- ---- what lets a loop go on ----

-- Why this coroutine cannot wait, or nil.
local function hindrance(s)
    if not s.driver.here(s) then
        return ("the pool is attached to %s, which does not run this coroutine"):format(s.driver.name)
    elseif not coroutine.isyieldable() then
        return "this coroutine cannot yield here: it is inside a function in C, such as table.sort or a callback"
    end
end

-- Does its loop run this coroutine?
function Service:runs()
    return not self.detached and self.driver.here(self)
end

-- And may it yield?
function Service:here()
    return isyieldable() and self:runs()
end

-- The service by which this coroutine can wait for the pool (or view); or nil.
function loop.here(pool)
    local s = isyieldable() and C.of_pool(pool)
    return s and s:runs() and s or nil
end

-- Of a future without a pool: any that can; else one that cannot; or nil.
local function any_service()
    local any
    for s in pairs(services) do
        if not hindrance(s) then
            return s
        end
        any = s
    end
    return any
end

-- future -> waiters. It has one callback of ours, however often it is awaited.
local awaited = setmetatable({}, { __mode = "k" })

local function future_done(future)
    local list = awaited[future]
    awaited[future] = nil
    for _, w in ipairs(list) do
        w.service:wake(w)
    end
end

-- ---- events ----

-- What future:events() does when nothing is there.
function loop.await_event(future)
    local s = C.of(future)
    if s and not s.detached and s:here() then
        s:park(function()
            return events.peek(future)
        end, NEVER)
    else
        events.wait(future)
    end
end

-- False: the pool was detached before the future was done.
local function suspend_for(future, s, deadline)
    local w, list = { service = s }, awaited[future]
    if list then
        list[#list + 1] = w
    else
        awaited[future] = { w }
        future:add_done_callback(future_done)
    end
    events.awaited(future, true) -- its task may emit what nobody reads
    s:suspend(w, deadline)
    events.awaited(future, false)
    list = awaited[future]
    for i = list and #list or 0, 1, -1 do
        if list[i] == w then
            table.remove(list, i)
        end
    end
    return future:done() or not s.detached
end

-- A future without a pool is no matter of the one by which it is waited for: when that has ended it is waited for by
-- another.
local function suspend_until_done(future, s, has_pool, deadline)
    while not suspend_for(future, s, deadline) do
        s = not has_pool and any_service() or nil
        if not s or hindrance(s) then
            C.refuse "the pool was detached from its loop meanwhile"
        end
    end
end

function core.future_methods.await(future, timeout)
    local s, has_pool = called("await", 2, pcall(C.of, future))
    local deadline = called("await", 2, pcall(deadline_of, timeout))
    local _, is_main = running()
    if not is_main and not has_pool then
        s = any_service()
    end
    if is_main or not s or s.detached then
        return future:result(timeout)
    elseif s.turning and future:done() then -- a callback asks for what it was called with
        return future:result(0)
    end
    local why = hindrance(s)
    if why then
        C.refuse("await: " .. why)
    end
    if not future:done() then
        suspend_until_done(future, s, has_pool, deadline)
    end
    return future:result(0)
end

return loop
