-- What every proof asks of a pool to which terrible things happen: each future ends once, with the
-- right answer or the right blame, and no task runs twice.
local tine = require "tine"

local account = {}

local function fail(format, ...)
    error(string.format(format, ...), 0)
end

-- A file in which tasks sign that they run: one line each, appended in one write.
function account.signer(path)
    return function(name)
        local f = assert(io.open(path, "a"))
        f:write(name, "\n")
        f:close()
    end
end

-- How often each name was signed.
function account.signed(path)
    local count = {}
    local f = io.open(path)
    if f then
        for line in f:lines() do
            count[line] = (count[line] or 0) + 1
        end
        f:close()
    end
    return count
end

-- A blame must name the worker, and the task it ran when it ran one.
local function check_blame(err, id)
    if math.type(err.pid) ~= "integer" or err.pid <= 1 then
        fail("blame without a pid: %s", err)
    end
    if not (err.signal or err.exit_code) then
        fail("blame without signal or exit code: %s", err)
    end
    if id and (not err.task or err.task.id ~= id) then
        fail("task %d blamed as %s: %s", id, err.task and err.task.id, err)
    end
end

-- An outcome must be the right value, or a failure of a kind that the mode allows. Gives its kind.
function account.check(mode, id, expected, ok, value)
    if ok then
        if value ~= expected then
            fail("task %d gave %s instead of %s", id, value, expected)
        end
        return "ok"
    end
    local kind = tine.kind(value)
    if kind == "crashed" and mode == "replace" then
        check_blame(value, id)
    elseif kind == "broken" then
        if not value.cause and value.errno == nil and not tostring(value):find("fork server") then
            check_blame(value)
        end
    else
        fail("task %d ended as %s (%s)", id, kind, tostring(value))
    end
    return kind
end

return account
