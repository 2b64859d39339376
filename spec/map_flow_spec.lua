-- pool:map over an input that is slow: reading ahead never holds back what is ready.
local tine = require "tine"
local eventually = require "spec.support.eventually"

describe("a map over a slow input", function()
  local pool
  before_each(function() pool = tine.pool(2) end)
  after_each(function() pool:kill_workers() pool:shutdown() end)

  local function double(x) return 2 * x end

  -- An iterator of `n` items, each of which takes until the one before has ended; it notes how many results were given
  -- when it was asked for item i: those that were ready then are all before item i - 1.
  local function waiting_input(n, given, late)
    local i = 0
    return function()
      if given.n < i - 1 then late[#late + 1] = i + 1 end
      eventually(function()
        local stats = pool:stats()
        return stats.finished + stats.failed >= i
      end, "item " .. i .. " has ended")
      tine.sleep(0.01) -- so long that chunks do not wait for more
      i = i + 1
      return i <= n and i or nil
    end
  end

  for name, opts in pairs {
    ["as it comes"] = {}, ["in chunks"] = { chunksize = 50 }, ["in any order"] = { ordered = false },
    ["with much read ahead"] = { buffersize = 1000 },
  } do
    it("gives what is ready before it reads on, " .. name, function()
      local given, late = { n = 0 }, {}
      for i, y in pool:map(double, waiting_input(8, given, late), opts) do
        assert.equal(2 * i, y)
        given.n = given.n + 1
      end
      assert.same({ n = 8 }, given)
      assert.same({}, late)
    end)
  end

  it("of a list that makes its items when they are asked for", function()
    local given, late = { n = 0 }, {}
    local next_item = waiting_input(9, given, late)
    local list = setmetatable({ n = 8 }, { __index = function() return next_item() end })
    for i, y in pool:map(double, list) do
      assert.equal(2 * i, y)
      given.n = given.n + 1
    end
    assert.same({ n = 8 }, given)
    assert.same({}, late)
  end)

  it("gives failures as early as values", function()
    local given, late = { n = 0 }, {}
    local function fail(x) error("no " .. x, 0) end
    for i, _, err in pool:map(fail, waiting_input(5, given, late), { on_error = "return" }) do
      assert.equal("no " .. i, err)
      given.n = given.n + 1
    end
    assert.same({ n = 5 }, given)
  end)

  it("reads no more once its time is over", function()
    local n = 0
    local function endless()
      tine.sleep(0.02)
      n = n + 1
      return n
    end
    local m = pool:map(double, endless, { timeout = 0.1, buffersize = 100000 })
    local ok, err = true, nil
    while ok do ok, err = pcall(m) end
    assert.equal("timeout", tine.kind(err))
    assert.is_true(n < 1000)
  end)

  it("reads a quick input far ahead while tasks run", function()
    local wait, open = require "spec.support.gate" ()
    finally(open)
    local n = 0
    local m = pool:map(function(x) if x == 1 then wait() end return x end,
      function() n = n + 1 return n <= 100 and n or nil end, { buffersize = 50, chunksize = 1 })
    assert.equal(50, n)
    open()
    assert.equal(100, m:totable().n)
  end)
end)
