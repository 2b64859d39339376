-- What bash, zsh and fish offer behind a command line: each shell is asked.
local shell = require "spec.support.shell"
local quote = shell.quote

local SOURCE = io.popen("cd " .. quote(os.getenv "TINE_SOURCE_DIR" or ".") .. " && pwd"):read "l"
local PROGRAM = os.getenv "TINE_PROGRAM" or "tine"

local folder -- with the program, and files, where the shells are

local function split_words(line)
  local words = {}
  for word in line:gmatch "%S+" do words[#words + 1] = quote(word) end
  if line:find " $" then words[#words + 1] = "''" end
  return words
end

-- The command of a shell that prints what it offers behind a line.
local SHELLS <const> = {
  bash = function(line)
    local words = split_words(line)
    local script = ("source %s/completion/tine.bash; COMP_WORDS=(%s); COMP_CWORD=%d; _tine tine %s; "):format(SOURCE,
      table.concat(words, " "), #words - 1, words[#words]) .. 'printf "%s\\n" "${COMPREPLY[@]}"'
    return "bash -c " .. quote(script)
  end,
  zsh = function(line)
    return ("zsh -f %s/spec/support/complete.zsh %s/completion %s %s/zcompdump"):format(SOURCE, SOURCE, quote(line),
      folder)
  end,
  fish = function(line)
    return "fish -N -c " .. quote(("source %s/completion/tine.fish; complete -C %s"):format(SOURCE, quote(line)))
  end,
}

-- The list of what a shell offers, sorted, each once.
local function offered(which, line)
  local s = shell.run(("cd %s/files && HOME=$PWD/.. PATH=%s/bin:$PATH %s"):format(folder, folder, SHELLS[which](line)))
  assert.equal("", s.err)
  local list, seen = {}, {}
  for text in s.out:gmatch "[^\n\t]+[^\n]*" do
    local word = text:match "^[^\t]*"
    if not seen[word] then list[#list + 1] = word end
    seen[word] = true
  end
  table.sort(list)
  return list
end

-- The options that the help of a command has: all but "-" and "--", which are not completed.
local function options_of(command)
  local list, seen = {}, {}
  for line in shell.ok("%s %s --help", quote(PROGRAM), command):gmatch "[^\n]+" do
    local words = line:match "^  (%-.-)  " or line:match "^  (%-%S*)"
    for option in (words or ""):gmatch "%-%-?%w[%w-]*" do
      if not seen[option] then list[#list + 1] = option end
      seen[option] = true
    end
  end
  assert(#list > 1)
  table.sort(list)
  return list
end

local function has(which, list)
  local set = {}
  for _, word in ipairs(list) do set[word] = true end
  return function(word) assert(set[word], which .. " does not offer " .. word) end
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  shell.ok("mkdir -p %s/bin %s/files && touch %s/files/a.lua %s/files/b.txt", folder, folder, folder, folder)
  shell.ok("ln -s %s %s/bin/tine", quote(PROGRAM), folder)
end)
teardown(function() os.execute("rm -r " .. folder) end)

for which in pairs(SHELLS) do
  describe("completion for " .. which, function()
    if os.execute("command -v " .. which .. " >/dev/null") == nil then
      pending(which .. " is not installed")
      return
    end

    for _, command in ipairs { "", "map", "top", "report", "serve" } do
      it("offers the options of the help: tine " .. command, function()
        local list = offered(which, command == "" and "tine -" or "tine " .. command .. " -")
        for i = #list, 1, -1 do
          if list[i] == "--" then table.remove(list, i) end
        end
        assert.same(options_of(command), list)
      end)
    end

    it("asks busted and luacheck for theirs", function()
      local offers = has(which, offered(which, "tine busted -"))
      for _, option in ipairs { "-j", "--jobs", "--split", "--filter", "-o", "--no-shuffle", "--coverage" } do
        offers(option)
      end
      has(which, offered(which, "tine luacheck --no-"))("--no-max-line-length")
    end)

    it("offers commands where one can stand, and files", function()
      local offers = has(which, offered(which, "tine "))
      for word in ("map busted luacheck top report serve key a.lua"):gmatch "%S+" do offers(word) end
      assert.same({ "map" }, offered(which, "tine m"))
      for _, word in ipairs(offered(which, "tine -W ")) do assert.not_equal("map", word) end
      local files = offered(which, "tine map @") -- zsh says them without what stands before
      assert.equal(1, #files)
      assert.matches("^@?a%.lua$", files[1])
      assert.same({ "--unordered" }, offered(which, "tine map --u"))
      assert.same({ "modules" }, offered(which, "tine serve --allow "))
    end)

    it("offers no options of its own behind a script", function()
      assert.same({}, offered(which, "tine a.lua -"))
    end)

    it("takes a command's name for one at the first place only", function()
      assert.same(options_of "report", offered(which, "tine report map -"))
    end)
  end)
end

describe("completion for bash", function()
  it("leaves the rest to the shell", function()
    assert.same({ "--", "--help", "--version" }, offered("bash", "tine --"))
    assert.same({}, offered("bash", "tine a.lua "))
    assert.same({}, offered("bash", "tine -e "))
    assert.same({}, offered("bash", "tine map -n "))
    assert.same({}, offered("bash", "tine map _ b"))
  end)

  -- At a terminal bash breaks words at an @ before it asks: nothing was offered behind one.
  it("completes @file.lua at a terminal", function()
    shell.ok("cd %s/files && mkdir deep && touch deep/c.lua 'two words.lua'", folder)
    shell.ok("echo 'source %s/completion/tine.bash; tine() { printf \"<%%s>\" \"$@\"; echo; }' > %s/rc", SOURCE, folder)
    local typed = { "tine map @a\t", "tine map @de\tc\t", "tine map @tw\t _", "exit\n" }
    local s = shell.run(("cd %s/files && printf %%s %s | TERM=dumb INPUTRC=/dev/null "
      .. "script -qec 'bash --noprofile --rcfile ../rc -i' /dev/null"):format(folder, quote(table.concat(typed, "\n"))))
    local got = {}
    for line in s.out:gmatch "%f[^\n](<map>[^\r]*)" do got[#got + 1] = line end
    assert.same({ "<map><@a.lua>", "<map><@deep/c.lua>", "<map><@two words.lua><_>" }, got, s.out)
  end)
end)
