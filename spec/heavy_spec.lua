-- Functions whose calls carry much: told once by Lua's `warn`, and always in pool:report().
local program = require "spec.support.program"
local tine = require "tine"

-- What a program says that runs `body` with a pool of one worker and warnings: its warnings, and its output.
local function warnings(body)
  local run = program.run(([[
    warn "@on"
    local tine = require "tine"
    local pool <close> = tine.pool(1)
    %s
  ]]):format(body))
  assert.equal(0, run.code, run.err)
  local list = {}
  for line in run.err:gmatch "Lua warning: ([^\n]*)" do list[#list + 1] = line end
  return list, run.out
end

describe("a function whose calls carry much", function()
  it("is told once, with its name, what is large in it, and what to do", function()
    local list, report = warnings [[
      local small, lookup = ("y"):rep(70000), ("x"):rep(2 << 20)
      local function crunch(i) return #lookup + #small + i end
      for i = 1, 25 do pool:submit(crunch, i):result() end
      io.write(pool:report())
    ]]
    assert.equal(1, #list)
    assert.matches("^tine: calls of %S+ %(.-:%d+%) carry 2%.1 MiB each, 2%.0 MiB of it the upvalue \"lookup\": "
      .. ".*pool:share%(lookup%)", list[1])
    assert.matches(list[1]:sub(7), report, 1, true)
  end)

  it("is told of a global, of functions that are made anew, and of chunks of map", function()
    local list = warnings [[
      words = {}
      for i = 1, 200000 do words[i] = "word " .. i end
      for i = 1, 12 do pool:submit(function() return #words end):result() end
      local text = ("x"):rep(2 << 20)
      local function map_task(i) return #text + i end
      pool:map(map_task, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }, { chunksize = 1 }):totable()
    ]]
    assert.equal(2, #list)
    assert.matches('of it the global "words"', list[1], 1, true)
    assert.matches('of it the upvalue "text"', list[2], 1, true)
  end)

  it("is told of what is deeper in it without a name", function()
    local list = warnings [[
      local text = ("x"):rep(2 << 20)
      local task = setmetatable({}, { __call = function(_, i) return #text + i end })
      for i = 1, 12 do pool:submit(task, i):result() end
    ]]
    assert.equal(1, #list)
    assert.matches("carry 2.0 MiB each beside their arguments: .*pool:share", list[1])
  end)

  it("is not told when it was seldom called, carries less, or shares it; nor are arguments", function()
    local list, report = warnings [[
      local seldom, less = ("x"):rep(2 << 20), ("y"):rep(1000000)
      for i = 1, 9 do pool:submit(function() return #seldom end):result() end
      local shared = pool:share(seldom)
      for i = 1, 12 do
        pool:submit(function() return #less end):result()
        pool:submit(function() return #shared end):result()
        pool:submit(function(text) return #text end, seldom):result()
      end
      io.write(pool:report())
    ]]
    assert.same({}, list)
    assert.is_nil(report:find("calls of", 1, true))
  end)

  it("is in the report when warnings are off", function()
    local pool <close> = tine.pool(1)
    local text = ("x"):rep(2 << 20)
    for _ = 1, 12 do assert.equal(#text, pool:submit(function() return #text end):result(20)) end
    assert.matches('2.0 MiB of it the upvalue "text"', pool:report(), 1, true)
  end)
end)
