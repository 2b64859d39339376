-- Pools on many machines over a network that damages what it carries: never a wrong result, a task that runs twice,
-- a crash, or a future that does not end.
-- timeout: 150
local tine = require "tine"
local machines = require "spec.support.machines"
local pools = require "spec.support.pools"
local program = require "spec.support.program"

if machines.are_missing(pending) then return end

local SECONDS <const> = tonumber(os.getenv "TINE_SPEC_DAMAGE" or 4)

-- Does its square, and notes that it has.
local function square(diary, n)
  local file = assert(io.open(diary, "a"))
  file:write(n, "\n")
  file:close()
  return n * n
end

describe("a network that damages what it carries", function()
  after_each(machines.stop)

  for seed = 1, SECONDS > 10 and 3 or 1 do
    it("gives right results or lost tasks, each done once at most, and recovers (seed " .. seed .. ")", function()
      local key, diary = machines.new_key(), os.tmpname()
      local server, port = machines.server(), machines.free_port()
      machines.start(("lua5.4 spec/support/bad_proxy.lua %d %d %d %d"):format(port, server.port, seed, SECONDS))
      local url = ("gearman://127.0.0.1:%d/spec"):format(port)
      local hosts = {}
      for i = 1, 2 do
        hosts[i] = machines.start(("%s serve %s --key %s -j 1 --name host%d"):format(program.tine(), url, key, i))
      end
      local pool = pools.open(finally, { backend = server:url(), key = key, lost_after = 0.5, connect_timeout = 2 })
      local n, done, lost, start = 0, 0, 0, tine.clock()
      while tine.clock() - start < SECONDS do
        local futures = {}
        for i = 1, 20 do futures[i] = pool:submit(square, diary, n + i) end
        for i, future in ipairs(futures) do
          -- a host that waits for the rest of what is no packet notices it after 20 seconds, and so it may go again
          local ok, value = future:pcall(90)
          if ok then
            assert.equal((n + i) ^ 2, value)
            done = done + 1
          else
            assert.equal("lost", tine.kind(value), tostring(value))
            lost = lost + 1
          end
        end
        n = n + #futures
      end
      local counts = {}
      for line in io.lines(diary) do
        assert.is_nil(counts[line], line .. " was done twice")
        counts[line] = true
      end
      assert.equal(n, done + lost)
      for _, host in ipairs(hosts) do assert.is_true(host:alive(), host:log()) end
      local view = pool:with { retry = { lost = 20, delay = 0.1, factor = 1 } }
      for i = 1, 20 do assert.equal(i * i, view:submit(square, diary, i):result(30)) end
      os.remove(key)
      os.remove(diary)
    end)
  end
end)
