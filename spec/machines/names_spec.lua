-- A job server's name may have several addresses, not all of which lead to it.
local machines = require "spec.support.machines"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

if machines.are_missing(pending) then return end

-- Runs a program where "jobs.test" has these addresses, in this order.
local function where_it_is(addresses, source)
  local hosts = os.tmpname()
  finally(function() os.remove(hosts) end)
  local file <close> = assert(io.open(hosts, "w"))
  for _, address in ipairs(addresses) do assert(file:write(address, " localhost jobs.test\n")) end
  assert(file:flush())
  return program.run(source, {
    before = ("unshare -rm sh -c 'mount --bind %s /etc/hosts && exec \"$@\"' sh"):format(hosts),
  })
end

describe("a job server whose name has several addresses", function()
  if shell.run("unshare -rm mount --bind /etc/hosts /etc/hosts").code ~= 0 then
    return pending "no mount namespace may be made here"
  end
  after_each(machines.stop)

  -- As localhost has in most /etc/hosts: ::1 comes first, and gearmand listens on 127.0.0.1.
  it("is found on the second one when nobody listens on the first, by hosts and programs", function()
    local server = machines.server()
    local ended = where_it_is({ "::1", "127.0.0.1" }, ([[
      local tine = require "tine"
      local machines = require "spec.support.machines"
      local host = machines.host("gearman://jobs.test:%d/spec", "-j 1")
      local pool = tine.pool { backend = "gearman://jobs.test:%d/spec", connect_timeout = 5 }
      print(pcall(function() return pool:submit(math.abs, -7):result(20) end))
      pool:kill_workers()
      machines.stop()
    ]]):format(server.port, server.port))
    assert.equal("", ended.err)
    assert.equal("true\t7\n", ended.out)
  end)

  it("needs a key when one of them is of another machine", function()
    local ended = where_it_is({ "127.0.0.1", "192.0.2.1" }, [[
      print(select(2, pcall(require "tine".pool, { backend = "gearman://jobs.test:4730/spec" })))
    ]])
    assert.matches("jobs.test:4730", ended.out, 1, true)
    assert.matches("key", ended.out)
  end)

  it("is told by its name when none of them answers", function()
    local ended = where_it_is({ "::1", "127.0.0.1" }, ([[
      local pool = require "tine".pool { backend = "gearman://jobs.test:%d/spec", connect_timeout = 0.3 }
      print(select(2, pool:submit(math.abs, -7):pcall(20)))
      pool:shutdown()
    ]]):format(machines.free_port()))
    assert.matches("no job server can be reached: jobs.test:%d+: Connection refused", ended.out)
  end)
end)
