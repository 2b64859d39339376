-- What a command prints is printed, or the command says that it could not be, and fails.
local tine = require "tine"
local command = require "spec.support.command" ""

describe("a command on a full disk", function()
  local pool
  setup(function()
    command.setup()
    pool = tine.pool(1) -- for `tine top` to tell of
    pool:submit(math.abs, 1):result()
    command.file("good_spec.lua", 'for i = 1, 200 do it("works " .. i, function() end) end')
    command.file("wrong.lua", "unknown()")
  end)
  teardown(function()
    pool:shutdown()
    command.teardown()
  end)

  for _, line in ipairs {
    "--help", "--version", "map --help", "busted --help", "luacheck --help", "serve --help", "top --help",
    "report --help",
    "map _ stdin", "map -x echo stdin", "map --dry-run _ stdin", "busted good_spec.lua", "busted -o TAP good_spec.lua",
    "busted --list good_spec.lua", "busted --version", "luacheck wrong.lua", "luacheck --version", "key", "top --json",
  } do
    it("fails: tine " .. line, function()
      local run = command.run(line .. " >/dev/full", "a\n")
      assert.is_true(run.code == 1 or run.code == 2)
      assert.matches("tine[ %l]*: write error: ", run.err)
    end)
  end

  it("fails with a closed standard output", function()
    local run = command.run "luacheck --version >&-"
    assert.equal(2, run.code)
    assert.matches("^tine luacheck: write error: ", run.err)
  end)
end)

describe("help", function()
  setup(command.setup)
  teardown(command.teardown)

  it("of tine busted is no error", function()
    local run = command.shell(command.program .. " busted --help")
    assert.equal(0, run.code)
    assert.equal("", run.err)
    assert.matches("%-%-split.*\nUsage: busted.*%-%-filter", run.out)
    assert.is_nil(run.out:find("re-run", 1, true))
  end)
end)
