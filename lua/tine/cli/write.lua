-- Writes all of a text: one write takes less of it when a signal comes. What cannot be written ends the program;
-- `what` says in front of the reason what that was.
local host = require "tine.cli.host"
local give_up = require "tine.cli.trouble".give_up

return function(fd, text, what)
  local at = 1
  while at <= #text do
    local next_at, err = host.write(fd, text, at)
    if not next_at then give_up("%s: %s", what or "write error", err) end
    at = next_at
  end
end
