-- What the program has changed in a module goes along with what reaches it: here, its own functions under other
-- names, or in other places.
local s = require "spec.codec.support"

-- Before the module was met for the first time (cold), and after that (warm).
for _, when in ipairs { "cold", "warm" } do
  describe("a module's own functions, moved by the program, " .. when, function()
    local c, m

    before_each(function()
      c = s.pair()
      package.loaded.codec_hooks = nil
      m = require "codec_hooks"
      if when == "warm" then s.call(c, function() return m.all() .. m.hook() end) end
    end)

    local function all() return s.call(c, function() return m.all() end) end

    it("are there under a second name", function()
      m.again = m.a
      assert.equal("a", s.call(c, function() return m.again and m.again() end))
    end)

    it("are there under another name, and gone from the first", function()
      m.again, m.a = m.a, nil
      assert.same({ "a", nil }, { s.call(c, function() return m.again and m.again(), m.a end) })
    end)

    it("are there in a list of hooks", function()
      m.hooks[1] = m.a
      assert.equal("a", s.call(c, m.hook))
      m.hooks[1], m.hooks[2], m.hooks[3] = function() return "x" end, m.a, m.b
      assert.equal("xab", s.call(c, m.hook))
    end)

    it("are in the order that a list has here", function()
      m.list[1], m.list[2] = m.list[2], m.list[1]
      assert.equal("bac", s.call(c, m.all))
      assert.equal("bac", all())
    end)

    it("are behind what was put in front of them", function()
      table.insert(m.list, 1, function() return "new" end)
      assert.equal("newabc", all())
    end)

    it("that cannot travel are no reason to fail, where something was put behind them", function()
      m.bound[3] = function() return "new" end
      assert.equal("filebnew", s.call(c, m.both))
    end)

    it("are there in place of another one that the module has given a second name", function()
      m.now = m.c
      for _ = 1, 3 do assert.same({ "c", "c" }, { s.call(c, function() return m.now(), m.at_once() end) }) end
    end)

    it("are gone from a list, at its end as well", function()
      table.remove(m.list, 1)
      assert.equal("bc", all())
      table.remove(m.list, 1)
      assert.equal("c", all())
      m.list[2], m.list[3] = m.b, m.c
      assert.equal("cbc", all())
    end)

    it("are there under a name that the module asks for, call after call", function()
      m.extra = m.b
      for _ = 1, 3 do
        assert.equal("b", s.call(c, m.more))
        c:eval "require 'codec_hooks'.extra = nil"
      end
    end)
  end)
end

describe("a function that a module has put somewhere at its own time", function()
  it("is no reason to fail where the other side cannot find it", function()
    local c = s.pair()
    package.loaded.codec_hooks = nil
    local m = require "codec_hooks"
    local function lazy() return m.a(), m.first() end
    assert.same({ "a", "private" }, { s.call(c, lazy) })
    assert.equal("private", m.first())
    package.loaded.codec_data = nil -- so that what modules hold is looked at anew
    local data = require "codec_data"
    assert.is_true(s.call(c, function() return data == require "codec_data" end))
    c:eval "require 'codec_hooks'.lazy = nil"
    assert.same({ "a", "private" }, { s.call(c, lazy) })
    package.loaded.codec_data = nil
  end)
end)

describe("a table of a module that has no functions but those which the program added", function()
  local c, m

  before_each(function()
    c = s.pair()
    package.loaded.codec_bare = nil
    m = require "codec_bare"
  end)

  it("is the other side's own, with them", function()
    function m.Class:hello() return "hello", m.is(self) end
    assert.same({ "hello", true }, { s.call(c, function(o) return o:hello() end, m.new()) })
    assert.is_true(s.call(c, m.is, m.new()))
    assert.is_true(s.call(c, function(o) return require "codec_bare".is(o) end, m.new()))
    m.plugins.one = function() return 1 end
    assert.is_true(s.call(c, function(t) return t == m.plugins and t.one() == 1 end, m.plugins))
  end)

  it("is it for these functions, too", function()
    local Class = m.Class
    local function class() return Class end
    function Class:both() return getmetatable(self) == Class, getmetatable(self) == class() end
    assert.same({ true, true }, { s.call(c, function(o) return o:both() end, m.new()) })
    assert.same({ true, true }, { s.call(c, function(o) return o:both() end, m.new()) })
    assert.is_true(s.call(c, function(o) return getmetatable(o) == Class end, m.new()))
  end)

  it("is a copy when its data is another", function()
    m.plugins.one, m.plugins.limit = function() return 1 end, 5
    assert.same({ false, 5 }, { s.call(c, function(t) return t == m.plugins, t.limit end, m.plugins) })
  end)

  it("has them no longer than a call", function()
    local tine = require "tine"
    local pool <close> = tine.pool(1)
    function m.Class.hello() return "hello" end
    local function run(f, ...) return pool:submit(f, ...):result(20) end
    assert.equal("hello", run(function(o) return require "codec_bare".is(o) and o:hello() end, m.new()))
    assert.is_nil(run(function() return require "codec_bare".Class.hello end))
    local shared = pool:share { m.new() }
    for _ = 1, 2 do
      assert.equal("hello", run(function(list) return list[1]:hello() end, shared))
      assert.is_nil(run(function() return require "codec_bare".Class.hello end))
    end
  end)
end)
