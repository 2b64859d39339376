-- Processes of a pool that are stopped (SIGSTOP), or killed, while others need them: nobody waits for ever.
--
--   program ... root --- fork server --- workers
local tine = require "tine"
local posix = require "spec.support.posix"
local program = require "spec.support.program"

local PRELUDE = [[
  local tine = require "tine"
  local eventually = require "spec.support.eventually"
  local processes = require "spec.support.processes"
  local pool = tine.pool { workers = 2, on_crash = "replace" }
  local worker = pool:submit(function() return tine.worker.pid end):result()
  local server = processes.stat(worker).parent
  local root = processes.stat(server).parent
  local function send(signal, pid) assert(processes.signal(signal, pid)) end
  local function endless() while true do pcall(function() while true do end end) end end
  local function running(f) eventually(function() return f:running() end) end
  local function guard()
    return eventually(function()
      for _, pid in ipairs(processes.descendants(root)) do
        local stat = processes.stat(pid)
        if stat and stat.name == "tine:guard" then return pid end
      end
    end)
  end
]]

local function output(source) return program.output(PRELUDE .. source) end

-- It watches a preload, during which the fork server reads no messages.
describe("a guard", function()
  it("that is stopped does not hold up the start", function()
    assert.equal("1\n", output [[
      local gate = require "spec.support.gate"
      local wait, open = gate()
      local other <close> = tine.pool { workers = 1, preload = wait }
      send("STOP", guard())
      open()
      print(other:submit(math.abs, -1):result())]])
  end)

  it("is not met by a preload that waits for its children", function()
    -- It waited for the guard, and that for the end of the preload.
    local pool <close> = tine.pool { workers = 1, start_timeout = 20, preload = function()
      local system = require "spec_posix"
      os.execute "true & exit"
      if system.fork() == 0 then system.exit(0) end
      while system.wait(-1) do end
      package.loaded.waited = true
    end }
    assert.is_true(pool:submit(function() return package.loaded.waited end):result())
    assert(posix.folder)
  end)
end)
