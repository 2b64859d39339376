-- A progress line on stderr that is rewritten in place, for pool:map{progress = true}, tine.progress and `tine map
-- --progress`.
local core = require "tine.core"
local clock, terminal = core.public.clock, core.terminal

local AGAIN <const> = 0.1 -- seconds between two updates

local Line = {}
Line.__index = Line

local function duration(seconds)
    seconds = math.floor(seconds)
    return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

-- A number in short: 12345, 123.4, 1.234.
local function short(n)
    return n >= 1000 and ("%.0f"):format(n) or ("%.4g"):format(n)
end

-- A line { total =, unit =, forced = }; nil if nobody would see it. `forced`: also if stderr is no terminal.
local function new_line(settings)
    if not settings.forced and not terminal() then
        return nil
    end
    return setmetatable({
        total = settings.total,
        unit = settings.unit,
        start = clock(),
        shown = clock(), -- no update at once, because there is no rate yet
        done = 0,
        failed = 0,
    }, Line)
end

-- The share of the work that is done, from 0 to 1; or nil.
function Line:part()
    if self.share then
        return self.share
    end
    return self.total and (self.total > 0 and math.min(self.done / self.total, 1) or 1)
end

function Line:text(over)
    local spent = math.max(clock() - self.start, 1e-9)
    local unit = self.unit and " " .. self.unit or ""
    local of = self.total and not self.unit and " of " .. short(self.total) or ""
    local part = self:part()
    local list = { short(self.done) .. of .. unit, self.detail }
    list[#list + 1] = short(self.done / spent) .. unit .. "/s"
    if over then
        list[#list + 1] = duration(spent)
    elseif part and part > 0 then
        list[#list + 1] = ("%d %%"):format(part * 100 // 1)
        list[#list + 1] = duration(spent * (1 - part) / part) .. " left"
    end
    if self.failed > 0 then
        list[#list + 1] = short(self.failed) .. " failed"
    end
    return table.concat(list, ", ")
end

function Line:show(over)
    local columns = terminal() or math.huge
    local text = self:text(over)
    io.stderr:write("\r", #text < columns and text or text:sub(1, columns - 1), "\27[K", over and "\n" or "")
    io.stderr:flush()
end

-- Set how far the work is; also `share` (from 0 to 1) and `detail` (a text) if the count alone does not tell it.
function Line:at(done, failed, share, detail)
    self.done, self.failed, self.share, self.detail = done, failed or 0, share, detail
    local now = clock()
    if now - self.shown >= AGAIN then
        self.shown = now
        self:show(false)
    end
end

-- Clear the line, because something else will be printed there.
function Line:hide()
    if not self.closed then
        io.stderr:write("\r\27[K")
        io.stderr:flush()
    end
end

function Line:close()
    if not self.closed then
        self.closed = true
        self:show(true)
    end
end

-- The progress function (done, total, failed) for a map's option `progress`, and the line that it writes, if any,
-- which must be closed. nil: none.
local function follower(how, total)
    if how ~= true then
        return how or nil
    end
    local line = new_line { total = total }
    return line and function(done, _, failed)
        line:at(done, failed)
    end, line
end

-- ---- tine.progress ----

local Progress = {}
Progress.__index = Progress
Progress.__name = "tine.progress"

local function amount(n, name)
    if n == nil then
        return 1
    elseif type(n) ~= "number" or n ~= n or n < 0 then
        error(("bad argument #1 to '%s' (a number of 0 or more expected)"):format(name), 3)
    end
    return n
end

-- Without a line it only counts.
local function step(self, done, failed)
    self.done, self.failed = self.done + done, self.failed + failed
    if self.line and not self.line.closed then
        self.line:at(self.done, self.failed)
    end
end

-- `n` more (default 1) are done.
function Progress:add(n)
    step(self, amount(n, "add"), 0)
end

-- `n` more (default 1) are done and have failed.
function Progress:fail(n)
    n = amount(n, "fail")
    step(self, n, n)
end

function Progress:close()
    if self.line then
        self.line:close()
    end
end
Progress.__close = Progress.close

local function new(total)
    if total ~= nil and (type(total) ~= "number" or total ~= total or total < 0) then
        error("bad argument #1 to 'progress' (a number of 0 or more expected)", 2)
    end
    return setmetatable({ done = 0, failed = 0, line = new_line { total = total } }, Progress)
end

return { new = new, line = new_line, follower = follower }
