-- Finalizers run wherever memory is allocated, so also in the midst of any function of the library: here they end
-- pools and open others, once at each such place. The programs run with freed memory overwritten.
local program = require "spec.support.program"

-- at_each_place(prepare, call, act): calls `call` with what `prepare` returns while a finalizer calls `act` with the
-- same, once at each place where finalizers run in `call`, until that calls its second argument. Returns the number of
-- places.
local PLACES <const> = [[
  local tine = require "tine"
  local litter = require "spec.support.litter"
  local function at_each_place(prepare, call, what)
    local thing
    litter.begin()
    local places = litter.at_each_place(function(start, stop)
      thing = prepare()
      start()
      call(thing, stop)
      stop()
    end, function() what(thing) end)
    litter.finish()
    return places
  end
]]

local function run(source)
  local p = program.run(PLACES .. source, { before = "env MALLOC_PERTURB_=165" })
  assert.equal("", p.err)
  assert.equal("exit 0", p.how .. " " .. p.code)
  return p.out
end

describe("a finalizer", function()
  local function ends_in(call)
    local out = run([[
      local long = ("x"):rep(100000)
      local function ignore(...) return select("#", ...) end
      local kinds = {}
      local places = at_each_place(function()
        local pool = tine.pool(1)
        local view = pool:with { retry = { error = 1, when = function() return false end } }
        local future = pool:submit(ignore)
        future:result()
        return { pool = pool, view = view, future = future, long = long, ignore = ignore }
      end, function(t, stop)
        local ok, result = pcall(function() ]] .. call .. [[ end)
        if not ok then kinds[#kinds + 1] = tine.kind(result) or result end
        stop()
        t.pool:shutdown { cancel_futures = true }
      end, function(t) t.pool:shutdown() end)
      local set = {}
      for _, kind in ipairs(kinds) do set[kind] = true end
      print(places > 1, next(set), next(set, next(set)))
    ]])
    assert.equal("true\tshutdown\tnil\n", out)
  end

  it("that ends the pool while a value is shared", function()
    ends_in "return t.pool:share(t.long)"
  end)

  it("that ends the pool while a task that may be tried again is submitted", function()
    ends_in "return t.view:submit(t.ignore, t.long)"
  end)

  it("that ends the pool while a task that needs a result is submitted", function()
    ends_in "return t.pool:submit(t.ignore, t.long, t.future)"
  end)

  -- The task is under way already when it is noted that somebody must give it the result.
  it("that ends the pool while a task that needs a result which never comes is submitted", function()
    ends_in "return t.pool:submit(t.ignore, tine.future())"
  end)

  it("that opens pools while a thread begins to wait for many", function()
    assert.equal("true\n", run [[
      local many = {}
      for i = 1, 34 do many[i] = tine.pool(1) end
      local places = at_each_place(function() return {} end, function(more, stop)
        tine.wait { many[1]:submit(tine.sleep, 0.01) }
        stop()
        for _, pool in ipairs(more) do pool:shutdown() end
      end, function(more)
        for i = 1, 8 do more[i] = tine.pool(1) end
      end)
      print(places > 1)
    ]])
  end)

  -- Lua then frees objects whose finalizers it could not call. (Of maps only a sanitizer sees what that did.)
  for name, make in pairs {
    ["a map"] = [[pool:map(wait, { 1, 2, 3, 4 }, { chunksize = 2 })]],
    ["chunks of a map"] = [[(function()
      kept = pool:map(wait, { 1, 2, 3, 4, 5, 6 }, { chunksize = 1 })
      kept()
      kept()
    end)()]],
  } do
    it("of " .. name .. " that finds no C stack left does no harm", function()
      assert.equal("C stack overflow\n6\n", run([[
        local pool <close> = tine.pool(1)
        local function wait(n)
          require "tine".sleep(0.001)
          return { n }
        end
        local function deep(n, f)
          if n == 0 then return f() end
          local good, err
          ("x"):gsub("x", function() good, err = pcall(deep, n - 1, f) end)
          if not good then error(err, 0) end
        end
        local good, err, n = true, nil, 90
        while good do
          collectgarbage "stop"
          local made = { ]] .. make .. [[ }
          good, err = pcall(deep, n, function()
            made[1] = nil
            collectgarbage()
            collectgarbage()
          end)
          local texts = {} -- where those objects were
          for size = 3400, 40, -8 do
            for _ = 1, 4 do texts[#texts + 1] = ("s"):rep(size) end
          end
          collectgarbage "restart"
          pool:join()
          kept = nil
          collectgarbage()
          for _, text in ipairs(texts) do assert(not text:find "[^s]") end
          n = n + 1
        end
        print(err)
        print(#pool:map(wait, { 1, 2, 3, 4, 5, 6 }):totable())
      ]]))
    end)
  end

  it("that opens a pool while lua_close runs is waited for", function()
    assert.equal("in lua_close\nthe task\n", run [[
      first = tine.pool(1)
      first:submit(tine.sleep, 0)
      last = setmetatable({}, { __gc = function()
        print "in lua_close"
        for i = 1, 2 do
          local pool = tine.pool(1)
          pool:submit(function(word)
            require "tine".sleep(0.1)
            if word then print(word) end
          end, i == 2 and "the task" or nil)
        end
      end })
    ]])
  end)
end)
