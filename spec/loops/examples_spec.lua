-- The example servers (examples/loops, and those in C) answer many clients at a time, in the order of each.
local socket = require "socket"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

local root = os.getenv "TINE_SOURCE_DIR" or "."
local BUILD = os.getenv "TINE_BUILD_DIR"

local function connect(port)
  local client = assert(socket.connect("127.0.0.1", port))
  client:settimeout(20)
  return client
end

local function talk(port)
  local clients = {}
  for i = 1, 4 do
    clients[i] = connect(port)
    clients[i]:send(("%d\n"):format(10 ^ i):rep(20))
  end
  for i, expected in ipairs { "4", "25", "168", "1229" } do
    for _ = 1, 20 do assert.equal(expected, assert(clients[i]:receive())) end
  end
  clients[1]:send "x\ngap\n"
  assert.equal("a number, please", clients[1]:receive())
  assert.is_number(tonumber((clients[1]:receive())))
  clients[2]:send "10000\n"
  clients[2]:shutdown "send" -- it has said all, and waits for its answer
  assert.equal("1229", clients[2]:receive())
  assert.equal("closed", select(2, clients[2]:receive()))
  for i = 2, 4 do clients[i]:close() end
  clients[1]:send "stop\n"
  assert.equal("bye", clients[1]:receive())
  clients[1]:close()
end

for _, name in ipairs { "luv", "cqueues", "copas" } do
  describe("examples/loops/" .. name .. ".lua", function()
    it("serves", function()
      local file = ("%s/examples/loops/%s.lua"):format(root, name)
      local server = program.start(("arg[0] = %q dofile(arg[0])"):format(file))
      finally(function() server:signal "KILL" end)
      talk(tonumber(server:line()))
      local ended = server:close()
      assert.same({ "exit", 0, "" }, { ended.how, ended.code, ended.err })
    end)

    it("tells its usage", function()
      assert.matches("^usage: ", shell.ok("lua5.4 %s/examples/loops/%s.lua --help", root, name))
    end)
  end)
end

for _, name in ipairs { "loop_uv", "loop_glib" } do
  local file = BUILD and io.open(("%s/examples/%s"):format(BUILD, name))
  if file then
    file:close()
    describe("the C example " .. name, function()
      it("serves", function()
        local server = program.start(("os.execute(%q)"):format(("exec %s/examples/%s"):format(BUILD, name)))
        finally(function() server:signal "KILL" end)
        talk(tonumber(server:line()))
        local ended = server:close()
        assert.same({ "exit", 0, "" }, { ended.how, ended.code, ended.err })
      end)
    end)
  end
end
