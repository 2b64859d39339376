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
end)
