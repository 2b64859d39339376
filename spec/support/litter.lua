-- Finalizers that the collector runs at each allocation that may run it, so in the midst of any function.
local M = {}

local wait, ran, act = 0, false, nil -- what a finalizer does when `wait` others have run
local littering = false

local function litter()
  setmetatable({}, { __gc = function()
    wait = wait - 1
    if wait == 0 then
      ran = true
      act()
    end
    if littering then litter() end
  end })
end

function M.begin()
  wait, littering = 0, true
  collectgarbage("incremental", 1, 1000, 30) -- whole cycles, one upon the other
  litter()
  collectgarbage()
end

function M.finish()
  littering = false
  collectgarbage("incremental", 200, 100, 13)
end

-- Calls f(start, stop) while a finalizer calls `what`, once at each place between start() and stop() where finalizers
-- run. Returns the number of places.
function M.at_each_place(f, what)
  local places = 0
  act = what
  repeat
    ran = false
    f(function() wait = places + 1 end, function() wait = 0 end)
    if ran then places = places + 1 end
  until not ran
  return places
end

return M
