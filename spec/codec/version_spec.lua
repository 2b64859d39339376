-- A module whose file is edited while the program runs is what was loaded, for the program and for its tasks.
local s = require "spec.codec.support"

describe("a module whose file is edited while the program runs", function()
  local dir, path, m, c

  local function write(source)
    local file = assert(io.open(dir .. "/codec_edited.lua", "w"))
    file:write(source)
    file:close()
    local start = os.clock() -- files are looked at again when the clock has moved on
    repeat until os.clock() - start > 0.02
  end

  local function source(limit, more)
    return ([[
      local M = { limit = %d }
      local rate = %d
      function M.f() return M.limit, rate end
      %s
      return M
    ]]):format(limit, limit, more or "")
  end

  before_each(function()
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. dir))
    path, package.path = package.path, dir .. "/?.lua;" .. package.path
    write(source(1))
    m = require "codec_edited"
    c = s.pair()
  end)

  after_each(function()
    package.path, package.loaded.codec_edited = path, nil
    os.execute("rm -r " .. dir)
  end)

  local function all(pair)
    local a, b = s.call(pair, m.f)
    local d, e = s.call(pair, function() return m.f() end)
    return { a, b, d, e, (s.call(pair, function() return m.limit end)) }
  end

  for name, edited in pairs {
    ["has the values that it was loaded with"] = source(2),
    ["goes on travelling when functions were added to the file"] = source(1, "function M.g() end"),
  } do
    it(name, function()
      assert.same({ 1, 1, 1, 1, 1 }, all(c))
      write(edited)
      assert.same({ 1, 1, 1, 1, 1 }, all(c))
      assert.same({ 1, 1, 1, 1, 1 }, all(s.pair())) -- who loads the file only now
    end)
  end

  it("goes by name again when the file is as it was", function()
    local function known() return m == require "codec_edited" end
    assert.is_true(s.call(c, known))
    write(source(2))
    assert.is_false(s.call(c, known))
    write(source(1))
    assert.is_true(s.call(c, known))
  end)
end)
