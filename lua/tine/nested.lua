-- tine.worker.pool:map: what a task submits, item by item. Its results come like those of pool:map.
local core = require "tine.core"

local huge, max = math.huge, math.max
local AHEAD <const> = 64 -- items of an iterator that are submitted before the first result is taken

-- A function that gives the arguments of one call after the other, packed.
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

local Map = {}
Map.__index = Map
Map.__name = "tine.map"

-- Submit as many as there may be.
local function top_up(m)
    while not m.ended and m.open < m.ahead do
        local values = m.read()
        if not values then
            m.ended = true
            return
        end
        m.count = m.count + 1
        m.open = m.open + 1
        local future = m.pool:submit(m.fn, table.unpack(values, 1, values.n))
        m.index[future] = m.count
        m.futures[m.count] = future
        if m.completed then
            m.completed:add(future)
        end
    end
end

-- The next future, in order or as they end; nil: there is none.
local function next_future(m)
    if m.open == 0 then
        return nil
    end
    if m.completed then
        return m.completed()
    end
    m.given = m.given + 1
    return m.futures[m.given]
end

local function left(m)
    return m.deadline and max(0, m.deadline - core.clock())
end

local function step(m, future, ok, ...)
    local i = m.index[future]
    m.open = m.open - 1
    m.futures[i], m.index[future] = nil, nil
    if ok then
        return i, ...
    elseif m.returns then
        return i, nil, ...
    end
    error((...), 0)
end

function Map:__call()
    top_up(self)
    local future = next_future(self)
    if not future then
        return nil
    end
    if self.deadline then
        core.wait({ future }, { timeout = left(self) })
        if not future:done() then
            self:close()
            error(select(2, pcall(future.result, future, 0)), 0)
        end
    end
    return step(self, future, future:pcall())
end

Map.totable = core.map_methods.totable

function Map:close()
    self.ended, self.open = true, 0
    for _, future in pairs(self.futures) do
        future:cancel()
    end
end
Map.__close = Map.close

local function map(self, fn, items, opts)
    local length, wrong, why = core.check_map(fn, items, opts)
    if wrong then
        error(("bad argument #%d to 'map' (%s)"):format(wrong, why), 2)
    end
    opts = opts or {}
    local m = setmetatable({
        pool = self,
        fn = fn,
        read = reader(items, length),
        ahead = opts.buffersize or (length and huge or AHEAD),
        deadline = opts.timeout and core.clock() + opts.timeout,
        returns = opts.on_error == "return",
        completed = opts.ordered == false and core.as_completed({}, opts.timeout) or nil,
        futures = {},
        index = {},
        count = 0,
        open = 0,
        given = 0,
    }, Map)
    top_up(m)
    return m, nil, nil, m
end

core.nested_methods.map = map
