-- What the program has changed in a module goes along with what reaches it: here, the module's own functions under other
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

    it("are gone from a list, at its end as well", function()
      table.remove(m.list, 1)
      assert.equal("bc", all())
      table.remove(m.list, 1)
      assert.equal("c", all())
      m.list[2], m.list[3] = m.b, m.c
      assert.equal("cbc", all())
    end)

    it("are there under a name that the module asks for, call after call", function()
      if when == "cold" then return end -- the module might have put it there
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
