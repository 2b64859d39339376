-- What a module keeps about an object in a table of its own, with weak keys, is part of the object.
local s = require "spec.codec.support"

describe("what a module keeps about an object", function()
  local c, Account

  before_each(function()
    package.loaded.codec_accounts = nil
    Account = require "codec_accounts"
    c = s.pair()
  end)

  it("goes along with it, and comes back", function()
    local account = Account.new(10)
    assert.equal(10, s.call(c, Account.balance, account))
    assert.equal(10, s.call(c, function(a) return a:balance() end, account))
    assert.equal(10, s.call(c, function() return account:balance() end))
    local other = s.call(c, function(a) return a:deposit(5) end, account)
    assert.same({ 15, 10 }, { other:balance(), account:balance() })
    assert.equal(3, s.call(c, Account.new, 3):balance())
  end)

  it("may lead back to it, and to others", function()
    local a, b = Account.new(1), Account.new(2)
    a:keep(b)
    b:keep(a)
    assert.is_true(s.call(c, function(x, y)
      return x:is_own() and y:is_own() and x:kept() == y and y:kept() == x and x:kept():balance() == 2
    end, a, b))
    local last = Account.new(0)
    for i = 1, 200 do
      local next = Account.new(i)
      next:keep(last)
      last = next
    end
    assert.equal(200, s.call(c, function()
      local n, at = 0, last
      while at:kept() do n, at = n + 1, at:kept() end
      return n
    end))
  end)

  it("may be about a table of data, and anything that travels", function()
    local t = { 1, 2 }
    Account.about(t, "text")
    assert.same({ "text", 2 }, { s.call(c, function(x) return Account.about(x), #x end, t) })
    local n = 1
    Account.about(t, function() return n end)
    assert.equal(1, s.call(c, function() return Account.about(t)() end))
  end)

  it("stays if it cannot travel: the module may find it again", function()
    local t = setmetatable({ 1 }, {})
    Account.about(t, { thread = coroutine.create(print) })
    assert.same({ 1 }, { s.call(c, function(x) return x[1], Account.about(x) end, t) })
    assert.equal(2, s.call(c, function() return #{ t, t } end))
  end)

  it("is there for objects of the program's classes, whatever others have made there", function()
    local Class = Account.class()
    function Class:begin(x) Account.about(self).x = x end
    function Class:x() return Account.about(self).x end
    local object = Class.new(5)
    for i = 1, 3 do
      assert.equal(5, s.call(c, function(o) return o:x() end, object))
      assert.equal(i, s.call(c, function() return Class.new(i):x() end))
      assert.equal(i, s.call(c, function() return Class.new(i) end):x())
    end
  end)

  it("is no more than it was: copies of one object are two", function()
    local account = Account.new(1)
    local a, b = s.call(c, function(x) return x end, account), s.call(c, function(x) return x end, account)
    a:deposit(10)
    assert.same({ 11, 1, 1 }, { a:balance(), b:balance(), account:balance() })
  end)

  describe("in tables that the other side may not have", function()
    local notes

    before_each(function()
      package.loaded.codec_notes, package.loaded.codec_notes_there = nil, nil
      notes = require "codec_notes"
    end)

    it("stays where these are made when they are needed", function()
      assert.equal(2, s.call(c, function(t) return #t end, notes.later { 1, 2 }))
      assert.same({ 3 }, s.call(c, function() return require "codec_notes".later { 3 } end))
    end)

    it("is no reason to load a module for a result, nor to fail where it cannot be loaded", function()
      local result = s.call(c, function() return require "codec_notes_there".note { 4 } end)
      assert.same({ 4 }, result)
      assert.is_nil(package.loaded.codec_notes_there)
      s.call(c, function() package.loaded.codec_notes_there = nil rawset(_G, "codec_not_here", true) end)
      local noted = require "codec_notes_there".note { 5 }
      assert.equal(5, s.call(c, function(t) return t[1] end, noted))
    end)
  end)

  describe("in a table that everybody sees", function()
    it("is in a copy of that as it is in any", function()
      local notes = require "codec_notes"
      local object, watched = { 7 }, notes.watched
      watched[object], watched.depth = true, 4
      assert.same({ 4, 7 }, s.call(c, function()
        for k in pairs(watched) do if type(k) == "table" then return { watched.depth, k[1] } end end
      end))
      watched[object], watched.depth = nil, 3
    end)
  end)

  it("tells sentinels apart, which remain what they are", function()
    local notes = require "codec_notes"
    for i = 1, 3 do
      local mark = notes["mark" .. i]
      assert.is_true(s.call(c, function(t) return notes.is_mark(i, t) end, mark))
      assert.is_true(s.call(c, function(t) return notes.is_mark(i, t[1]) and t[1] == t[2] end, { mark, mark }))
      assert.equal(mark, s.call(c, function() return require "codec_notes"["mark" .. i] end))
    end
    local before = notes.note(notes.mark1)
    notes.note(notes.mark1, { name = "another" })
    assert.equal("another", s.call(c, function(t) return notes.note(t).name end, notes.mark1))
    notes.note(notes.mark1, before)
  end)

  it("does not go along with an object whose class says what does", function()
    local notes = require "codec_notes"
    local Unit = {}
    local unit = setmetatable({ "m" }, Unit)
    s.register("codec_kept.Unit", Unit, function(u) return u[1] end,
      function() return require "codec_notes".unit end)
    notes.unit = unit
    notes.note(unit, 1)
    assert.equal(unit, s.copy(c, unit))
    local Text = {}
    s.register("codec_kept.Text", Text, function() return "text" end, function(x) return x end)
    local text = setmetatable({}, Text)
    notes.note(text, 1)
    assert.equal("text", s.copy(c, text))
    notes.note(Unit, 1)
    assert.equal(Unit, s.copy(c, Unit))
    notes.unit = nil
  end)
end)
