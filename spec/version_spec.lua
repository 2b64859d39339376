-- One version: in the header, the build, the rock, the program, the pages and the change log.
local shell = require "spec.support.shell"
local tine = require "tine"

local root = os.getenv "TINE_SOURCE_DIR" or "."
local TINE = shell.quote(os.getenv "TINE_PROGRAM" or "tine")

local function first(file, pattern)
  return assert(shell.contents(root .. "/" .. file):match(pattern), file .. " has no version")
end

describe("the version", function()
  it("of the module and the program is the header's", function()
    assert.equal(tine.version, first("include/tine.h", '#define TINE_VERSION "([%d.]+)"'))
    assert.equal(tine.version, shell.run(TINE .. " --version").out:match "^tine ([%d.]+)")
  end)

  it("is the same in the build and the rock", function()
    assert.equal(tine.version, first("CMakeLists.txt", "project%(tine VERSION ([%d.]+)"))
    local rock = ("tine-%s-1.rockspec"):format(tine.version)
    assert.equal(tine.version .. "-1", first(rock, 'version = "([^"]+)"'))
    assert.equal("v" .. tine.version, first(rock, 'tag = "([^"]+)"'))
    assert.equal("1\n", shell.run(("ls %s/*.rockspec | wc -l"):format(shell.quote(root))).out)
  end)

  it("is the newest of the change log, and that of the pages", function()
    assert.equal(tine.version, first("CHANGELOG.md", "\n## ([%d.]+)"))
    for _, page in ipairs { "tine.1", "tine-map.1", "tine-serve.1", "tine-top.1" } do
      assert.equal(tine.version, first("docs/" .. page, '"tine ([%d.]+)"'))
    end
    assert.equal(tine.version, first("docs/pool.md", 'The version, a string: `"([%d.]+)"`'))
    assert.equal(tine.version, first("docs/program.md", "%.version%)'\n([%d.]+)\n"))
  end)
end)
