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

describe("a module whose file was edited after a worker had loaded it", function()
  local modules = require "spec.support.modules" "edited_m"
  setup(function() modules:open() end)
  teardown(function() modules:close() end)

  local source = [[
    local M = { NONE = {} }
    M.Class = {}
    M.Class.__index = M.Class
    function M.Class:get() return self.x end
    function M.new(x) return setmetatable({ x = x }, M.Class) end
    local function helper() return "old" end
    function M.f() return helper() end
    return M
  ]]
  local load_it = load "return require(...) ~= nil"

  -- Files are looked at again when the clock has moved on.
  local function edit(file)
    local f <close> = assert(io.open(file, "w"))
    f:write((source:gsub('"old"', '"new"')))
    f:close()
    local start = os.clock()
    repeat until os.clock() - start > 0.02
  end

  -- The worker took its module for the file as it was when it was first looked at: it called another function than
  -- the one that was sent.
  it("is not taken for that of a program that has loaded the new one", function()
    local pool <close> = tine.pool(1)
    local _, name, file = modules:add(finally, source)
    assert.is_true(pool:submit(load_it, name):result(TIMEOUT))
    edit(file)
    package.loaded[name] = nil
    local m = require(name)
    local function task() return m.f() end
    for _ = 1, 3 do
      assert.equal("new", task())
      local err = pool:submit(task):exception(TIMEOUT)
      assert.equal("serialization", tine.kind(err))
      assert.matches("as that was before it was edited", tostring(err), 1, true)
    end
  end)

  -- What was noted of the module's own file was overwritten by that of the other.
  it("is not taken for the one that was loaded by way of a file that gives the same", function()
    local pool <close> = tine.pool(1)
    local _, name, file = modules:add(finally, source)
    package.loaded[name] = nil
    local m = modules:add(finally, ("return require %q"):format(name))
    edit(file)
    assert.equal("old", m.f())
    for _ = 1, 3 do
      local ended = pool:submit(function() return m.f() end)
      assert.equal("old", ended:exception(TIMEOUT) == nil and ended:result() or "old")
    end
  end)

  -- Only the edited module itself went by value: another one went by its name, and brought the new file with it.
  it("is not what a worker gets with another module that needs it", function()
    local pool <close> = tine.pool(1)
    for what = 1, 3 do
      local inner, name, file = modules:add(finally, source)
      local outer = modules:add(finally, ([[
        local inner = require %q
        local M = {}
        function M.f() return inner.f(), inner.g and inner.g() end
        return M]]):format(name))
      if what == 2 then inner.f = function() return "mine" end end
      if what == 3 then inner.g = function() return "added" end end
      edit(file)
      local wanted = { outer.f() }
      for _ = 1, 3 do
        assert.same(wanted, { pool:submit(outer.f):result(TIMEOUT) })
        assert.same(wanted, { pool:submit(function() return outer.f() end):result(TIMEOUT) })
      end
    end
  end)

  -- The other one went on by its name if it had been sent before the edit: a new worker loaded the new file with it,
  -- and what the program had loaded anew into the old module did not reach any worker.
  it("is not what a worker gets with another module that was sent before the edit", function()
    local pool <close> = tine.pool { workers = 1, max_tasks_per_worker = 1 }
    for _, reload in ipairs { false, true } do
      local inner, name, file = modules:add(finally, source)
      local outer = modules:add(finally, ([[
        local inner = require %q
        return { f = function() return inner.f() end }]]):format(name))
      assert.equal("old", pool:submit(outer.f):result(TIMEOUT))
      edit(file)
      if reload then inner.f = dofile(file).f end
      for _ = 1, 3 do
        assert.equal(outer.f(), (pool:submit(outer.f):result(TIMEOUT)))
        assert.equal(outer.f(), (pool:submit(function() return outer.f() end):result(TIMEOUT)))
      end
    end
  end)

  it("gives results that a program which has loaded the old one, too, takes for its own", function()
    local pool <close> = tine.pool(1)
    local m, name, file = modules:add(finally, source)
    assert.is_true(pool:submit(load_it, name):result(TIMEOUT))
    edit(file)
    for _ = 1, 3 do
      local object, none = pool:submit(load "local m = require(...) return m.new(5), m.NONE", name):result(TIMEOUT)
      assert.equal(5, object:get())
      assert.is_true(rawequal(m.Class, getmetatable(object)))
      assert.is_true(rawequal(m.NONE, none))
      assert.equal("old", pool:submit(m.f):result(TIMEOUT))
      assert.equal("old", pool:submit(function() return m.f() end):result(TIMEOUT))
    end
  end)
end)
