-- tine map: time limits, attempts, stopping early, joblogs, results, and ends of all kinds.
local comma_locale = require "spec.support.comma"
local map = require "spec.support.command" "map"
local eventually = require "spec.support.eventually"
local posix = require "spec.support.posix"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

local PIPE <const> = 65536 -- bytes that fit into one
local HEADER <const> = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

-- The joblog's lines: without times, which are checked to be some.
local function joblog(name)
  local text, list = map.contents(name), {}
  assert.equal(HEADER, text:sub(1, #HEADER))
  for line in text:sub(#HEADER + 1):gmatch "[^\n]*\n" do
    local seq, sent, received, code, signal, command =
      line:match "^(%d+)\t:\t%d+%.%d%d%d\t +%d+%.%d%d%d\t(%d+)\t(%d+)\t(%-?%d+)\t(%d+)\t([^\n]*)\n$"
    assert(seq, line)
    list[#list + 1] = table.concat({ seq, sent, received, code, signal, command }, " ")
  end
  return list
end

local function exists(name)
  local file = io.open(map.folder .. "/" .. name)
  return file and file:close()
end

describe("tine map", function()
  setup(map.setup)
  teardown(map.teardown)

  describe("ends what takes too long", function()
    it("a command, with the programs that it has started", function()
      local s = map.run "--timeout 0.2 -x 'echo {}; test {} = b || sleep 60' ::: a b"
      assert.same({ out = "a\nb\n", code = 1,
        err = "argument 1: took longer than 0.2 s: echo a; test a = b || sleep 60\n" }, s)
    end)

    it("a command, with what it has written, to the last byte", function()
      -- with --line-buffer a last line that had no end was lost
      for _, options in ipairs { "", "--line-buffer --results r" } do
        local s = map.run("--timeout 0.5 " .. options .. " -x 'printf a; printf e >&2; sleep 60; : {}' ::: x")
        assert.equal(options == "" and "a" or "a\n", s.out)
        assert.matches("^e\n?argument 1: took longer than 0.5 s: ", s.err)
      end
      assert.equal("a\n", map.contents "r/1/x/stdout")
    end)

    it("a function, and no other line", function()
      local s = map.run("--timeout 0.2 'while _ == \"2\" do end return _'", "1\n2\n3\n")
      assert.same({ out = "1\n3\n", err = "stdin:2: took longer than 0.2 s\n", code = 1 }, s)
    end)

    it("nothing, of a limit of 0", function() -- it was the end of all; timeout(1) and GNU parallel take it for none
      for _, what in ipairs { "-x 'sleep 0.05; echo {}'", "_" } do
        assert.same({ out = "a\n", err = "", code = 0 }, map.run("--timeout 0 " .. what .. " ::: a"))
      end
    end)
  end)

  describe("with --retries", function()
    it("runs what fails again, so many times in all, and tells of the last", function()
      map.file("runs", "")
      local s = map.run "-j1 --retries 3 -x 'echo x >> runs; echo {} $(grep -c x runs); grep -q xxx runs' ::: a"
      assert.same({ "a 3\n", 1 }, { s.out, s.code })
      assert.matches("^argument 1: exit code 1: [^\n]*\n$", s.err)
      map.file("runs", "")
      s = map.run [[-j1 --retries 5 -x 'echo {} >> runs; test $(grep -c a runs) != 1' ::: a b]]
      assert.same({ out = "", err = "", code = 0 }, s)
      assert.equal("a\nb\na\nb\n", map.contents "runs")
    end)

    it("although those that wait for it leave no room", function()
      -- 16 MiB may wait for a line: when it failed then, nothing was started any more, not even that line.
      local s = map.shell("timeout 60 " .. map.program .. [[ map -j2 --retries 2 '
        if _ == "2" then return ("x"):rep(20000000) end
        if _ == "3" then io.open("third", "w"):close() end
        if _ == "1" and not io.open "tried" then
          repeat require "tine".sleep(0.01) until io.open "third" -- so the second has ended
          io.open("tried", "w"):close()
          error "first"
        end' ::: 1 2 3 | wc -c]])
      assert.same({ "", 20000001 }, { s.err, tonumber(s.out) })
    end)

    it("of functions, also after a crash", function()
      local s = map.run([[--retries 2 '
        if not io.open "seen" then io.open("seen", "w"):close() os.exit(1) end
        return _']], "1\n")
      assert.same({ out = "1\n", err = "", code = 0 }, s)
    end)
  end)

  it("with --delay starts one after the other", function()
    local s = map.run [[-j4 --delay 0.01 -x 'echo {}' ::: a b c d e f]]
    assert.same({ out = "a\nb\nc\nd\ne\nf\n", err = "", code = 0 }, s)
  end)

  it("with --delay does not wait after the last start, nor before one that is none", function()
    -- The clock was looked at before it was known that nothing is left.
    local s = map.shell("timeout 60 " .. map.program .. " map --delay 600 -x 'echo {}' ::: a")
    assert.same({ out = "a\n", err = "", code = 0 }, s)
    s = map.shell("timeout 60 " .. map.program .. " map -j2 --delay 600 --halt soon,done=1 -x 'echo {}' ::: a b")
    assert.same({ out = "a\n", err = "", code = 0 }, s)
  end)

  describe("with --halt", function()
    it("prints what ends behind a line that was to be run again", function()
      -- The line that was dropped kept its place, and what came after it was never printed.
      local s = map.run([[-j2 --retries 2 --delay 0.6 --halt soon,done=1 -x 'case {} in
        1) until test -e two; do sleep 0.01; done; test -e failed || { touch failed; exit 1; };;
        2) touch two; until test -e failed; do sleep 0.01; done; sleep 0.1; echo {};; esac' ::: 1 2]])
      assert.same({ out = "2\n", err = "", code = 0 }, s)
    end)

    it("now: ends what runs", function()
      local s = map.run "-j2 --halt now,fail=1 -x 'echo {}; test {} = 1 || exec sleep 60; exit 3' ::: 2 1 3"
      assert.same({ out = "1\n", err = "argument 2: exit code 3: echo 1; test 1 = 1 || exec sleep 60; exit 3\n",
        code = 1 }, s)
    end)

    it("soon: starts nothing more", function()
      local s = map.run("-j1 --halt soon,fail=2 'if tonumber(_) then error(\"no\", 0) end return _'", "a\n1\nb\n2\nc\n")
      assert.same({ out = "a\nb\n", err = "stdin:2: no\nstdin:4: no\n", code = 1 }, s)
    end)

    it("at the first success", function()
      local s = map.run "-j1 --halt now,success=1 -x 'test {} = 2 && echo {}' ::: 1 2 3"
      assert.same({ "2\n", 0 }, { s.out, s.code })
    end)

    it("at a share", function()
      local s = map.run "-j1 --halt soon,fail=50% -x 'echo {}; test {} -lt 3' ::: 1 2 3 4 5 6"
      assert.same({ "1\n2\n3\n4\n", 1 }, { s.out, s.code })
    end)

    it("never", function()
      assert.equal("1\n2\n", map.run("--halt never -x 'echo {}; false' ::: 1 2").out)
    end)
  end)

  describe("with --joblog", function()
    it("writes parallel's columns", function()
      map.run "--joblog log -j1 -x 'printf abc; exit {}' ::: 0 3"
      assert.same({ "1 0 3 0 0 printf abc; exit 0", "2 0 3 3 0 printf abc; exit 3" }, joblog "log")
      map.run "--joblog log -x 'kill -{} $$' ::: 9"
      assert.same({ "1 0 0 0 9 kill -9 $$" }, joblog "log")
      map.run "--joblog log --timeout 0.1 -x 'sleep {}' ::: 100"
      assert.same({ "1 0 0 -1 15 sleep 100" }, joblog "log")
      map.run("--joblog log --pipe -N2 -x cat", "1\n2\n3\n")
      assert.same({ "1 4 4 0 0 cat", "2 2 2 0 0 cat" }, joblog "log")
    end)

    it("says when one began that was killed, and how long it ran", function()
      -- The time that it had waited for a worker was counted.
      map.run "--joblog log -j1 --timeout 0.3 -x 'sleep 60; :' ::: a b"
      local first, first_ran, second = map.contents("log")
        :match "\n1\t:\t([%d.]+)\t *([%d.]+)\t.*\n2\t:\t([%d.]+)\t"
      assert.is_true(tonumber(second) >= first + first_ran - 0.002, map.contents "log")
    end)

    it("leaves the joblog as it is with --dry-run", function()
      -- It was emptied.
      map.run "--joblog kept -x 'test {} = 1' ::: 1 2"
      local before = map.contents "kept"
      for options, expected in pairs { [""] = "echo 1\necho 2\necho 3\n", ["--resume "] = "echo 3\n",
                                       ["--resume-failed "] = "echo 2\necho 3\n" } do
        assert.same({ out = expected, err = "", code = 0 },
          map.run("--dry-run --joblog kept " .. options .. "-x echo ::: 1 2 3"))
        assert.equal(before, map.contents "kept")
      end
      assert.equal("echo 1\n", map.run("--dry-run --joblog none-yet --resume -x echo ::: 1").out)
      assert.equal("none\n", map.shell("test -e none-yet || echo none").out)
    end)

    -- Its times had a comma then, and those of lines that ran too long a point.
    it("has points in its times, whatever locale FUNCTION has set", function()
      local locale = comma_locale()
      if not locale then return pending "a locale with a decimal comma" end
      local s = map.run(("--joblog log 'os.setlocale %q return 0.5'"):format(locale), "a\n")
      assert.equal("0,5\n", s.out)
      assert.equal(1, #joblog "log")
    end)

    it("of functions too", function()
      map.run([[--joblog log 'if _ == "b" then error "x" elseif _ == "c" then os.exit(2) end return _']], "a\nb\nc\n")
      local list = joblog "log"
      for i, line in ipairs(list) do list[i] = line:match "^%S+ %S+ %S+ %S+ %S+" end
      table.sort(list) -- lines are in the order of the ends
      assert.same({ "1 0 2 0 0", "2 0 0 1 0", "3 0 0 2 0" }, list)
      local input = {}
      for i = 1, 3000 do input[i] = i .. "\n" end
      map.run("--joblog log _", table.concat(input))
      list = joblog "log"
      assert.equal(3000, #list)
      table.sort(list)
      assert.equal("999 0 4 0 0 _ 999", list[3000])
    end)

    it("does not run again what is in it", function()
      map.file("log", "")
      local command = "-j1 --joblog log %s -x 'echo {}; exit {}' ::: 0 1 0 0"
      map.run("-j1 --joblog log -x 'echo {}; exit {}' ::: 0 1")
      local s = map.run(command:format "--resume")
      assert.same({ out = "0\n0\n", err = "", code = 0 }, s)
      s = map.run(command:format "--resume-failed")
      assert.same({ "1\n", 1 }, { s.out, s.code })
      assert.equal(5, #joblog "log")
      assert.same({ "", 0 }, { map.run(command:format "--resume").out, s.code - 1 })
      assert.equal("0\n1\n0\n0\n", map.run(command:format "").out) -- begins anew
    end)

    it("resumes functions, whatever the size of their blocks", function()
      local input = {}
      for i = 1, 2000 do input[i] = i .. "\n" end
      map.run("--joblog log _", table.concat(input, "", 1, 700))
      assert.is_true(map.run("--resume --joblog log _", table.concat(input)).out == table.concat(input, "", 701))
      assert.equal(2000, #joblog "log")
    end)

    it("cuts off a line that was torn", function()
      map.run("--joblog log -x 'echo {}' ::: a b")
      map.file("log", map.contents "log" .. "3\t:\t17")
      assert.equal("c\n", map.run("--resume --joblog log -x 'echo {}' ::: a b c").out)
      assert.equal(3, #joblog "log")
    end)

    it("refuses what is none", function()
      map.file("log", "something\n")
      local s = map.run "--resume --joblog log -x true ::: a"
      assert.same({ out = "", err = "tine map: log is no joblog: something\n", code = 2 }, s)
    end)

    it("refuses what it cannot cut off", function()
      assert.same({ out = "", err = "tine map: cannot cut the joblog /dev/null: Invalid argument\n", code = 2 },
        map.run "--resume --joblog /dev/null -x true ::: a")
    end)

    it("goes on after kill -9, each job done once", function()
      local input = {}
      for i = 1, 40 do input[i] = i .. "\n" end
      map.file("numbers", table.concat(input))
      local line = ("cd %s; exec %s map -j2 --joblog killed -x 'test {} -le 20 || sleep 60; echo {} >> done' numbers")
        :format(map.folder, map.program)
      local p = program.start(("os.execute(%q)"):format(line .. " & echo $! > pid; wait"))
      eventually(function()
        return exists "killed" and #map.contents "killed" >= #HEADER and #joblog "killed" == 20
      end, "twenty lines in the joblog")
      os.execute(("kill -9 $(cat %s/pid)"):format(map.folder))
      p:close()
      local s = map.run "-j2 --resume --joblog killed -x 'echo {} >> done' numbers"
      assert.same({ out = "", err = "", code = 0 }, s)
      local seen = {}
      for n in map.contents "done":gmatch "%d+" do seen[#seen + 1] = tonumber(n) end
      table.sort(seen)
      for i = 1, 40 do assert.equal(i, seen[i]) end
      assert.equal(40, #seen)
    end)
  end)

  describe("with --results", function()
    it("keeps what commands write", function()
      local s = map.run "--results r -x 'echo {1}{2}; echo e >&2' ::: a/b ::: c"
      assert.equal("a/bc\n", s.out)
      assert.same({ "a/bc\n", "e\n", "1" }, { map.contents "r/1/a\\_b/2/c/stdout", map.contents "r/1/a\\_b/2/c/stderr",
        map.contents "r/1/a\\_b/2/c/seq" })
      map.run "--results r --header : -x 'echo {n}' ::: n 7"
      assert.equal("7\n", map.contents "r/n/7/stdout")
      map.run "--results r/s --header : -x 'echo {1}' ::: ../a 8" -- it was kept in r/a
      assert.equal("8\n", map.contents "r/s/..\\_a/8/stdout")
    end)

    it("keeps of each line only the last run", function()
      for _, how in ipairs { "", "--line-buffer " } do -- which added to what was there
        for _ = 1, 2 do map.run(how .. "--results last --retries 2 -x 'echo {}; false' ::: a") end
        assert.equal("a\n", map.contents "last/1/a/stdout")
      end
    end)

    it("in files of any name", function()
      map.run "--results 'out_{/.}.txt' -x 'echo {}; echo e >&2' ::: d/a.c"
      assert.same({ "d/a.c\n", "e\n" }, { map.contents "out_a.txt", map.contents "out_a.txt.err" })
    end)

    it("says that its folder cannot be made, and leaves the joblog as it is", function()
      map.file("log", "mine\n")
      local s = map.run("--joblog log --results stdin/x _ ::: a")
      assert.same({ "tine map: cannot write results: stdin: Not a directory\n", 2 }, { s.err, s.code })
      assert.equal("mine\n", map.contents "log")
    end)

    it("keeps what functions give", function()
      map.run([[--results r 'if _ == "2" then error("no", 0) end return _ + 1']], "1\n2\n")
      assert.same({ "2\n", "", "" }, { map.contents "r/1/1/stdout", map.contents "r/1/1/stderr",
        map.contents "r/1/2/stdout" })
      assert.equal("stdin:2: no\n", map.contents "r/1/2/stderr")
    end)

    it("keeps it also when nothing is to be printed", function()
      for _, what in ipairs { "_", "-x 'echo {}'" } do -- of functions the files were empty
        assert.same({ out = "", err = "", code = 0 }, map.run("-q --results q " .. what .. " ::: a"))
        assert.equal("a\n", map.contents "q/1/a/stdout")
        os.remove(map.folder .. "/q/1/a/stdout")
      end
    end)
  end)

  describe("prints a result", function()
    it("before the next line of a slow input comes", function()
      -- the input waits for the output
      local s = map.shell(([[mkfifo in; { echo a; until grep -q A out; do sleep 0.01; done; echo b; } > in & ]] ..
        [[%s map '_:upper()' < in > out; wait; cat out]]):format(map.program))
      assert.same({ "A\nB\n", 0 }, { s.out, s.code })
      s = map.shell(([[rm out; { echo c; until grep -q c out; do sleep 0.01; done; echo d; } > in & ]] ..
        [[%s map -x echo < in | cat > out; wait; cat out]]):format(map.program))
      assert.same({ "c\nd\n", 0 }, { s.out, s.code })
    end)

    it("before somebody writes into the named pipe that comes next", function()
      -- Opening the pipe waited for the writer, and all else with it.
      map.file("first", "a\n")
      local s = map.shell(("rm -f out; mkfifo next; { until grep -q A out; do sleep 0.01; done; echo b > next; } & " ..
        "timeout 60 %s map '_:upper()' first next > out; wait; cat out"):format(map.program))
      assert.same({ "A\nB\n", 0 }, { s.out, s.code })
    end)
  end)

  describe("ends", function()
    it("when nobody reads on, though its input is silent", function()
      local s = map.shell(("mkfifo silent; (exec 9<>silent; { %s map _ <silent; echo $? >&2; } | head -n 1 & " ..
        "echo a >silent; wait)"):format(map.program))
      assert.same({ out = "a\n", err = "141\n", code = 0 }, s)
    end)

    it("with 2 when something cannot be written", function()
      local s = map.shell(map.program .. " map -x echo ::: a > /dev/full")
      assert.same({ out = "", err = "tine map: write error: No space left on device\n", code = 2 }, s)
      s = map.run "--joblog /dev/full -x echo ::: a"
      assert.same({ out = "", code = 2,
        err = "tine map: cannot write the joblog /dev/full: No space left on device\n" }, s)
      -- a worker that could not write kept the lock: the other one waited for it for ever
      s = map.shell("timeout 60 " .. map.program .. " map -j2 --line-buffer -x 'echo {}' ::: 1 2 > /dev/full")
      assert.same({ out = "", err = "tine map: write error: No space left on device\n", code = 2 }, s)
      s = map.run "--results /dev/null/x -x echo ::: a"
      assert.same({ "", 2 }, { s.out, s.code })
      assert.equal("tine map: cannot write results: /dev/null: Not a directory\n", s.err)
    end)

    it("with 2 when a result has no file, and with all that is done printed and in the joblog", function()
      -- There was a traceback, and what was printed was not in the joblog.
      assert(os.execute(("mkdir -p %s/taken/5 %s/held/1/a/stdout"):format(map.folder, map.folder)))
      for _, what in ipairs { "_", "-x 'echo {}'" } do
        local s = map.run("-j1 --joblog taken.log --results 'taken/{}' " .. what, "1\n2\n3\n4\n5\n6\n")
        assert.same({ "tine map: cannot write results: taken/5: Is a directory\n", 2 }, { s.err, s.code })
        assert.matches("^1\n2\n", s.out)
        local logged = map.contents("taken.log"):gsub("^[^\n]*\n", ""):gsub("\t[^\n]*", "")
        assert.equal(s.out, logged)
      end
      for _, what in ipairs { "_", "-x 'echo {}'", "--line-buffer -x 'echo {}'" } do
        local s = map.run("--results held " .. what .. " ::: a")
        assert.same({ out = "", code = 2, err = "tine map: cannot write results: held/1/a/stdout: Is a directory\n" },
          s)
      end
    end)

    it("as always when its trace cannot be written, and says so", function()
      local s = map.run "--trace /dev/full _ ::: a"
      assert.same({ "a\n", 0 }, { s.out, s.code })
      assert.matches("the trace '/dev/full' ends here, the program goes on: ", s.err, 1, true)
    end)

    it("with 2 when its standard output is closed, and its joblog is not taken for it", function()
      local s = map.run "--joblog closed.log -x 'echo {}' ::: a b >&-"
      assert.same({ "tine map: write error: Bad file descriptor\n", 2 }, { s.err, s.code })
      assert.equal(HEADER, map.contents "closed.log")
      assert.equal(2, map.run "-x 'echo {}' ::: a >&-".code)
    end)

    -- Few commands tell: their output was cut off, the exit code was 0, and --resume did not run them again.
    it("with 2 when what commands write does not fit where it is held, or into --results", function()
      map.shell "mkdir -p small"
      local on_small = "unshare -rm sh -c 'mount -t tmpfs -o size=64k tmpfs small 2>/dev/null && %s'"
      if not map.shell(on_small:format "echo yes").out:find "yes" then return pending "a disk of its own" end
      local command = "TMPDIR=$PWD/small " .. map.program:gsub("'", "") .. " map "
      local function run(options) return map.shell(on_small:format(command .. options .. " -x sh ::: unheard")) end
      map.file("unheard", "yes | head -c 200000 2>/dev/null; true")
      for how, message in pairs {
        [""] = "cannot hold what commands write", ["--results small/r"] = "cannot write results",
        ["-q --results small/r/{}/out"] = "cannot write results",
      } do
        local s = run("--joblog small.log " .. how)
        assert.same({ ("tine map: %s: No space left on device\n"):format(message), 2 }, { s.err, s.code })
        assert.equal(HEADER, map.contents "small.log")
      end
      assert.same({ out = "", err = "", code = 0 }, run "-q")
    end)

    -- Each command failed, of which the joblog told, or wrote into a file of another process.
    it("with 2 when /proc does not lead workers to its files", function()
      for _, how in ipairs { "", "--line-buffer", "--results r" } do
        local s = map.shell(("unshare -rpf --kill-child %s map --joblog astray.log %s -x echo ::: a b"):format(
          map.program, how))
        if s.err:find "^unshare: " then return pending "a pid namespace of its own" end
        assert.matches("^tine map: workers cannot open a file of this program: /proc/1/fd/%d+: [^\n]+\n$", s.err)
        assert.same({ "", 2, HEADER }, { s.out, s.code, map.contents "astray.log" })
      end
    end)

    -- The other process that has the pipe may have made it non-blocking: then the wait for room went on after Ctrl-C.
    for how, first in pairs {
      [""] = ":",
      [", which does not block"] = map.program .. [[ -e 'require "spec.support.posix".nonblocking(1)']],
    } do
      it("with 130 after Ctrl-C while nobody reads its output" .. how, function()
        local command = map.program .. [[ map 'string.rep("x", 100000)' ::: $(seq 50)]]
        local line = "exec 3>&1; { " .. first .. "; " .. command .. " & echo $! >&3; wait $!; echo $? >&3; } | sleep 4"
        local p = program.start("os.execute('exec bash -m -c ' .. arg[1])", { args = { program.quote(line) } })
        local pid = tonumber(p:line())
        eventually(function() return posix.unread("/proc/" .. pid .. "/fd/1") == PIPE end, "a full pipe")
        processes.signal("INT", pid)
        assert.equal("130", p:line())
        p:close()
      end)
    end

    it("with 130 after Ctrl-C, and leaves nothing", function()
      local line = ("cd %s; exec %s map -x 'echo x > started; sleep 60; : {}' ::: a b"):format(map.folder, map.program)
      local p = program.start("print(select(3, os.execute(arg[1])))", { args = { line } })
      eventually(function() return exists "started" end, "a start")
      for _, stat in ipairs(p:processes()) do
        if stat.name == "tine" then processes.signal("INT", stat.pid) end
      end
      local ended = p:close()
      assert.same({ "130\n", "" }, { ended.out, ended.err })
    end)
  end)

  it("refuses what does not go together", function()
    for arguments, message in pairs {
      ["--resume _"] = "--resume needs --joblog",
      ["-N 3 _"] = "-N needs --pipe",
      ["--line-buffer _"] = "--line-buffer needs -x",
      ["-x cat file ::: a"] = "there are files and arguments",
      ["-x cat ::: a :::: file"] = "'::::' is not known here", -- was two more arguments
      ["_ ::::+ file"] = "'::::+' is not known here",
      ["-x cat :::: file ::: a"] = "'::::' is not known here: files are named without it; in combinations: ::: $(",
      ["--halt soon _"] = "option '--halt' needs never",
      ["--block 1x --pipe _"] = "option '--block' needs a number of bytes",
      ["--block 9999999999T --pipe _"] = "option '--block' needs a number of bytes", -- ended with a traceback
      ["--colsep 'x*' _"] = "option '--colsep' needs a pattern",
      ["--timeout -1 _"] = "option '--timeout' needs a number of seconds",
      ["--progress=5 _"] = "unrecognized option '--progress=5'",
      ["-n 3 -x echo"] = "-n is for FUNCTION", -- xargs -n 3: it was left aside
      ["-x"] = "option '-x' needs COMMAND\n",
      -- what users of parallel and xargs type
      ["-a file -x echo"] = "unrecognized option '-a': files are named behind FUNCTION or -x COMMAND",
      ["-L2 _"] = "unrecognized option '-L2': a command gets one line",
      ["--retry=3 _"] = "unrecognized option '--retry=3': --retries N",
      ["--link -x echo"] = "unrecognized option '--link': arguments behind :::+ go in step",
      ["--shuf _"] = "unrecognized option '--shuf': shuf FILE | tine map ...",
      ["--tagstring={1} _"] = "unrecognized option '--tagstring={1}': --tag",
      ["-X -x echo"] = "unrecognized option '-X': a command gets one line; --pipe",
      ["-S host -x echo"] = "unrecognized option '-S': commands run here; tine serve",
      ["--results '' _"] = "option '--results' needs a folder", -- it wrote into /
      ["--csv --colsep '' _"] = "--csv has a --colsep of 1 to 16 bytes",
      ["--dry-run --joblog . --resume _"] = "cannot read the joblog .: Is a directory", -- ended with a traceback
      ["--results r.csv _"] = "option '--results' needs a folder (one with such a name ends in '/'; --joblog FILE",
      ["::: 'echo a'"] = "FUNCTION is missing (or -x COMMAND; lines that are commands: -x 'sh -c {}')",
      ["'gzip {} now'"] = "FUNCTION:1: <eof> expected near 'now' (a command is given with -x)",
      -- parallel echo ::: a b; it printed nothing and was a success
      ["echo ::: a b"] = "FUNCTION: there is no 'echo' in Lua (a command is given with -x)",
    } do
      local s = map.run(arguments)
      assert.same({ "", 2 }, { s.out, s.code })
      assert(s.err:find("tine map: " .. message, 1, true), arguments .. ": " .. s.err)
    end
  end)

  -- All of them were taken, for what Lua's tonumber makes of them; a share of 101 % was never reached.
  it("takes numbers in digits only", function()
    for options, values in pairs {
      ["-n"] = { " 3", "3 ", "+3", "0x3", "3.0", "1e2" },
      ["--retries"] = { "0x2", "2.0" },
      ["--timeout"] = { "0x10", " 1", "1e", "1e999", "+1", "." },
      ["--delay"] = { "0x0", "-1" },
      ["--pipe --block"] = { "1.5.5K", "." },
      ["-j"] = { "0x2", " 2" },
      ["--halt"] = { "soon,fail=101%", "now,done=0%", "now,fail=0x1" },
    } do
      for _, value in ipairs(values) do
        local s = map.run(("%s '%s' _ ::: a"):format(options, value))
        assert.same({ "", 2 }, { s.out, s.code }, options .. value)
        assert.matches("tine map: option '" .. options:match "%S+$" .. "' needs ", s.err, 1, true)
      end
    end
    for _, options in ipairs {
      "--timeout .5", "--timeout 5.", "--timeout 1e1", "--delay 0.00", "--delay 1e-05", "--retries 007",
      "--halt soon,fail=100%", "--halt now,done=1", "-j -9223372036854775807", "--pipe --block 1.5K",
    } do
      local s = map.run(options .. " _", "a\n")
      assert.same({ "a\n", "", 0 }, { s.out, s.err, s.code }, options)
    end
    for _, most in ipairs { "9223372036854775807%", "+9223372036854775807" } do -- was 1 worker
      assert.matches("needs at most 4095 workers", map.run("-j " .. most .. " _ ::: a").err)
    end
  end)

  it("takes a name that means something for FUNCTION", function()
    assert.equal("true\n", map.run("true ::: a").out)
    assert.same({ "", 0 }, { map.run("nil ::: a").out, map.run("nil ::: a").code })
    assert.equal("1\na\n", map.run("_n ::: a").out .. map.run("_1 ::: a").out)
    assert.equal("b\n", map.run("--header : name ::: name b").out)
  end)

  -- The line of --progress stood before each line of output: "1 lines, 0.0 MB, 2.1 lines/s1".
  it("does not print behind the line of --progress on a terminal", function()
    local s = map.shell(("script -qec %s /dev/null"):format(shell.quote(
      map.program .. " map -j1 --progress -x 'sleep 0.11; echo out; echo err >&2; false' ::: 1 2 3")))
    local lines = s.out:gsub("\r\n", "\n"):gsub("[^\n]*\r\27%[K", "")
    for line in lines:gmatch "[^\n]+" do
      if line:find "out" or line:find "err" or line:find "argument" then
        assert.is_nil(line:find "lines/s", line)
      end
    end
    assert.equal(3, select(2, lines:gsub("%f[^\n\0]out\n", "")))
    assert.matches("3 lines, .*, 3 failed", s.out)
  end)

  -- Arguments were of no known number; and of a batch that was resumed, what had been done counted as still to come.
  it("tells with --progress which part of the work is done", function()
    local command = "-j1 --joblog share.log --progress -x 'sleep 0.11; echo {}' ::: 1 2 "
    assert.matches("1 lines, .*, 50 %%, [^\r]* left.*2 lines, ", map.run(command).err)
    local s = map.run("--resume " .. command .. "3 4 5 6")
    assert.matches("1 lines, .*, 25 %%, .*, 50 %%, .*, 75 %%, .*4 lines, ", s.err)
  end)

  -- "Too many open files", in the middle of it all: there were twice as many commands under way, and the file that each
  -- worker has was not counted.
  it("opens a pipe with --progress when its turn comes, and once", function()
    -- It was opened for its size, too, and closed: what writes into it died of SIGPIPE, and the program waited for it.
    map.file("lines", "1\n2\n3\n4\n")
    local s = map.shell("mkfifo late; { : > opened; echo 5; } > late & timeout 60 " .. map.program ..
      " map --progress -j1 -x 'test {} != 1 || test ! -e opened && echo {}' lines late")
    assert.same({ "1\n2\n3\n4\n5\n", 0 }, { s.out, s.code }, s.err)
  end)

  it("has as many commands at a time as files may be open, and refuses more", function()
    local function run(files, jobs)
      return map.shell(("ulimit -n %d; seq 60 | %s map -j%d -x 'sleep 0.01; echo'"):format(files, map.program, jobs))
    end
    for files, most in pairs { [80] = 9, [128] = 21 } do
      local s = run(files, most)
      assert.same({ 60, "", 0 }, { select(2, s.out:gsub("\n", "")), s.err, s.code })
      s = run(files, most + 1)
      assert.same({ "", 2 }, { s.out, s.code })
      assert.equal(("tine map: %d commands at a time want more open files than are allowed (ulimit -n): "
        .. "at most %d are possible\n"):format(most + 1, most), s.err)
    end
  end)

  -- Without files for outputs there was no limit: "pipe: Too many open files", when the workers were there.
  it("has as many workers as files may be open, and refuses more", function()
    for _, what in ipairs { "-n1 _", "--line-buffer -x echo" } do
      local function run(jobs)
        return map.shell(("ulimit -n 64; seq 40 | %s map %s %s"):format(map.program, jobs, what))
      end
      local s = run "-j32"
      assert.same({ 40, "", 0 }, { select(2, s.out:gsub("\n", "")), s.err, s.code })
      s = run "-j33"
      assert.same({ "", 2 }, { s.out, s.code })
      assert.equal("tine map: 33 workers at a time want more open files than are allowed (ulimit -n): "
        .. "at most 32 are possible\n", s.err)
    end
    local s = map.shell(("ulimit -n 34; %s map -x echo ::: a b"):format(map.program)) -- no -j: so many as there can be
    assert.same({ "a\nb\n", "", 0 }, { s.out, s.err, s.code })
  end)

  it("has as many workers as are asked for", function()
    local n = tonumber(map.shell("nproc").out)
    local function workers(option)
      local s = map.run(option .. " -x 'echo {%}; sleep 0.0{#}; : {}'", ("x\n"):rep(6 * n))
      local seen, count = {}, 0
      for id in s.out:gmatch "%d+" do
        count = count + (seen[id] and 0 or 1)
        seen[id] = true
      end
      return count
    end
    assert.equal(n + 1, workers "-j +1")
    assert.equal(math.max(n - 1, 1), workers "-j -1")
    assert.equal(2 * n, workers "--jobs 200%")
    assert.equal(1, workers "-P1")
  end)
end)
