-- tine serve --on: on other hosts by ssh, for which a script stands in here.
local eventually = require "spec.support.eventually"
local machines = require "spec.support.machines"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local tine = require "tine"

if machines.are_missing(pending) then return end

-- `ssh OPTIONS -- HOST COMMAND` is `sh -c COMMAND` with a name that tells the hosts apart.
local SSH <const> = [[#!/bin/sh
while [ "$1" != -- ]; do shift; done
[ "$2" = nowhere ] && { echo "ssh: no such host" >&2; exit 255; }
TINE_SPEC_HOST=$2 exec sh -c "$(printf %s "$3" | sed "s/'tine.host'/$2/")"
]]

local function folder_with(name, text)
  local folder = os.tmpname()
  os.remove(folder)
  assert(shell.run("mkdir " .. folder).code == 0)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
  file:close()
  assert(shell.run(("chmod 755 %s/%s; ln -s %s %s/tine"):format(folder, name, program.tine(), folder)).code == 0)
  return folder
end

describe("tine serve --on", function()
  local folder
  setup(function() folder = folder_with("ssh", SSH) end)
  teardown(function() shell.run("rm -r " .. folder) end)
  after_each(machines.stop)

  local function start(server, hosts, options)
    return machines.start(("env PATH=%s:$PATH %s serve --on %s --name tine.host %s %s")
      :format(folder, program.tine(), hosts, options or "-j 1", server:url()))
  end
  local function names(pool)
    local list = {}
    for _ = 1, 20 do pool:submit(function() tine.sleep(0.01) end) end
    pool:join(20)
    for i, host in ipairs(pool:workers()) do list[i] = host.host end
    table.sort(list)
    return table.concat(list, " ")
  end

  it("serves on each of the hosts, and passes their logs on", function()
    local server = machines.server()
    local serve = start(server, "one,two")
    local pool <close> = tine.pool { backend = server:url() }
    eventually(function() return names(pool) == "one two" end, nil, 20)
    assert.matches("\none: [^\n]*connected to", "\n" .. serve:log())
    assert.matches("\ntwo: [^\n]*connected to", "\n" .. serve:log())
    serve:signal "TERM"
    assert.equal(0, serve:close())
  end)

  it("ends them when it is killed", function()
    local server = machines.server()
    local serve = start(server, "one,two")
    local pattern = server:url():gsub("^g", "[g]") -- not the shell that looks for it
    local function hosts() return shell.run(("pgrep -f 'serve .*%s'"):format(pattern)).out end
    local pool <close> = tine.pool { backend = server:url() }
    eventually(function() return names(pool) == "one two" end, nil, 20)
    assert.not_equal("", hosts())
    serve:kill()
    eventually(function() return hosts() == "" end, "no host is left", 20)
  end)

  it("says which host cannot be reached, and goes on with the others", function()
    local server = machines.server()
    local serve = start(server, "nowhere,one", "-j 1 --exit-when-idle 0.2")
    eventually(function() return not serve:alive() end, nil, 20)
    assert.matches("nowhere: ssh: no such host", serve:log(), 1, true)
    assert.equal(1, serve:close())
  end)
end)
