-- Runs bench/tine.lua with an older tree and this one in turn, and prints both (called by bench/compare).
local rounds, before = math.tointeger(tonumber(arg[1])), arg[2]
local parts = table.concat(arg, " ", 3)

local RATES = { noops = true, map = true, map_unchunked = true, efficiency_100us = true, efficiency_10us = true,
                scaling = true, scaling_share = true, noops_workers_1 = true, noops_workers_8 = true,
                noops_workers_64 = true } -- more is better; of all others less

local order, samples = {}, { [before] = {}, ["."] = {} } -- samples[tree][measure] = list of values

-- What is measured, and how, is this tree's.
local RUN <const> = "%s/scripts/env %s/build/bench lua5.4 -e 'package.path = \"./?.lua;\" .. package.path' " ..
  "bench/tine.lua %s"

local function run(tree)
  local pipe = assert(io.popen(RUN:format(tree, tree, parts)))
  for measure, value in pipe:read "a":gmatch "(%S+)%s+(%S+)\n" do
    local values = samples[tree][measure]
    if not values then
      values = {}
      samples[tree][measure] = values
      if tree == before then order[#order + 1] = measure end
    end
    table.insert(values, tonumber(value))
  end
  assert(pipe:close(), "bench/tine.lua failed in " .. tree)
end

for round = 1, rounds do
  io.stderr:write(("\rround %d of %d"):format(round, rounds))
  -- who comes first changes, so that neither always has the warmer machine
  for i = 1, 2 do run((i + round) % 2 == 0 and before or ".") end
end
io.stderr:write "\r\27[K"

print(("%-20s %12s %12s %8s %8s"):format("", "before", "now", "median", "best"))
for _, measure in ipairs(order) do
  local old, new = samples[before][measure], samples["."][measure] or {}
  table.sort(old)
  table.sort(new)
  if #new > 0 then
    local function better(a, b) return RATES[measure] and b / a or a / b end
    local function median(list) return list[(#list + 1) // 2] end
    local function best(list) return RATES[measure] and list[#list] or list[1] end
    print(("%-20s %12.5g %12.5g %8.3f %8.3f"):format(measure, median(old), median(new),
      better(median(old), median(new)), better(best(old), best(new))))
  end
end
