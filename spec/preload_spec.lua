-- What a preload has made stays shared by the workers.
local tine = require "tine"
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"

-- MB that a process has of its own.
local function private(pid)
  local sum = 0
  for line in io.lines(("/proc/%d/smaps_rollup"):format(pid)) do
    sum = sum + (tonumber(line:match "^Private_Dirty:%s+(%d+)") or 0)
  end
  return sum / 1024
end

local function dictionary()
  local words = {}
  package.loaded.words = words
  for _ = 1, 2 do -- the first one is garbage, and lies between
    for i = 1, 60000 do words["key" .. i] = { id = i, name = "name " .. i } end
  end
end

local function look(n)
  local list, words = {}, package.loaded.words
  for i = 1, 5000 do list[i] = { i, words["key" .. (n * 31 + i) % 60000 + 1].name .. n } end
  return #list
end

local function tasks(pool, n)
  local items = {}
  for i = 1, n do items[i] = i end
  for _, count in pool:map(look, items) do assert(count == 5000) end
end

describe("what a preload has made", function()
  it("is not copied by a worker whose tasks make garbage", function()
    local pool <close> = tine.pool { workers = 1, preload = dictionary }
    tasks(pool, 100)
    local pid = pool:workers()[1].pid
    local own = private(pid)
    pool:submit(function() collectgarbage() end):result() -- goes over all of it
    assert.is_true(own < private(pid) / 2, ("%.1f of %.1f MB"):format(own, private(pid)))
  end)

  it("leaves the collector as the preload has set it", function()
    local function mode(preload)
      local pool <close> = tine.pool { workers = 1, preload = preload }
      return pool:submit(function() return collectgarbage "incremental" end):result()
    end
    assert.equal("generational", mode(dictionary))
    assert.equal("incremental", mode(function() package.loaded.words = {} end))
    assert.equal("incremental", mode(function()
      for i = 1, 100000 do package.loaded.words = { i, package.loaded.words } end
      collectgarbage("setpause", 400)
    end))
  end)
end)

describe("an idle worker", function()
  it("gives back the memory that a large task has left", function()
    if (os.getenv "TINE_SANITIZE" or "") ~= "" then return end -- sanitizers keep what was freed
    local pool <close> = tine.pool { workers = 1 }
    pool:submit(function()
      local list = {}
      for i = 1, 300000 do list[i] = { i } end
      return #list
    end):result()
    local pid = pool:workers()[1].pid
    eventually(function() return private(pid) < 8 end)
  end)

  it("rests, whatever its collector's mode is", function()
    local pool <close> = tine.pool { workers = 1, initializer = function() collectgarbage "generational" end }
    pool:submit(function()
      local kept = {}
      for i = 1, 300000 do kept[i] = { i } end
      package.loaded.kept = kept
    end):result()
    local pid = pool:workers()[1].pid
    eventually(function()
      local ticks = processes.ticks(pid)
      tine.sleep(0.5)
      return processes.ticks(pid) == ticks
    end)
  end)

  -- Each worker took it for its own: put tasks into it beside the others, and waited at its end for that pool's end.
  it("is the fork server's, if it is a pool", function()
    local pool <close> = tine.pool {
      workers = 1,
      exit_timeout = 300,
      preload = function()
        package.loaded.kept = tine.pool(1)
        package.loaded.kept:submit(math.abs, -1):result()
      end,
    }
    assert.equal("forked", pool:submit(function()
      local kept = package.loaded.kept
      return tine.kind(select(2, pcall(kept.submit, kept, math.abs, -1)))
    end):result(20))
    assert.equal(2, pool:submit(function()
      local own <close> = tine.pool(1)
      return own:submit(math.abs, -2):result(20)
    end):result(20))
    assert.is_true(pool:shutdown { timeout = 60 })
  end)

  -- Then nobody heard of the ends of workers.
  it("does not include that SIGCHLD is ignored", function()
    local posix = require "spec.support.posix"
    local SIGCHLD = 17
    local pool <close> = tine.pool { workers = 1, preload = function() posix.ignore(SIGCHLD) end }
    assert.equal(3, pool:submit(math.abs, -3):result(20))
    assert.is_true(pool:shutdown { timeout = 60 })
    os.execute("rm -r " .. posix.folder)
  end)
end)
