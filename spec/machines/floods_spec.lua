-- Pools whose workers are on other machines: more comes back at once than is read at once.
local eventually = require "spec.support.eventually"
local machines = require "spec.support.machines"
local processes = require "spec.support.processes"
local program = require "spec.support.program"

if machines.are_missing(pending) then return end

describe("events of a task on another machine", function()
  local server
  before_each(function()
    server = machines.server()
    machines.host(server, "-j 1")
  end)
  after_each(machines.stop)

  -- A pool takes in some thousand events at once, and the rest a moment later. A call that was sent in between was
  -- written over what the host had said, of which that rest was not read yet.
  it("are whole, though calls are sent while they are read", function()
    local done = os.tmpname()
    os.remove(done)
    finally(function() os.remove(done) end)
    local run = program.start(([[
      local tine = require "tine"
      local pool <close> = tine.pool { backend = %q, connect_timeout = 30, window = 100, event_buffer = 100000 }
      local flood = pool:submit(function(done)
        for i = 1, 50000 do tine.worker.emit(i) end
        assert(io.open(done, "w")):close()
      end, %q)
      print(flood:events()())
      local n, others, text = 1, {}, ("y"):rep(1 << 19)
      for i in flood:events() do
        n = n + 1
        assert(i == n, i)
        if i %% 500 == 0 then others[#others + 1] = pool:submit(string.len, text) end
      end
      print(n, flood:pcall(30))
      for _, other in ipairs(others) do assert(other:result(30) == #text) end
    ]]):format(server:url(), done))
    assert.equal("1", run:line())
    run:signal "STOP"
    eventually(function() return processes.read(done) end, "all events are emitted", 30)
    run:signal "CONT"
    local ended = run:close()
    assert.same({ "", "50000\ttrue\n" }, { ended.err, ended.out })
  end)
end)
