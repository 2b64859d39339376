-- tine map -x: commands for lines, what stands for what in them, and what they write.
local map = require "spec.support.command" "map"
local shell = require "spec.support.shell"

local function out(arguments, input)
  local s = map.run(arguments, input)
  assert.same({ "", 0 }, { s.err, s.code })
  return s.out
end

describe("tine map -x", function()
  setup(map.setup)
  teardown(map.teardown)

  describe("replaces", function()
    it("{} by the line, or appends it", function()
      assert.equal("<a> a\n<b c> b c\n", out("-x 'echo \"<{}>\" {}'", "a\nb c\n"))
      assert.equal("a\nb\n", out("-x echo", "a\nb\n"))
    end)

    it("a value by itself, whatever is in it and wherever it stands", function()
      map.file("print", 'for a; do printf "[%s]" "$a"; done')
      for _, value in ipairs { "it's", 'a "b"', "$HOME `id` $(id)", "a\\b\\", "*", " ", "-n", "~", "#x", "a;b&c|d",
                               "é" } do
        local expected = ("[%s]"):rep(5):gsub("%%s", (value:gsub("%%", "%%%%")))
        local command = [[-x 'sh print {} "{}" '"'{}'"' "$(printf %s {})" "$(printf %s "{}")" # it'"'"'s {}']]
        assert.equal(expected, out(command, value .. "\n"), value)
      end
    end)

    it("a value where a command begins, which is no assignment and begins no loop", function()
      for _, value in ipairs { "A=1", "if", "while", "!", "{" } do
        local s = map.run("-x '{} x' ::: " .. shell.quote(value))
        assert.matches("argument 1: exit code 127: '" .. value .. "' x\n$", s.err)
      end
    end)

    it("a value in a comment, which it cannot end", function()
      -- A newline in a value ended the comment, and what stood behind it was run.
      for _, command in ipairs { "echo a # {}", "echo a #", "(echo a)#{}", "(echo a) #'{}'" } do
        assert.equal("a\n", out("-0 -x " .. shell.quote(command), "x\necho INJECTED #\0"), command)
        assert.equal("a\n", out("-0 -x " .. shell.quote(command), "'\necho INJECTED '\0"), command)
      end
      assert.equal("#x\n", out("-x 'echo $(:)#{}'", "x\n"))
    end)

    it("a value in a case, whose patterns close no parenthesis", function()
      -- It was taken for the end of $( ), and what stands in there for quoted.
      local value = "a; echo INJECTED"
      for command, expected in pairs {
        ['echo "$(case {} in b) echo 1;; (c) ;; *) echo {};; esac) {}"'] = value .. " " .. value,
        ['echo "$(if :; then case {} in esac; fi; echo case {}) {}"'] = "case " .. value .. " " .. value,
        ['case {} in b) : "(";; *)#\' {}\necho "$(echo esac; echo "{}")";; esac; (echo {})'] =
          "esac\n" .. value .. "\n" .. value,
      } do
        assert.equal(expected .. "\n", out("-x " .. shell.quote(command), value .. "\n"), command)
      end
    end)

    it("no value where it cannot stand for itself", function()
      -- Text of a value was run there, or changed.
      for command, place in pairs {
        ["echo `printf %s {}`"] = "between backticks: use $(...)",
        ['echo "`printf %s {}`"'] = "between backticks: use $(...)",
        ["cat <<END\n{}\nEND"] = "in a here-document: use printf '%s\\n' {} | ...",
        ["cat <<-'END' <<B; cat\n\tEND\n{}\nB"] = "in a here-document: use printf '%s\\n' {} | ...",
        ["cat <<{}\nx"] = "in a here-document: use printf '%s\\n' {} | ...",
        ["cat <<END\nappended\nEND"] = "in a here-document: use printf '%s\\n' {} | ...",
        ['echo "\\{}"'] = "behind a backslash",
        -- shells do not agree on what quotes mean there: $(...) of a value was run
        ['echo "${v:-"{}"}"'] = "in ${...} between double quotes: set a variable, v={}; ...",
        ['echo "${v#"{}"}"'] = "in ${...} between double quotes: set a variable, v={}; ...",
        ['echo "${v%%\'{}\'}"'] = "in ${...} between double quotes: set a variable, v={}; ...",
        ['echo "${v:-{}}"'] = "in ${...} between double quotes: set a variable, v={}; ...", -- of a}b it made ab}
      } do
        assert.same({ out = "", err = "tine map: a value cannot stand " .. place .. "\n", code = 2 },
          map.run("-x " .. shell.quote(command), "x\n"), command)
      end
      assert.equal("1\n1\n", out("-x " .. shell.quote "cat <<END; echo `echo {#}`\n{#}\nEND\n", "x\n"))
    end)

    it("a value behind backticks, here-documents, and what looks like one", function()
      local value = "it's `a` $b;"
      for command, expected in pairs {
        ['echo `echo "(" #` "`echo \')\'` {}"'] = "( ) " .. value,
        ["cat <<A - <<-'B' # <<C\n' \"\nA\n ( `\n\tB\necho {}"] = " ( `\n" .. value,
        ['echo "$(cat <<A\n(\nA\n) {}"'] = "( " .. value,
        ["echo $((1<<3)) $((1+(1<<3)))\necho {}"] = "8 9\n" .. value,
        ['echo ${v:-"{}"} ${v:-${w:-{}}}; echo "{}"'] = value .. " " .. value .. "\n" .. value,
        ['echo "${v:-$(echo "${w:-(}" {})}" "{}"'] = "( " .. value .. " " .. value,
        ['v=a.b; echo "${v#"}"}${v%\'"\'}${v:-\'}${#v}" {}'] = "a.ba.ba.b3 " .. value,
        ["echo ${v:-# (<<} ${w:-'}'} {}"] = "# (<< } " .. value,
        ["echo \\<\\<A '<<A' \\\\{}\necho {}"] = "<<A <<A \\" .. value .. "\n" .. value,
      } do
        assert.equal(expected .. "\n", out("-x " .. shell.quote(command), value .. "\n"), command)
      end
    end)

    it("parts of a path", function()
      assert.equal("/a.b/c.tar c.tar.gz /a.b c.tar /a.b/c.tar.gz\nx x.y . x x.y\n",
        out("-x 'echo {.} {/} {//} {/.} {1}'", "/a.b/c.tar.gz\nx.y\n"))
      assert.equal("d/e e\n", out("-x 'echo {.} {/.}'", "d/e.\n")) -- an empty one, too
      assert.equal("d / / d\n", out "-x 'echo {1//} {2//} {3//} {4//}' ::: d//e ::: / ::: //e ::: d//e//") -- as dirname
    end)

    it("numbers and workers", function()
      assert.equal("1 1\n2 1\n3 1\n", out("-j1 -x 'echo {#} {%}'", "a\nb\nc\n"))
    end)

    it("columns, by number from both ends, and by name", function()
      assert.equal("b a c\n", out("--colsep , -x 'echo {2} {1} {-1}'", "a,b,c\n"))
      assert.equal("3 d/x x\n", out("--csv --header : -x 'echo {size} {name} {name/}'", "name,size\nd/x,3\n"))

    end)

    it("nothing that means nothing to it", function()
      assert.equal("a {x,y} {print}\n", out("-x 'printf \"%s {x,y} {print}\\n\" {}'", "a\n"))
    end)
  end)

  describe("takes arguments after :::", function()
    it("in all combinations", function()
      assert.equal("a-1\na-2\nb-1\nb-2\n", out "-x 'echo {1}-{2}' ::: a b ::: 1 2")
      assert.equal("a 1\nb 1\n", out "-x echo ::: a b ::: 1")
    end)

    -- The shorter began again, as with --link; :::+ ends with it.
    it("in step after :::+, as long as the shorter", function()
      assert.equal("a1 a1\nb2 b2\n", out "-x 'echo {1}{2} {1}{2}' ::: a b c :::+ 1 2")
      assert.equal("a1x\na1y\n", out "-x 'echo {1}{2}{3}' ::: a :::+ 1 2 ::: x y")
      assert.equal("", out "-x 'echo {1}{2}' ::: a b :::+")
    end)

    it("whatever is in them", function()
      assert.equal("x\ny\n", out "-x 'printf %s\\\\n {}' ::: \"$(printf 'x\\ny')\"")
      assert.equal("", out "-x 'echo' :::")
    end)

    it("with names", function()
      assert.equal("1+3\n1+4\n", out "--header : -x 'echo {a}+{b}' ::: a 1 ::: b 3 4")
      -- the names in them were not told apart
      assert.equal("2 1 3\n", out "--header : --colsep , -x 'echo {b} {a} {c}' ::: a,b 1,2 ::: c 3")
    end)
  end)

  describe("prints", function()
    it("what each command writes, whole and in order", function()
      local s = map.run([[-j4 -x 'echo {}a; echo {}e >&2; sleep 0.0{}; echo {}b; echo {}f >&2']], "3\n1\n2\n")
      assert.same({ out = "3a\n3b\n1a\n1b\n2a\n2b\n", err = "3e\n3f\n1e\n1f\n2e\n2f\n", code = 0 }, s)
    end)

    it("large outputs", function()
      local s = map.shell(map.program .. " map -x 'yes {} | head -c 500000' ::: abc de | cksum")
      local expected = map.shell "for i in abc de; do yes $i | head -c 500000; done | cksum"
      assert.equal(expected.out, s.out)
    end)

    it("lines behind their tag", function()
      local s = map.run "--tag -x 'printf \"%s\\n\\nb\\n\" {}; echo e >&2' ::: x 'p%q'"
      assert.same({ out = "x\tx\nx\t\nx\tb\np%q\tp%q\np%q\t\np%q\tb\n", err = "x\te\np%q\te\n", code = 0 }, s)
    end)

    it("lines as they are written with --line-buffer", function()
      -- the first waits for the second, which starts when the first has written a line
      local s = map.run [[-j2 --line-buffer --tag -x 'echo a
        case {} in 1) while ! test -e go; do sleep 0.01; done;; 2) touch go;; esac
        printf b' ::: 1 2]]
      local lines = {}
      for line in s.out:gmatch "%d\t%a" do lines[#lines + 1] = line end
      table.sort(lines)
      assert.same({ "1\ta", "1\tb", "2\ta", "2\tb" }, lines)
      assert.equal(0, s.code)
    end)

    it("nothing with -q, and commands with --dry-run", function()
      assert.equal("", out "-q -x 'echo {}; echo e >&2' ::: a")
      assert.equal("", out "-q --line-buffer --results q -x 'echo {}; echo e >&2' ::: a") -- it was printed
      assert.equal("a\n", map.contents "q/1/a/stdout")
      assert.equal("echo 'a b' \"c a b\"\n", out "--dry-run -x 'echo {} \"c {}\"' ::: 'a b'")
      assert.equal("_ + 1 7\n", out "--dry-run '_ + 1' ::: 7")
    end)
  end)

  describe("tells", function()
    it("an exit code other than 0, and a signal", function()
      map.file("lines", "1\n2\n3\n")
      assert.same({ out = "1\n2\n3\n", err = "lines:2: exit code 7: echo 2; test 2 != 2 || exit 7\n", code = 1 },
        map.run "-x 'echo {}; test {} != 2 || exit 7' lines")
      local s = map.run "-x 'echo x; kill -9 $$' ::: a"
      assert.same({ out = "x\n", err = "argument 1: killed by SIGKILL: echo x; kill -9 $$ a\n", code = 1 }, s)
    end)

    it("that it could not be found", function()
      local s = map.run "-x /none/such ::: a"
      assert.equal(1, s.code)
      assert.matches("argument 1: exit code 127: /none/such a\n$", s.err)
    end)

    it("one that is too long for the system, in a few words, and goes on", function()
      local s = map.run("-x 'echo {} | wc -c'", ("a"):rep(200000) .. "\nb\n")
      assert.same({ "2\n", 1 }, { s.out, s.code })
      assert.matches("^stdin:1: cannot start a command of 200013 bytes: sh: [^:]+: echo a+ %.%.%.\n$", s.err)
      assert.is_true(#s.err < 1000)
    end)

    it("values that no command can have", function()
      local s = map.run("-x echo", "a\0b\nc\n")
      assert.same({ "c\n", 1 }, { s.out, s.code })
      assert.matches("stdin:1: [^\n]*zero byte", s.err)
    end)
  end)

  describe("starts a command of plain words", function()
    -- A shell took longer to start than what it had to start.
    local PROGRAM <const> = [[
#!/bin/sh
cat /proc/$PPID/comm
for a; do printf '[%s]' "$a"; done
]]

    local function program(name, text)
      map.file(name, text)
      assert(os.execute("chmod +x " .. map.folder .. "/" .. name))
    end

    it("without a shell", function()
      program("parent", PROGRAM)
      local shown = "^tine:tine map%.%d+\n(.*)$"
      assert.equal("[a b][][c'd{,}][a b\"x]",
        out([[-x './parent {} "" "c'"'"'d{,}" {}'"'"'"x'"'"'']], "a b\n"):match(shown))
      assert.equal("[1][a][b c][a b c][-a][b cx]", out([[-x './parent {#} {} "{}" -{}x' ::: a ::: 'b c']]):match(shown))
      assert.equal("[x.c][x]", out("-x './{1} {2} {2.}' ::: parent ::: x.c"):match(shown))
      assert.equal("[]", out("-x ./parent ::: ''"):match(shown))
      local found = map.shell(("PATH=%s:$PATH %s map -x parent ::: a"):format(map.folder, map.program))
      assert.equal("[a]", found.out:match(shown))
    end)

    it("as a shell would, what else it is", function()
      program("script", "printf '[%s]' \"$@\"") -- without a line that names who reads it
      for command, expected in pairs {
        ["./script x"] = "[x][a b]", ["X=1 printenv X; :"] = "1\n", ["cd ..; test . !="] = "", ["printf %s"] = "a b",
        ["./script *.none $((1+1))"] = "[*.none][2][a b]", ["./script ~"] = ("[%s][a b]"):format(os.getenv "HOME"),
      } do
        assert.equal(expected, out("-x " .. shell.quote(command), "a b\n"), command)
      end
    end)

    it("or has the shell say why not", function()
      map.file("text", "")
      for command, code in pairs { ["none-such"] = 127, ["./none"] = 127, ["./text"] = 126, ["./"] = 126 } do
        local s = map.run(("-x %s ::: a"):format(command))
        assert.equal(1, s.code)
        assert.matches(("^sh: [^\n]+\nargument 1: exit code %d: %s a\n$"):format(code, (command:gsub("%p", "%%%0"))),
          s.err)
      end
    end)

    it("and knows its exit code and the signal that ended it", function()
      program("ends", "#!/bin/sh\nexit $1")
      program("dies", "#!/bin/sh\nkill -9 $$")
      assert.equal("argument 1: exit code 7: ./ends 7\n", map.run("-x ./ends ::: 7").err)
      assert.equal("argument 1: killed by SIGKILL: ./dies 7\n", map.run("-x ./dies ::: 7").err)
    end)
  end)

  it("gives blocks of whole lines to commands with --pipe", function()
    local numbers = {}
    for i = 1, 20000 do numbers[i] = i .. "\n" end
    numbers = table.concat(numbers)
    local counts = 0
    local s = out("--pipe --block 10k -x 'wc -l'", numbers)
    for n in s:gmatch "%d+" do counts = counts + n end
    assert.equal(20000, counts)
    assert.is_true(select(2, s:gsub("\n", "")) > 5)
    assert.is_true(out("--pipe --block 10k -x cat", numbers) == numbers)
    assert.equal("3\n3\n1\n", out("--pipe -N 3 -x 'wc -l'", "1\n2\n3\n4\n5\n6\n7\n"))
    assert.equal("4\n", out("--pipe -x 'wc -c'", "nonl")) -- nothing is added
    assert.equal("4\n1\n", out("--pipe -N 2 -x 'wc -c'", "a\nb\nc"))
    assert.equal("5\n", out("--pipe -x 'wc -c'", "a\nb\nc"))
    assert.equal("3 1\n1 2\n", out("--pipe -N 3 -x 'echo $(wc -l) {#}'", "1\n2\n3\n4\n"))
  end)

  it("holds as many outputs in files as the limit of open files allows", function()
    local s = map.shell("ulimit -n 100; seq 120 | " .. map.program .. [[ map -j2 -x 'test {} = 1 && sleep 0.5
      printf "%05000d\n" {}']])
    assert.same({ 120 * 5001, "", 0 }, { #s.out, s.err, s.code })
  end)

  it("holds outputs in /tmp where TMPDIR is empty", function()
    -- They were files in the root folder, which only root may write.
    local s = map.shell("TMPDIR= " .. map.program .. " map -x 'readlink /proc/self/fd/1 #' ::: a")
    assert.matches("^/tmp/", s.out)
  end)

  it("calls blocks by their numbers", function()
    -- The text of the whole block was the tag, and the folder's name, as far as that went.
    local lines = ("x\n"):rep(4000)
    assert.equal("1\t1000\n2\t1000\n3\t1000\n4\t1000\n", out("--pipe -N 1000 --tag --results r -x 'wc -l'", lines))
    for i = 1, 4 do
      assert.same({ "1000\n", tostring(i) },
        { map.contents("r/1/" .. i .. "/stdout"), map.contents("r/1/" .. i .. "/seq") })
    end
    assert.equal("1\t1000\n", out("--pipe -N 1000 --tag --line-buffer --results l/{} -x 'wc -l'", lines:sub(1, 2000)))
    assert.equal("1000\n", map.contents "l/1")
    assert.equal("1\t1000\n1\tz\n",
      out("--pipe -N 1000 --tag --results 'f{}' '#_ // 2 .. \"\\nz\"'", lines:sub(1, 2000)))
    assert.equal("1\t1000\n1\tz\n", map.contents "f1")
  end)

  it("runs commands that a broken pipe ends, whoever ignores the signal", function()
    assert.equal("y\n", map.shell("trap '' PIPE; " .. map.program .. " map -x 'yes | head -n 1; :' ::: a").out)
  end)

  it("does not wait for what a command leaves running", function()
    local s = map.run "-x 'sleep 20 & echo $!' ::: a"
    os.execute("kill " .. s.out:match "%d+")
    assert.equal(0, s.code)
    assert.matches("^%d+ a\n$", s.out)
  end)
end)
