-- Seeds: the random numbers of a task depend on the seed, the number of the call, and the item's index, and on
-- nothing else.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"

local function draw() return math.random(0), math.random(1000) end
local function numbers() return { draw() } end

-- What two submits, a map, and another submit draw.
local function program(options, chunksize)
  local drawn = {}
  options.seed = options.seed or 42
  local pool <close> = tine.pool(options)
  local first, second = pool:submit(draw), pool:submit(draw)
  for i, a, b in pool:map(draw, { 1, 2, 3, 4, 5, 6, 7 }, { chunksize = chunksize }) do drawn[i] = { a, b } end
  drawn[8] = { pool:submit(draw):result(20) }
  drawn[9], drawn[10] = { first:result(20) }, { second:result(20) }
  return drawn
end

describe("a seed", function()
  teardown(leftovers.none)

  it("gives the same numbers whoever runs the tasks", function()
    local one = program { workers = 1 }
    assert.same(one, program { workers = 1 })
    assert.same(one, program { workers = 4 })
    assert.same(one, program({ workers = 4 }, 1))
    assert.same(one, program({ workers = 1 }, 7))
    assert.same(one, program({ workers = 3 }, 3))
    for i = 1, #one do
      for k = i + 1, #one do assert.not_same(one[i], one[k]) end
    end
  end)

  it("that is another gives others", function()
    local seen = {}
    for _, seed in ipairs { 1, 2, -1, "1", "text", "", 0, math.maxinteger } do
      local pool <close> = tine.pool { workers = 1, seed = seed }
      local number = pool:submit(math.random, 0):result(20)
      assert.is_nil(seen[number])
      seen[number] = true
    end
  end)

  it("counts the calls that were taken", function()
    local function last(disturb)
      local pool <close> = tine.pool { workers = 1, seed = "s", max_pending = 1 }
      pool:submit(draw):result(20)
      disturb(pool)
      return { pool:submit(draw):result(20) }
    end
    local plain = last(function() end)
    assert.same(plain, last(function(pool) pcall(pool.submit, pool) end))
    assert.same(plain, last(function(pool) pcall(pool.map, pool, 1) end))
    assert.same(plain, last(function(pool) pcall(pool.map, pool, draw, {}, { chunksizes = 1 }) end))
    assert.not_same(plain, last(function(pool) pool:submit(draw):result(20) end))
    assert.not_same(plain, last(function(pool) pool:with({ seed = 7 }):submit(draw):result(20) end))
    assert.not_same(plain, last(function(pool) for _ in pool:map(draw, {}) do error 'items' end end))
    local pool <close> = tine.pool { workers = 1, seed = "s", max_pending = 1 }
    pool:submit(draw):result(20)
    local slow = pool:submit(tine.sleep, 0.2)
    assert.equal("full", select(2, pool:try_submit(draw)))
    assert.equal("full", select(2, pool:try_submit(draw)))
    slow:result(20)
    local other <close> = tine.pool { workers = 1, seed = "s" }
    for _ = 1, 2 do other:submit(draw):result(20) end
    assert.same({ other:submit(draw):result(20) }, { pool:submit(draw):result(20) })
  end)

  it("is for each task, and for those only that have one", function()
    local pool <close> = tine.pool { workers = 1 }
    local seeded = pool:with { seed = 1 }
    local function one() return math.random(0) end
    local seen = {}
    for _ = 1, 20 do
      seeded:submit(one):result(20)
      seen[#seen + 1] = pool:submit(one):result(20)
    end
    local again <close> = tine.pool { workers = 1 }
    for i = 1, 20 do
      again:with({ seed = 1 }):submit(one):result(20)
      assert.not_equal(seen[i], again:submit(one):result(20))
    end
    assert.is_nil(pool:submit(function() return tine.worker.task.seed end):result(20))
  end)

  it("is told in the task", function()
    local pool <close> = tine.pool { workers = 1, seed = 1 }
    local seed, drawn = pool:submit(function() return tine.worker.task.seed, math.random(0) end):result(20)
    assert.equal(2, #seed)
    math.randomseed(seed[1], seed[2])
    assert.equal(drawn, math.random(0))
    for i, told, number in pool:map(function() return tine.worker.task.seed, math.random(0) end, { 1, 2, 3 }) do
      math.randomseed(told[1], told[2])
      assert.equal(number, math.random(0), i)
    end
    math.randomseed()
  end)

  it("gives the same numbers to each attempt, and without processes", function()
    local pool <close> = tine.pool { workers = 2, seed = 9 }
    local here <close> = tine.pool { workers = 0, seed = 9 }
    local function try()
      local number = math.random(0)
      if tine.worker.task.attempt < 3 then error { number } end
      return number
    end
    local future = pool:with({ retry = { error = 2, delay = 0 } }):submit(try)
    local number = future:result(20)
    for _, attempt in ipairs(future:attempts()) do
      if attempt.error then assert.equal(number, attempt.error[1]) end
    end
    assert.equal(number, here:submit(math.random, 0):result(20))
  end)

  it("goes with a function of the program's own too", function()
    local pool <close> = tine.pool { workers = 2, seed = 5 }
    local a = pool:submit(numbers):result(20)
    local other <close> = tine.pool { workers = 1, seed = 5 }
    assert.same(a, other:submit(numbers):result(20))
  end)
end)
