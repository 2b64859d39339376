-- Modules whose files are of any name and form, and tables that every state has; see docs/travel.md.
local pools = require "spec.support.pools"
local tine = require "tine"

local TIMEOUT = 60

describe("what only functions of a module see", function()
  local dir, path

  local source = [[
    local M = {}
    local private = {}
    private.__index = private
    function private:get() return self.value end
    local NONE = setmetatable({}, private)
    function M.new(value) return setmetatable({ value = value }, private) end
    function M.is_own(x) return getmetatable(x) == private end
    function M.none() return NONE end
    function M.is_none(x) return x == NONE end
    return M
  ]]

  local function write(name, text)
    assert(os.execute(("mkdir -p '%s'"):format((dir .. "/" .. name):match "^(.*)/")))
    local f <close> = assert(io.open(dir .. "/" .. name, "wb"))
    f:write(text)
  end

  setup(function()
    dir, path = os.tmpname(), package.path
    os.remove(dir)
  end)
  teardown(function() os.execute("rm -rf '" .. dir .. "'") end)

  -- The module with that name, by a template that is made of `template`, is itself on both sides.
  local function check(name, template)
    package.path = dir .. "/" .. template .. ";" .. path
    finally(function() package.path, package.loaded[name] = path, nil end)
    local m = require(name)
    local pool <close> = tine.pool(1)
    assert.is_true(pool:submit(m.is_own, m.new(1)):result(TIMEOUT))
    assert.is_true(pool:submit(m.is_none, m.none()):result(TIMEOUT))
    assert.is_true(m.is_own((pool:submit(m.new, 1):result(TIMEOUT))))
    assert.is_true(m.is_none((pool:submit(m.none):result(TIMEOUT))))
    assert.is_true(pool:submit(function(x) return m.is_own(x) and x:get() == 5 end, m.new(5)):result(TIMEOUT))
  end

  it("is itself when the file is not called like the module", function()
    write("files_a/main.lua", source)
    write("src/lib_files_b.lua", source)
    write("files_c/files_c.lua", source)
    check("files_a", "?/main.lua")
    check("files_b", "src/lib_?.lua")
    check("files_c", "?/?.lua")
  end)

  it("is itself when the file's name does not end in .lua", function()
    write("files_d/e.luax", source)
    write("files_f", source)
    check("files_d.e", "?.luax")
    check("files_d/e", "?.luax")
    check("files_f", "?")
  end)

  it("is itself in a file of bytecode, of whatever source, stripped or not", function()
    write("files_g.luac", string.dump(assert(load(source, "@elsewhere/g_source.lua"))))
    write("files_h.luac", string.dump(assert(load(source, "=h")), true))
    check("files_g", "?.luac")
    check("files_h", "?.luac")
  end)
end)

describe("tables that every Lua state has", function()
  local run = pools.runner(setup, teardown)

  it("are the worker's own in an upvalue, an argument, a table", function()
    local loaded, strings, files, preload = package.loaded, getmetatable "", getmetatable(io.stdout), package.preload
    assert.is_true(run(function()
      return loaded == package.loaded and loaded.string == string and strings == getmetatable ""
        and files == getmetatable(io.stdout) and preload == package.preload
    end))
    assert.is_true(run(function(l, s, t) return l == package.loaded and s == getmetatable "" and t.l == l end,
      loaded, strings, { l = loaded }))
  end)

  it("are the submitter's own in a result", function()
    local loaded, strings = run(function() return package.loaded, getmetatable "" end)
    assert.is_true(loaded == package.loaded)
    assert.is_true(strings == getmetatable "")
  end)
end)
