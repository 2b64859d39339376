-- tine.worker.pool:map: a task's map, submitted item by item. It behaves like pool:map.
local core = require "tine.core"
require "tine.map"
local progress = require "tine.progress"

local clock, is_interrupt = core.public.clock, core.map.is_interrupt
local huge, max, min = math.huge, math.max, math.min
local AHEAD <const> = 64 -- items of an iterator that are submitted before the first result is taken
local QUICK <const> = 100e-6 -- seconds that the input may be read although results are ready
local LOOK <const> = 0.1 -- seconds between two progress reports while nothing comes

local function is_over(m)
    return clock() >= m.deadline
end

-- ---- progress ----

-- Tell the progress function how far the map is, if that has changed; `last`: for the last time.
local function tell(m, last)
    local follow, line = m.follow, m.line
    if not follow or (not last and m.told == m.settled and not line) then
        return
    end
    m.told = m.settled
    m.follow = not last and follow or nil
    follow(m.settled, m.length, m.failed)
    if last and line then
        line:close()
    end
end

-- A callback of the futures that counts those that have ended.
local function counter(m)
    return function(future)
        if m.closed then
            return
        end
        m.settled = m.settled + 1
        if m.follow and not future:pcall() then
            m.failed = m.failed + 1
        end
    end
end

-- ---- reading ahead ----

-- A function that returns the arguments of the next call, packed.
local function reader(items, length)
    if not length then
        return function()
            local values = table.pack(items())
            return values[1] ~= nil and values or nil
        end
    end
    local i = 0
    return function()
        i = i + 1
        return i <= length and { items[i], n = 1 } or nil
    end
end

-- Submit the next item. Whatever runs code of the script may have closed the map.
local function read(m)
    local values = m.read()
    if not values or m.closed then
        m.ended = true
        return
    end
    local future = m.pool:submit(m.fn, table.unpack(values, 1, values.n))
    if m.closed then
        future:cancel()
        return
    end
    local i = m.count + 1
    m.index[future], m.futures[i] = i, future
    if m.completed then
        m.completed:add(future)
    end
    m.count, m.open = i, m.open + 1 -- only now: what memory was missing for is not waited for
    if m.note then
        future:add_done_callback(m.note)
    end
end

-- An error of the input is raised after all results of items read before it; but at once if it tells this task to
-- end.
local function broken(m, err)
    m.ended = true
    if is_interrupt(err) or core.worker().stopping() then
        core.raise(err)
    end
    m.broken, m.failure = not m.closed, err
end

-- Is there a result to give?
local function is_ready(m)
    if not m.completed then
        local future = m.futures[m.given + 1]
        return future and future:done()
    end
    local _, future = next(m.futures)
    return future and (future:done() or m.settled > m.given) -- `done` takes in results
end

-- Must results be given before the next item is read, which may take any time? So a blocking input delays only
-- itself. Not while reading is fast.
local function must_give(m, began)
    return m.patient and (not began or clock() - began >= QUICK) and is_ready(m)
end

-- Submit as many items as allowed.
local function top_up(m)
    local began
    while not m.ended and not m.reading and m.open < m.ahead and not is_over(m) do
        if must_give(m, began) then
            return
        end
        began = began or clock()
        m.reading = true
        local ok, err = pcall(read, m)
        m.reading = false
        if not ok then
            broken(m, err)
        end
    end
end

-- ---- the results ----

local Map = {}
Map.__index = Map
Map.__name = "tine.map"

-- The deadline has passed: close the map; tasks that have not begun do not run.
local function time_is_over(m)
    local all = m.length or m.count
    local open = all - m.count
    for _, future in pairs(m.futures) do
        open = open + (future:done() and 0 or 1)
    end
    m:close()
    local text = "the map has not finished in the time allowed: %d of %d unfinished"
    core.raise(setmetatable({ kind = "timeout", message = text:format(open, all) }, core.error))
end

-- The next future in the order of their ends.
local function next_completed(m)
    local waits = m.deadline < huge and not is_ready(m)
    local ok, future = pcall(m.completed)
    if waits and (ok or core.public.kind(future) == "timeout") and is_over(m) then
        time_is_over(m)
    elseif not ok then
        core.raise(future)
    end
    return future
end

-- The next future in the order of items. It is awaited here if progress is reported or there is a deadline. The wait
-- may exceed the deadline although it gave a result, because a task that runs on top of this one is not interrupted.
local function next_in_order(m)
    local future = m.futures[m.given + 1]
    while (m.follow or m.deadline < huge) and not m.closed and not future:done() do
        future:pcall(min(max(0, m.deadline - clock()), m.follow and LOOK or huge))
        tell(m)
        if is_over(m) then
            time_is_over(m)
        end
    end
    return future
end

-- There is no result to wait for.
local function finish(m)
    if m.reading then -- the input itself asks for a result
        return nil
    elseif not m.ended and m.given ~= m.length and is_over(m) then
        time_is_over(m)
    end
    tell(m, true)
    if m.broken then
        m.broken = false
        core.raise(m.failure)
    end
end

local function returned(i, ok, ...)
    if ok then
        return i, ...
    end
    return i, nil, ...
end

function Map:__call()
    tell(self)
    top_up(self)
    if self.open == 0 then
        return finish(self)
    end
    local future = (self.completed and next_completed or next_in_order)(self)
    local i = future and self.index[future]
    if not i then -- a callback has taken the result, or closed the map
        return self()
    end
    self.given, self.open = self.given + 1, self.open - 1
    self.futures[i], self.index[future] = nil, nil
    if self.returns then
        return returned(i, future:pcall())
    end
    return i, future:result()
end

Map.totable = core.map_methods.totable

function Map:close()
    local futures = self.futures
    self.ended, self.closed, self.broken, self.open = true, true, false, 0
    self.futures, self.index = {}, {}
    for _, future in pairs(futures) do
        future:cancel()
    end
    tell(self, true)
end
Map.__close = Map.close

-- ---- the method ----

local function new_map(pool, fn, items, length, opts)
    local m = setmetatable({
        pool = pool,
        fn = fn,
        read = reader(items, length),
        patient = not length or debug.getmetatable(items) ~= nil, -- reading an item may take any time
        length = length,
        ahead = opts.buffersize or (length and huge or AHEAD),
        deadline = opts.timeout and clock() + opts.timeout or huge,
        returns = opts.on_error == "return",
        completed = opts.ordered == false and core.public.as_completed({}, opts.timeout) or nil,
        futures = {}, -- by index: futures whose results were not given yet
        index = {}, -- the index of each of them
        count = 0, -- items submitted
        open = 0, -- items submitted whose results were not given yet
        given = 0, -- results given
        settled = 0, -- ended futures, counted by `note`
        failed = 0,
        told = 0, -- `settled` at the last progress report
    }, Map)
    m.follow, m.line = progress.follower(opts.progress, length)
    m.note = (m.completed or m.follow) and counter(m) or nil
    top_up(m)
    if m.broken and m.count == 0 then -- no result comes before it
        finish(m)
    end
    return m
end

local function map(self, fn, items, opts)
    local length, wrong, why = core.check_map(fn, items, opts)
    if not wrong and opts and opts.on_event ~= nil then
        wrong, why = 3, "option 'on_event' is not there in a task"
    end
    if wrong then
        error(("bad argument #%d to 'map' (%s)"):format(wrong, why), 2)
    end
    local m = new_map(self, fn, items, length, opts or {})
    return m, nil, nil, m
end

core.nested_methods.map = map
