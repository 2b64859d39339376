-- eventually(condition [, what [, seconds]]): waits until condition() is true and returns its value.
--
-- Specs wait for conditions with a deadline; a sleep of a fixed length is either too short or too long.
local system = require "system"

local PATIENCE = 10 -- seconds; long enough for a busy machine, for it is only waited for by failing tests

return function(condition, what, seconds)
  local deadline = system.monotime() + (seconds or PATIENCE)
  while true do
    local value = condition()
    if value then return value end
    if system.monotime() > deadline then
      error(("not within %g seconds: %s"):format(seconds or PATIENCE, what or "the condition"), 2)
    end
    system.sleep(0.003)
  end
end
