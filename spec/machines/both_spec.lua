-- Specs of what all pools do, against pools on "other machines" (spec/support/far_pools.lua). What differs there by its
-- nature has the tag #here, and beside it the reason.
-- timeout: 240
local machines = require "spec.support.machines"
local shell = require "spec.support.shell"

if machines.are_missing(pending) then return end

local SPECS <const> = {
  "contract/chain", "contract/crash", "contract/events", "contract/everywhere", "contract/figures",
  "contract/map_contract", "contract/progress", "contract/retry", "contract/seed", "contract/task", "contract/travel",
  "share",
}
-- Those that take two thirds of the time, and whose main cases are also in spec/machines/results and printing: in the
-- soak, with TINE_SPEC_BOTH=all.
local LONG <const> = { "contract/limits", "contract/order", "contract/output", "contract/stats", "contract/timeout" }

describe("on other machines, too, holds", function()
  local server
  setup(function()
    server = machines.server()
    for workers = 1, 4 do machines.host(server, "-j " .. workers, "w" .. workers) end
  end)
  teardown(machines.stop)

  local function holds(name)
    it(name, function()
      local file = ("%s/spec/%s_spec.lua"):format(os.getenv "TINE_SOURCE_DIR", name)
      local got = shell.run(("TINE_SPEC_BACKEND=%s timeout 90 lua5.4 tests/run_spec.lua %s --exclude-tags=here")
        :format(server:url "w", file))
      assert(got.code == 0, got.out .. got.err)
    end)
  end
  for _, name in ipairs(SPECS) do holds(name) end
  if os.getenv "TINE_SPEC_BOTH" == "all" then
    for _, name in ipairs(LONG) do holds(name) end
  end
end)
