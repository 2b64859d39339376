-- Pools that an event loop serves: what the loops (tine.luv, tine.cqueues, tine.copas) have in common.
--
-- A *service* is one pool in one loop. The loop watches the pool's descriptor and calls `turn` when it is readable. A
-- coroutine that must wait is suspended in the way of its loop, and woken by a turn. What the loop must provide is
-- its *driver*:
--
--   open(s)        watch s.fd, without keeping the loop running; ended by
--   close(s)       which calls C.release(s.core, s) once the descriptor is no longer watched
--   start(s)       keep the loop running for this service, until
--   stop(s)        (a turn that returns false means the same)
--   here(s)        does the loop run this coroutine?
--   suspend(s, w)  suspend this coroutine, whose waiter is w; it may return too early
--   wake(s, w)     let it continue
local core = require "tine.core"
local C, deadline_of, over = core.loop, core.map.deadline, core.map.over
local events = core.events
local running = coroutine.running

local loop = {}
local NEVER <const> = -1 -- as a deadline: none

-- All services that are not detached, weak: a future without a pool is awaited with the help of any of them.
local services = setmetatable({}, { __mode = "k" })
local isyieldable = coroutine.isyieldable

local Service = {}
Service.__index = Service

-- ---- turns ----

-- Tasks are unfinished, or a coroutine waits for a time: keep the loop running.
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

-- Wake the coroutines (of maps and the like) whose conditions are met; with `all` every one.
function Service:look(all)
    for w, is_there in pairs(self.parked) do
        if all or is_there() then
            self:wake(w)
        end
    end
end

-- There is something to dispatch. Returns true if there will be more.
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
    if waiting and open == 0 then -- the coroutine that was woken may be gone: then it is the next one's turn
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

-- Let the coroutine of this waiter continue.
function Service:wake(w)
    if not w.woken then
        w.woken = true
        self.parked[w] = nil
        if not self.awake and not self.detached then -- it may have been the only reason to keep the loop running
            C.ring(self.core) -- and that turn finds out
            self:start()
        end
        self.driver.wake(self, w)
    end
end

-- Suspend this coroutine until its waiter is woken. Returns false if the deadline has passed.
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

-- Suspend this coroutine until is_there() returns true, which is called when there is news.
function Service:park(is_there, deadline)
    local w = {}
    self.parked[w] = is_there
    return self:suspend(w, deadline)
end

-- ---- waiting for room ----

-- Waiters for room take turns: the first in the queue is woken, one at a time, and wakes the next if there was room
-- for it. If there was none after all, it goes back to its place, which is before all that were not woken.
local function go_back(queue, first, w)
    while queue[first + 1] and queue[first + 1].ticket < w.ticket do
        queue[first] = queue[first + 1]
        first = first + 1
    end
    queue[first] = w
end

-- Suspend this coroutine until there may be room for its submit.
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

-- There may be room for one more submit. Returns false if none waits.
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

-- ---- time limits: a heap of waiters with deadlines, and one alarm for the first ----

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

-- Wake the waiters whose deadlines have passed. Those that were woken otherwise stay in the heap until they are
-- first.
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

-- ---- attaching and detaching ----

-- Return the results of a pcall of a core function, or raise its error at `level`, counted as for `error` in the
-- calling function.
local function called(name, level, ok, ...)
    if ok then
        return ...
    end
    local err = ...
    error(type(err) == "string" and err:gsub("'%?'", "'" .. name .. "'", 1) or err, level + 1)
end

-- Make a service for the pool in the loop of this driver; `at` tells which loop, if there may be several. To be
-- called by the function `attach` of the loop's module, which users call; `detach` likewise.
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
        parked = {}, -- waiter -> is_there
        waiters = {}, -- all suspended waiters
        queue = {}, -- of waiters for room, at first .. last
        first = 1,
        last = 0,
        tickets = setmetatable({}, { __mode = "k" }), -- of coroutines that were woken and have not got room yet
        limits = {},
    }, Service)
    s.fd, s.core = called("attach", 3, pcall(C.attach, pool, s))
    local ok, err = pcall(driver.open, s)
    if not ok then
        C.release(s.core, s)
        error(err, 0)
    end
    services[s] = true
    C.ring(s.core) -- the first turn finds out whether there is something to do
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

-- The module of a driver whose loop need not be named.
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

-- Also called when the pool has ended.
function Service:detach()
    self.detached = true
    services[self] = nil
    for w in pairs(self.waiters) do
        w.woken = true
        self.driver.wake(self, w)
    end
    self.driver.close(self)
end

-- ---- which coroutines can wait ----

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

-- The same, and can this coroutine yield?
function Service:here()
    return isyieldable() and self:runs()
end

-- The service by which this coroutine can wait for the pool or view; or nil.
function loop.here(pool)
    local s = isyieldable() and C.of_pool(pool)
    return s and s:runs() and s or nil
end

-- For a future without a pool: a service by which this coroutine can wait; else any service; or nil.
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

-- future -> waiters. A future has only one callback of ours, however often it is awaited.
local awaited = setmetatable({}, { __mode = "k" })

local function future_done(future)
    local list = awaited[future]
    awaited[future] = nil
    for _, w in ipairs(list) do
        w.service:wake(w)
    end
end

-- ---- events ----

-- What future:events() calls when there is no event.
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

-- Returns false if the pool was detached before the future was done.
local function suspend_for(future, s, deadline)
    local w, list = { service = s }, awaited[future]
    if list then
        list[#list + 1] = w
    else
        awaited[future] = { w }
        future:add_done_callback(future_done)
    end
    events.awaited(future, true) -- its task must not wait for a reader of its events
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

-- A future without a pool is awaited by any service; if that one's pool ends, by another.
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
    elseif s.turning and future:done() then -- a callback asks for the result of its own future
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
