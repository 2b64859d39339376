-- The man pages and docs/program.md know the options that the program knows.
local shell = require "spec.support.shell"
local quote = shell.quote

local root = os.getenv "TINE_SOURCE_DIR" or "."
local TINE = quote(os.getenv "TINE_PROGRAM" or "tine")

-- The options that a help text lists, as a set.
local function options_in(command)
  local set = {}
  for line in shell.run(command).out:gmatch "[^\n]+" do
    local words = line:match "^  (%-.-)  " or line:match "^  (%-%S*)"
    for option in (words or ""):gmatch "%-%-?[%w-]*" do set[option] = true end
  end
  return set
end

describe("the options", function()
  local interpreter, map, top, report, busted, serve
  setup(function()
    interpreter, map = options_in(TINE .. " --help"), options_in(TINE .. " map --help")
    top, report = options_in(TINE .. " top --help"), options_in(TINE .. " report --help")
    busted, serve = options_in(TINE .. " busted --help | head -n 5"), options_in(TINE .. " serve --help")
    assert.is_true(top["--json"] and interpreter["-e"] and map["--unordered"])
  end)

  local function all_in(name, options)
    local text = " " .. shell.contents(root .. "/" .. name):gsub("\\%-", "-"):gsub("\\fR", " ")
    for option in pairs(options) do
      local found = text:find("[%s`\"'(},{*]" .. option:gsub("%-", "%%-") .. "[%s`\",)'%[}]")
      assert(found, name .. " does not have " .. option)
    end
  end

  it("are all in docs/program.md", function()
    interpreter["-"], interpreter["--"] = nil, nil
    map["--"] = nil
    for _, options in ipairs { interpreter, map, top, report, busted } do all_in("docs/program.md", options) end
  end) -- docs/machines.md has what matters of those of tine serve

  it("are all in the man pages", function()
    for _, options in ipairs { interpreter, report, busted } do all_in("docs/tine.1", options) end
    all_in("docs/tine-serve.1", serve)
    all_in("docs/tine-map.1", map)
    all_in("docs/tine-top.1", top)
  end)

  it("of each command that the program names are looked at here", function()
    local known = { map = true, top = true, report = true, busted = true, serve = true, luacheck = true, key = true }
    local page = shell.contents(root .. "/docs/tine.1")
    for name in shell.run(TINE .. " --help").out:match "Commands.*":gmatch "\n  (%l+)  +" do
      assert(known[name], name .. " is new: its options want to be looked at")
      assert.matches(".B tine " .. name, page, 1, true)
    end
  end)
end)

describe("the man pages", function()
  for _, page in ipairs { "tine.1", "tine-map.1", "tine-serve.1", "tine-top.1" } do
    it(page .. " is read without a warning", function()
      local has_groff = os.execute "command -v groff >/dev/null"
      if not has_groff then return pending "groff is not installed" end
      local s = shell.run(("groff -man -ww -Tutf8 %s/docs/%s"):format(quote(root), page))
      assert.equal("", s.err)
      assert.matches("tine", s.out)
    end)
  end
end)
