-- The man page, the shell completion and docs/program.md know the options that the program knows.
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

-- What bash offers for the last of these words.
local function completions(folder, ...)
  local words = { ... }
  for i, word in ipairs(words) do words[i] = quote(word) end
  local script = ("source %s/completion/tine.bash; COMP_WORDS=(%s); COMP_CWORD=%d; _tine; "):format(root,
    table.concat(words, " "), #words - 1) .. 'printf "%s\\n" "${COMPREPLY[@]}"'
  local s = shell.run(("cd %s && bash -c %s"):format(quote(folder), quote(script)))
  assert.equal("", s.err)
  local list = {}
  for line in s.out:gmatch "[^\n]+" do list[#list + 1] = line end
  table.sort(list)
  return list
end

describe("the options", function()
  local interpreter, map, top, report, busted, serve
  setup(function()
    interpreter, map = options_in(TINE .. " --help"), options_in(TINE .. " map --help")
    top, report = options_in(TINE .. " top --help"), options_in(TINE .. " report --help")
    busted, serve = options_in(TINE .. " busted --help 2>&1 | tail -n 5"), options_in(TINE .. " serve --help")
    assert.is_true(top["--json"] and interpreter["-e"] and map["--unordered"])
  end)

  local function all_in(name, options)
    local text = " " .. shell.contents(root .. "/" .. name):gsub("\\%-", "-"):gsub("\\fR", " ")
    for option in pairs(options) do
      local found = text:find("[%s`\"'(},{*]" .. option:gsub("%-", "%%-") .. "[%s`\",)'%[}]")
      assert(found, name .. " does not have " .. option)
    end
  end

  for _, name in ipairs { "docs/program.md", "completion/tine.bash", "completion/_tine" } do
    it("are all in " .. name, function()
      interpreter["-"], interpreter["--"] = nil, nil
      map["--"] = nil
      all_in(name, interpreter)
      all_in(name, map)
      for _, options in ipairs { top, report, busted } do all_in(name, options) end
      if name ~= "docs/program.md" then all_in(name, serve) end -- docs/machines.md has what matters of them
    end)
  end

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
      for _, file in ipairs { "tine.bash", "_tine", "tine.fish" } do
        assert.matches(name, shell.contents(root .. "/completion/" .. file), 1, true)
      end
    end
  end)

  it("are all in completion/tine.fish", function()
    local text = shell.contents(root .. "/completion/tine.fish")
    local all = {}
    for _, set in ipairs { map, top, report, busted, serve } do
      for option in pairs(set) do all[option] = true end
    end
    for option in pairs(all) do
      local name = (option:find "^%-%-" and "-l " or "-s ") .. option:gsub("^%-*", "") .. " "
      local found = option == "--" or text:find(name, 1, true)
      assert(found, "not there: " .. option)
    end
  end)
end)

describe("the completion", function()
  local folder
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir %s && touch %s/a.lua %s/b.txt"):format(folder, folder, folder)))
  end)
  teardown(function() os.execute("rm -r " .. folder) end)

  it("offers scripts and map", function()
    assert.same({ "a.lua", "busted", "key", "luacheck", "map", "report", "serve", "top" },
      completions(folder, "tine", ""))
    assert.same({ "a.lua" }, completions(folder, "tine", "-W", ""))
    assert.same({ "map" }, completions(folder, "tine", "m"))
  end)

  it("offers options", function()
    assert.same({ "--", "--help", "--version" }, completions(folder, "tine", "--"))
    assert.same({ "--unordered" }, completions(folder, "tine", "map", "--u"))
    assert.same({ "@a.lua" }, completions(folder, "tine", "map", "@"))
  end)

  it("leaves the rest to the shell", function()
    assert.same({}, completions(folder, "tine", "a.lua", ""))
    assert.same({}, completions(folder, "tine", "-e", ""))
    assert.same({}, completions(folder, "tine", "map", "-n", ""))
    assert.same({}, completions(folder, "tine", "map", "_", "b"))
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
