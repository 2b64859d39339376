-- Pools whose workers are on other machines: their connections are the program's neighbours.
local machines = require "spec.support.machines"
local program = require "spec.support.program"

if machines.are_missing(pending) then return end

describe("a connection to a job server that the program has closed", function()
  after_each(machines.stop)

  -- The pool wrote its next request into a connection of the program's that had got the same number, and took what
  -- came there for the server's words.
  it("is not mistaken for what has its number then", function()
    local server = machines.server()
    machines.host(server, "-j 1")
    local out = program.output(([[
      local tine, socket = require "tine", require "socket"
      local pool = tine.pool { backend = %q, connect_timeout = 20 }
      print(pool:submit(math.abs, -1):result(20))
      local listener, taken = socket.bind("127.0.0.1", 0)
      for fd = 3, 100 do
        local s = socket.tcp()
        s:close()
        s:setfd(fd)
        local _, port = s:getpeername()
        if tonumber(port) == %d then taken = s else s:setfd(-1) end
      end
      local number, _, port = taken:getfd(), listener:getsockname()
      taken:close()
      local mine = socket.connect("127.0.0.1", port)
      assert(mine:getfd() == number)
      local theirs = listener:accept()
      theirs:send "to the program\n"
      print(pool:submit(math.abs, -2):result(20))
      mine:settimeout(1)
      print((mine:receive "*l"))
      mine:send "from the program\n"
      print((theirs:receive "*l"))
    ]]):format(server:url(), server.port))
    assert.equal("1\n2\nto the program\nfrom the program\n", out)
  end)
end)
