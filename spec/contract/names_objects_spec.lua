-- What a module holds under several names, or the program has put in another's place: the object that arrives is the one
-- that was meant, or a copy, or there is an error. See docs/travel.md, "By name or by value".
local tine = require "tine"

local TIMEOUT = 60

describe("an object with several names", function()
  local dir, path

  setup(function()
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. dir))
    path = package.path
    package.path = dir .. "/?.lua;" .. package.path
  end)
  teardown(function()
    package.path = path
    os.execute("rm -r " .. dir)
  end)

  local count = 0
  -- A new module with that source: what `require` gives, its name.
  local function module(source)
    count = count + 1
    local name = "objects_m" .. count
    local f <close> = assert(io.open(("%s/%s.lua"):format(dir, name), "w"))
    f:write(source)
    f:close()
    finally(function() package.loaded[name] = nil end)
    return require(name), name
  end

  local function with_pool(f)
    local pool <close> = tine.pool(1)
    return f(function(...) return pool:submit(...):result(TIMEOUT) end, pool)
  end

  local function refused(pool, ...)
    local err = pool:submit(...):exception(TIMEOUT)
    assert.equal("serialization", tine.kind(err))
    return tostring(err)
  end

  describe("that is userdata", function()
    it("is not Lua's own file when the program has opened another one", function()
      local log = module [[
        local M = { out = io.stderr }
        function M.write(s) M.out:write(s, "\n") end
        return M
      ]]
      local mine <close> = assert(io.tmpfile())
      log.out = mine
      with_pool(function(_, pool)
        local function which(f) return tostring(f) == tostring(io.stderr) end
        assert.matches("something else as 'out'", refused(pool, which, mine))
        assert.matches("something else as 'out'", refused(pool, function() return mine:write "lost" end))
      end)
    end)

    it("is of the same class", function()
      local lpeg = require "lpeg"
      local m = module [[return { thing = require "lpeg".P "a", f = function() end }]]
      local mine <close> = assert(io.tmpfile())
      m.thing = mine
      with_pool(function(_, pool)
        assert.matches("something else as 'thing'", refused(pool, function(x) return x end, mine))
      end)
      assert.is_true(lpeg.match(lpeg.P "a", "a") == 2)
    end)

    it("is found by its address when it is light", function()
      local cjson = require "cjson"
      local null = cjson.null
      finally(function() cjson.null = null end)
      cjson.null = cjson.empty_array
      with_pool(function(run)
        assert.is_true(run(function(x) return x == require "cjson".empty_array end, cjson.empty_array))
      end)
    end)
  end)

  describe("that is a function made in a loop", function()
    local source = [[
      local M = {}
      for _, name in ipairs { "red", "green", "blue" } do
        M[name] = function(s) return name .. ":" .. s end
      end
      return M
    ]]

    it("is itself, though the program has given it another name", function()
      local colors = module(source)
      colors.b = colors.blue
      with_pool(function(run)
        assert.equal("blue:x", run(colors.b, "x"))
        assert.equal("blue:x", run(colors.blue, "x"))
        assert.equal("red:x", run(colors.red, "x"))
        assert.equal("red:x green:x", run(function() return colors.red "x" .. " " .. colors.green "x" end))
      end)
    end)

    it("is itself when the module has another name for it, and changes that", function()
      local colors = module(source:gsub("return M", [[
        M.use = M.red
        function M.choose(n) M.use = M[n] end
        return M]]))
      colors.choose "green"
      with_pool(function(run)
        assert.equal("green:x", run(colors.green, "x"))
        assert.equal("red:x", run(colors.red, "x"))
      end)
    end)

    it("is told from its twin on the same line", function()
      local m = module [[
        local M = {} do local v = 1 M.a = function() return v end end do local v = 2 M.b = function() return v end end return M
      ]]
      m.a, m.b = m.b, m.a
      with_pool(function(run)
        assert.equal(2, run(m.a))
        assert.equal(1, run(m.b))
      end)
    end)

    it("is the worker's own when that is the same", function()
      local colors = module(source)
      with_pool(function(run)
        assert.is_true(rawequal(colors.red, (run(function(f) return f end, colors.red))))
      end)
    end)
  end)
end)
