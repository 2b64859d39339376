-- --halt WHEN,WHY=VALUE: when to stop early, with GNU parallel's syntax.
local integer = require "tine.cli.options".integer

local M = {}

local EXPECTED <const> = "never, now,fail=N, soon,fail=N (also success= and done=; N is 1 or more, or 1% to 100%)"
local ALIASES <const> = { never = { when = "never" }, ["0"] = { when = "never" },
                          ["1"] = { when = "soon", why = "fail", count = 1 },
                          ["2"] = { when = "now", why = "fail", count = 1 } }
local LEAST_FOR_PERCENT <const> = 3 -- jobs that must have ended before a percentage counts

function M.read(text)
  if ALIASES[text] then return ALIASES[text] end
  local when, why, number, percent = text:match "^(%a+),(%a+)=(%d+)(%%?)$"
  local known = (when == "now" or when == "soon") and (why == "fail" or why == "success" or why == "done")
  number = number and integer(number)
  if not known or not number or number < 1 or percent == "%" and number > 100 then return nil, EXPECTED end
  if percent == "%" then return { when = when, why = why, share = number / 100 } end
  return { when = when, why = why, count = number }
end

-- Returns "now" or "soon" when it is time to stop. counts = { done=, fail= }
function M.due(halt, counts)
  if halt.when == "never" then return nil end
  local n = halt.why == "done" and counts.done or halt.why == "fail" and counts.fail or counts.done - counts.fail
  if halt.count then return n >= halt.count and halt.when or nil end
  return counts.done >= LEAST_FOR_PERCENT and n >= halt.share * counts.done and halt.when or nil
end

return M
