-- pool:map: how far to read ahead, and how many items make a chunk. What is done for each item is in src/bind/map.h;
-- this code runs about once for each chunk.
local core = require "tine.core"
local loop = require "tine.loop"
local progress = require "tine.progress"
local C = core.map
local fill, flush, counts, ready, control = C.fill, C.flush, C.counts, C.ready, C.control
local peek, take, followed, doze = C.peek, C.take, C.followed, C.doze

-- A chunk should take so long that the cost of sending it does not matter ...
local CHUNK_SECONDS <const> = 200e-6
-- ... but not have so many items that one worker is left with much work at the end.
local MOST_ITEMS <const> = 256
-- The same for workers on other machines, to which sending costs more.
local FAR_SECONDS <const> = 10e-3
local FAR_ITEMS <const> = 16384
-- No chunk has more items: the counts of a chunk have 32 bits, and products with it must not overflow.
local LARGEST_CHUNK <const> = 1 << 31
-- Chunks read ahead for each worker when the input is an iterator.
local CHUNKS_AHEAD <const> = 4

local huge = math.huge
local max, min, ceil = math.max, math.min, math.ceil

-- ---- arguments ----

local OPTIONS <const> = { "chunksize", "buffersize", "timeout", "ordered", "on_error", "on_event", "progress" }

local function shown(value)
    if type(value) == "string" then
        return #value > 200 and ("a string of %d bytes"):format(#value) or ("%q"):format(value)
    elseif type(value) == "number" then
        return tostring(value)
    end
    return type(value)
end

-- These functions return a text if something is wrong, so that the error is raised at the line that called map.

local function wrong_option(name, wanted, value)
    return ("option '%s' must be %s, got %s"):format(name, wanted, shown(value))
end

local function check_names(opts)
    for name in pairs(opts) do
        local known = false
        for _, option in ipairs(OPTIONS) do
            known = known or option == name
        end
        if not known then
            local near = type(name) == "string" and core.nearest(name, OPTIONS)
            return ("unknown option '%s', %s"):format(tostring(name), near
                and ("did you mean '%s'?"):format(near)
                or "known are: " .. table.concat(OPTIONS, ", "))
        end
    end
end

local function check_count(opts, name)
    local value = opts[name]
    if value ~= nil and value ~= huge and
        not (math.type(value) and math.tointeger(value) and value >= 1) then
        return wrong_option(name, "an integer of 1 or more", value)
    end
end

local function count_option(opts, name)
    local value = opts[name]
    return value ~= huge and math.tointeger(value) or nil
end

local function is_callable(value)
    if type(value) == "function" then
        return true
    end
    local meta = debug.getmetatable(value)
    return type(meta) == "table" and rawget(meta, "__call") ~= nil
end

local function check_options(opts)
    local ordered, on_error, timeout = opts.ordered, opts.on_error, opts.timeout
    local follow = opts.progress
    if ordered ~= nil and type(ordered) ~= "boolean" then
        return wrong_option("ordered", "true or false", ordered)
    elseif on_error ~= nil and on_error ~= "raise" and on_error ~= "return" then
        return wrong_option("on_error", '"raise" or "return"', on_error)
    elseif opts.on_event ~= nil and not is_callable(opts.on_event) then
        return wrong_option("on_event", "a function", opts.on_event)
    elseif timeout ~= nil and (type(timeout) ~= "number" or timeout ~= timeout) then
        return wrong_option("timeout", "a number of seconds", timeout)
    elseif follow ~= nil and type(follow) ~= "boolean" and not is_callable(follow) then
        return wrong_option("progress", "true, false or a function", follow)
    end
    return check_names(opts) or check_count(opts, "chunksize") or check_count(opts, "buffersize")
end

-- The length of a list; nil for an iterator; or nil and a text.
local function input_length(items)
    if is_callable(items) then
        return nil
    elseif core.public.type(items) ~= "table" then
        return nil, ("list or iterator expected, got %s"):format(type(items))
    end
    local n = items.n
    if n == nil then
        return #items
    elseif math.type(n) ~= "integer" or n < 0 then
        return nil, "field 'n' of the list must be an integer of 0 or more"
    end
    return n
end

-- Check the arguments of a method `map`. Returns the length of the input, nil for an iterator; or nil, the number of
-- the wrong argument, and a text.
local function check_arguments(fn, items, opts)
    if type(fn) ~= "string" and not is_callable(fn) then
        return nil, 1, ("function expected, got %s"):format(type(fn))
    end
    local length, wrong = input_length(items)
    if wrong then
        return nil, 2, wrong
    elseif opts ~= nil and type(opts) ~= "table" then
        return nil, 3, ("table expected, got %s"):format(type(opts))
    end
    wrong = check_options(opts or {})
    return length, wrong and 3, wrong
end

-- ---- chunk sizes ----

-- The number of items in the next chunk; read_ahead: how many items may be read ahead of the next result.
local function chosen_size(c, read)
    local size = c.chunksize or c.size
    if c.buffersize then
        size = min(size, c.chunksize and c.buffersize or max(1, c.buffersize // (2 * c.workers)))
    end
    if c.length and not c.chunksize then
        size = min(size, max(1, ceil((c.length - read) / (CHUNKS_AHEAD * c.workers))))
    end
    return size
end

local function read_ahead(c, size)
    return c.buffersize or (c.length and huge) or CHUNKS_AHEAD * c.workers * size
end

-- Adapt the chunk size to how fast items have ended since the last look. That gives an upper bound of an item's time,
-- so the size is careful at first; it grows by steps while the bound falls.
local function adapt(c, settled, at)
    local items = settled - c.settled
    if c.chunksize or items == 0 then
        return
    end
    if c.settled > 0 and at > c.at then
        local each = (at - c.at) * c.workers / items
        local target = c.seconds / each
        c.size = max(1, min(target // 1 | 0, c.size * 4, c.most))
    end
    c.settled, c.at = settled, at
end

-- ---- reading ahead ----

-- Let the loop go on until there was room for the buffer.
local function await_room(m, service)
    local ok, full
    repeat
        service:room()
        ok, full = pcall(flush, m, service:here())
    until not ok or not full
    service:more()
    return ok, full
end

-- Read at most `n` items. An error of the input is raised after all results of items read before it. `service` is
-- that of the loop that runs this coroutine, or nil.
local function read_some(m, c, n, size, service)
    local yields = service ~= nil and service:here()
    local ok, ended, full = pcall(fill, m, n, size, yields)
    if not ok and not C.is_interrupt(ended) then
        c.failed, c.failure = true, ended
        ok, full = pcall(flush, m, yields)
        ended = ok or full
    end
    if ok and full then
        ok, full = await_room(m, service)
        ended = ok and ended or full
    end
    if not ok then
        c.ended = true
        core.raise(ended)
    end
    c.ended = ended
end

-- Read ahead as far as allowed. Results that are ready are given first, so that a blocking input delays only itself.
local function top_up(m, c, service)
    while not c.ended and not (c.timed and C.over(c.deadline)) do
        local read, sent, returned, settled, at, ready_first = counts(m)
        adapt(c, settled, at)
        if ready_first then
            return
        end
        local size = chosen_size(c, read)
        local room = read_ahead(c, size) - (read - returned)
        if room < 1 or (room < size and sent > returned) then
            return
        end
        read_some(m, c, min(room, size * c.workers), min(size, room) // 1 | 0, service)
    end
end

-- ---- progress ----

local LOOK <const> = 0.1 -- seconds between two looks while nothing comes

-- Tell the map's progress function how far it is, if that has changed; `last`: for the last time.
local function tell(m, c, last)
    local follow, ended, failed = c.follow, followed(m)
    if last then
        c.follow = nil
    elseif ended == c.told and not c.line then
        return
    end
    c.told = ended
    follow(ended, c.length, failed)
    if last and c.line then
        c.line:close()
    end
end

-- Wait for the next result, and report progress meanwhile.
local function doze_until(m, c)
    while not C.over(c.deadline) and not doze(m, c.deadline, LOOK) do
        tell(m, c)
    end
end

-- Set up the option `progress`: its function, and the closing of its line.
local function begin_following(m, c, how)
    c.follow, c.line = progress.follower(how, c.length)
    if c.follow then
        C.follow(m)
        function c.finish(map)
            if c.follow then
                tell(map, c, true)
            end
        end
    end
end

-- ---- the iterator ----

-- Get the next result when it is not there yet.
local function go_on(m)
    local c = control(m)
    if not c then -- the progress function has just closed the map
        return nil
    end
    local service = loop.here(c.pool)
    if not c.reading then
        c.reading = true
        local ok, err = pcall(top_up, m, c, service)
        c.reading = false
        if not ok then
            core.raise(err)
        end
    end
    if service and service:here() and not peek(m) then
        service:park(function()
            return peek(m)
        end, c.deadline)
    end
    if c.follow then
        doze_until(m, c)
    end
    if ready(m, c.deadline, not c.ended and not c.reading) then
        return m()
    end
    if c.follow then
        tell(m, c, true)
    end
    if c.failed then
        c.failed = false
        core.raise(c.failure)
    end
    return nil
end

local function taken(m, i, ...)
    if i ~= nil then
        return i, ...
    end
    return go_on(m)
end

-- Called by the iterator when the next result is not there, or progress is reported.
local function advance(m)
    local c = control(m)
    if not c.follow then
        return go_on(m)
    end
    tell(m, c)
    return taken(m, take(m))
end
C.on_advance(advance)

-- ---- the methods ----

local function new_map(self, fn, items, length, opts, workers, far)
    local chunksize = count_option(opts, "chunksize")
    local c = {
        pool = self,
        workers = workers,
        length = length,
        chunksize = chunksize and min(chunksize, LARGEST_CHUNK),
        buffersize = opts.buffersize == huge and huge or count_option(opts, "buffersize"),
        deadline = C.deadline(opts.timeout),
        timed = opts.timeout ~= nil,
        seconds = far and FAR_SECONDS or CHUNK_SECONDS, -- of a chunk
        most = far and FAR_ITEMS or MOST_ITEMS, -- items in a chunk
        size = 1, -- the present chunk size
        settled = 0, -- items that had ended at the last look, and when
        at = 0,
    }
    local m = C.new(self, fn, items, length, c, opts.ordered ~= false, opts.on_error == "return",
        opts.on_event)
    begin_following(m, c, opts.progress)
    top_up(m, c, loop.here(self))
    if c.failed and select(2, counts(m)) == 0 then -- no result comes before it
        c.failed = false
        core.raise(c.failure)
    end
    return m
end

local function map(self, fn, items, opts)
    local ok, workers, far = pcall(C.workers, self) -- checks that self is a pool of this process
    if not ok then
        error(workers, 2)
    end
    local length, wrong, why = check_arguments(fn, items, opts)
    if wrong then
        error(("bad argument #%d to 'map' (%s)"):format(wrong, why), 2)
    end
    local m = new_map(self, fn, items, length, opts or {}, workers, far)
    return m, nil, nil, m
end

core.check_map = check_arguments
core.pool_methods.map = map
core.view_methods.map = map

function core.map_methods.totable(m)
    local list = { n = 0 }
    local _ <close> = m
    while true do
        local i, value = m()
        if i == nil then
            return list
        end
        list[i] = value
        list.n = max(list.n, i)
    end
end

return map
