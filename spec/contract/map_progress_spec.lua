-- The option `progress` of map, and tine.progress: how far it is, told to a function or shown on a terminal.
local tine = require "tine"
local gate = require "spec.support.gate"
local leftovers = require "spec.support.leftovers"
local shell = require "spec.support.shell"

local function list(n)
  local items = {}
  for i = 1, n do items[i] = i end
  return items
end

-- What a function is told, each time.
local function collector()
  local told = {}
  return told, function(done, total, failed)
    told[#told + 1] = { done = done, total = total, failed = failed, n = select("#", done, total, failed) }
  end
end

local function never_falls(told)
  for i = 2, #told do
    assert.is_true(told[i].done >= told[i - 1].done and told[i].failed >= told[i - 1].failed)
  end
end

describe("map with progress", function()
  local pool
  setup(function() pool = tine.pool(2) end)
  teardown(function() pool:shutdown() leftovers.none() end)

  it("tells a function how many are done, of how many, and how many failed", function()
    for _, how in ipairs { { chunksize = 1 }, { chunksize = 7 }, {}, { ordered = false } } do
      local told, follow = collector()
      how.progress, how.on_error = follow, "return"
      local function odd(i) if i % 2 == 0 then error "even" end return i end
      local n = 0
      for _ in pool:map(odd, list(20), how) do n = n + 1 end
      assert.equal(20, n)
      never_falls(told)
      assert.same({ done = 20, total = 20, failed = 10, n = 3 }, told[#told])
    end
  end)

  it("gives the same results as without", function()
    local double = function(i) return i * 2 end
    local plain = pool:map(double, list(500)):totable()
    assert.same(plain, pool:map(double, list(500), { progress = function() end }):totable())
    assert.same(plain, pool:map(double, list(500), { progress = false }):totable())
  end)

  it("has no total for an iterator", function()
    local told, follow = collector()
    local i = 0
    pool:map(math.abs, function() i = i + 1 return i <= 5 and i or nil end, { progress = follow }):totable()
    assert.same({ done = 5, failed = 0, n = 3 }, told[#told])
  end)

  it("tells what others have done while the next one is slow", function()
    local wait, open = gate()
    local opened
    pool:map(function(i) if i == 1 then wait() end end, list(4), {
      chunksize = 1,
      progress = function(done)
        if done == 3 and not opened then
          opened = true
          open() -- the first one is what the map waits for
        end
      end,
    }):totable()
    assert.is_true(opened)
  end)

  it("tells once more when the loop is left early, and then no more", function()
    local told, follow = collector()
    do
      for i in pool:map(math.abs, list(10), { chunksize = 1, progress = follow }) do
        if i == 2 then break end
      end
    end
    local n = #told
    assert.is_true(n >= 1 and told[n].done >= 2 and told[n].done <= 10)
    pool:submit(math.abs, 1):result(20)
    collectgarbage()
    assert.equal(n, #told)
  end)

  it("may close the map, which is over then", function() -- the step raised an error of map.lua's own
    for at = 1, 4 do
      for _, ahead in ipairs { 1, 4 } do
        local m
        local function enough(done) if done >= at then m:close() end end
        m = pool:map(math.abs, { 1, 2, 3, 4 }, { progress = enough, buffersize = ahead, chunksize = 1 })
        local given = 0
        for _ in m do given = given + 1 end
        assert.is_true(given < 4)
        assert.is_nil(m())
      end
    end
  end)

  it("tells of a map without items", function()
    local told, follow = collector()
    pool:map(math.abs, {}, { progress = follow }):totable()
    assert.same({ done = 0, total = 0, failed = 0, n = 3 }, told[#told])
  end)

  it("raises what the function raises", function()
    assert.error_matches(function()
      pool:map(math.abs, list(3), { progress = function() error "no more" end }):totable()
    end, "no more")
  end)

  it("refuses what is no follower", function()
    assert.error_matches(function() pool:map(math.abs, {}, { progress = 3 }) end,
      "bad argument #3 to 'map' %(option 'progress' must be true, false or a function, got 3%)")
  end)
end)

describe("tine.progress", function()
  it("counts without a terminal, and writes nothing", function()
    local s = shell.run("lua5.4 -e 'local p <close> = require(\"tine\").progress(3) p:add() p:add(2) p:fail()'")
    assert.same({ out = "", err = "", code = 0 }, s)
  end)

  it("refuses what is no number", function()
    assert.error_matches(function() tine.progress "x" end, "bad argument #1 to 'progress'")
    assert.error_matches(function() tine.progress():add "x" end, "bad argument #1 to 'add'")
    assert.error_matches(function() tine.progress():fail(-1) end, "bad argument #1 to 'fail'")
  end)
end)

-- stderr as a terminal of `columns`, and what was written there.
local function on_terminal(columns, code)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(code)
  file:close()
  local s = shell.run(("script -qec 'stty cols %d; lua5.4 %s' /dev/null </dev/null"):format(columns, name))
  os.remove(name)
  assert.equal(0, s.code, s.out)
  return s.out
end

describe("the line of progress on a terminal", function()
  if not os.execute "command -v script >/dev/null" then
    return pending "script(1), which makes one"
  end

  it("is written anew, and ends with all of it", function()
    local out = on_terminal(80, [[
      local tine = require "tine"
      local pool <close> = tine.pool(2)
      pool:map(function(i) tine.sleep(0.06) if i == 3 then error "no" end end, { 1, 2, 3, 4, 5, 6, 7, 8 },
        { progress = true, chunksize = 1, on_error = "return" }):totable()
    ]])
    assert.matches("\r%d of 8, [%d.]+/s, %d+ %%, %d:%d%d:%d%d left", out)
    assert.matches("\r8 of 8, [%d.]+/s, 0:00:00, 1 failed\27%[K\r?\n$", out)
  end)

  it("is never longer than the terminal is wide", function()
    local out = on_terminal(20, [[
      local tine = require "tine"
      local p <close> = tine.progress(1000000)
      for i = 1, 5 do p:fail(100000) tine.sleep(0.06) end
    ]])
    local lines = 0
    for line in out:gmatch "\r([^\r\27]*)\27" do
      lines = lines + 1
      assert.is_true(#line < 20)
    end
    assert.is_true(lines >= 2)
  end)
end)
