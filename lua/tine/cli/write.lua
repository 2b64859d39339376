-- Writes the whole text: a single write may write less when a signal comes. An error ends the program, with `what` in
-- front of the reason.
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
