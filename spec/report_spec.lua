-- tine report: what becomes of traces, whole and broken, and what is in the page.
local json = require "dkjson"
local tine = require "tine"
local eventually = require "spec.support.eventually"
local processes = require "spec.support.processes"
local program = require "spec.support.program"
local report = require "spec.support.command" "report"

describe("tine report", function()
  setup(report.setup)
  teardown(report.teardown)

  -- A trace of tasks of many kinds, as the file `name`.
  local function trace(name)
    local pool <close> = tine.pool { workers = 2, on_crash = "replace", trace = report.folder .. "/" .. name }
    local function double(x) return 2 * x end
    for _ in pool:map(double, { 1, 2, 3 }) do end -- luacheck: ignore
    pool:with { label = "</script><b>&\"x\"" }:submit(math.abs, 1):result(20)
    pool:with { label = "bad" }:submit(error, "no </script> \"such\"\nthing", 0):pcall()
    pool:with { label = "crash" }:submit(os.exit, 7):pcall()
    pool:with { label = "again", retry = { error = 1, delay = 0 } }:submit(error, "no"):pcall()
    return name
  end

  -- The data of a page, as its scripts read it.
  local function data_of(page)
    local text = page:match '<script type="application/json" id="data">(.-)</script>'
    return assert(json.decode(text))
  end

  it("makes one page that needs nothing from outside", function()
    local s = report.run(trace "t.json" .. " -o t.html")
    assert.same({ out = "", err = "", code = 0 }, s)
    local page = report.contents "t.html"
    assert.equal(page, report.run "t.json".out)
    assert.truthy(page:find "^<!doctype html>" and page:find "</html>%s*$")
    for _, outside in ipairs { "<link[^>]+href=\"[^d]", "%ssrc=", "@import", "url%(", "fetch%(", "import " } do
      assert.is_nil(page:find(outside))
    end
    for link in page:gmatch "https?://[^\"' <]+" do assert.equal("http://www.w3.org/2000/svg", link) end
    assert.is_nil(page:find("{{", 1, true))
  end)

  it("has all tasks in it, with labels, ends and errors", function()
    report.run(trace "all.json" .. " -o all.html")
    local data = data_of(report.contents "all.html")
    assert.equal(8, #data.tasks.row)
    assert.equal("all.json", data.file)
    assert.is_false(data.cut)
    local seen = {}
    for i, n in ipairs(data.tasks.name) do
      local k = ("%d"):format(i - 1)
      seen[#seen + 1] = { data.names[n + 1], data.hows[data.tasks.how[i] + 1], data.tasks.attempt[k] or 1,
                          data.tasks.index[k], data.tasks.error[k] }
    end
    table.sort(seen, function(a, b) return a[1] .. a[3] .. (a[4] or "") < b[1] .. b[3] .. (b[4] or "") end)
    assert.same({ '</script><b>&"x"', "finished", 1 }, seen[1])
    assert.same({ "again", "error", 1, nil, "no" }, seen[2])
    assert.same({ "again", "error", 2, nil, "no" }, seen[3])
    assert.same({ "bad", "error", 1, nil, 'no </script> "such"\nthing' }, seen[4])
    assert.same({ "crash", "crashed", 1 }, { seen[5][1], seen[5][2], seen[5][3] })
    assert.truthy(seen[5][5]:find "exit code 7")
    for i = 1, 3 do
      assert.truthy(seen[5 + i][1]:find "%[%] %(")
      assert.equal(i, seen[5 + i][4])
    end
  end)

  it("takes traces that are cut off anywhere behind their first event", function()
    trace "whole.json"
    local text = report.contents "whole.json"
    local first = text:find ",\n"
    for at = first + 2, #text - 4, 97 do
      report.file("cut.json", text:sub(1, at))
      local s = report.run "cut.json"
      assert.same({ "", 0 }, { s.err, s.code })
      assert.is_true(data_of(s.out).cut)
    end
    report.file("open.json", (text:gsub("%s*%]%s*$", "")))
    assert.equal(8, #data_of(report.run "open.json".out).tasks.row)
  end)

  it("says what is no trace", function()
    for text, message in pairs {
      [""] = "this is no trace: it is empty", ["hello\n"] = "this is no trace: it is no JSON array of events",
      ["[\n"] = "there are no events in it", ["[]"] = "there are no events in it",
      ["[1,2]"] = "this is no trace: what is in it are no events",
      ['[\n{"ph":"X" "ts":1},\n{}]'] = "this is no trace: no ',' or '}' in line 2",
      ['{"a":1}'] = "this is no trace: it is no JSON array of events",
      ['[{"ph":"X","name":"x","ts":1,"dur":1,"pid":1,"tid":1}]'] = "there is nothing of Tine in this trace",
      ['[{"ph":"X","cat":"task","name":"x","ts":1e400,"tid":1}]'] = "what is in it are no events of a trace",
      ['[{"ph":"X","cat":"task","name":5}]'] = "what is in it are no events of a trace",
      -- these ended with a traceback
      ['[{"ph":"X","cat":"task","name":"x","ts":1,"args":{"attempt":{}}}]'] = "what is in it are no events of a trace",
      ['[{"ph":"X","cat":"worker","name":"x","ts":1,"dur":1,"args":{"pid":1.5}}]'] =
        "what is in it are no events of a trace",
      ['[{"ph":"i","name":"x","ts":1,"args":{"signal":"x"}}]'] = "what is in it are no events of a trace",
      ['[{"ph":"M","name":"thread_sort_index","args":{"sort_index":"x"}}]'] = "what is in it are no events of a trace",
    } do
      report.file("x.json", text)
      local s = report.run "x.json -o x.html"
      assert.same({ out = "", err = "tine report: x.json: " .. message .. "\n", code = 2 }, s)
    end
    report.file("noise.json", ("\0\255[\"x"):rep(1000))
    assert.equal(2, report.run "noise.json".code)
  end)

  it("says what it cannot read or write, and what is wrong usage", function()
    trace "t.json"
    local s = report.run "none.json"
    assert.same({ "tine report: cannot read none.json: No such file or directory\n", 2 }, { s.err, s.code })
    report.shell "mkdir dir" -- as in "Is a directory": its name was left out
    assert.equal("tine report: cannot read dir: Is a directory\n", report.run "dir".err)
    s = report.run "t.json -o none/x.html"
    assert.same({ "tine report: cannot write none/x.html: No such file or directory\n", 2 }, { s.err, s.code })
    s = report.run "t.json -o /dev/full"
    assert.same({ "tine report: cannot write /dev/full: No space left on device\n", 2 }, { s.err, s.code })
    s = report.run "t.json >/dev/full"
    assert.same({ "tine report: cannot write the page: No space left on device\n", 2 }, { s.err, s.code })
    local usages <const> = { "", "t.json t.json", "-x t.json", "t.json -o", "t.json -o t.json", "-- t.json -o x.html" }
    for _, wrong in ipairs(usages) do
      s = report.run(wrong)
      assert.same({ "", 2 }, { s.out, s.code })
      assert.truthy(s.err:find "^tine report: ")
    end
    assert.equal(0, report.run "-o x.html -- t.json".code) -- "--" ended the options before the first operand only
    assert.truthy(report.run "--help".out:find "^usage: tine report")
  end)

  it("ends with 130 after Ctrl-C, which is no fault of the trace", function()
    local event = '{"name":"x","cat":"task","ph":"X","pid":1,"tid":1,"ts":1.5,"dur":1.5,"args":{"how":"error"}},\n'
    local text = "[\n" .. event:rep(100000) -- takes seconds
    report.file("large.json", text)
    local line = ("exec %s report %s/large.json"):format(report.program, report.folder)
    local p = program.start("print(select(3, os.execute(arg[1])))", { args = { line } })
    local pid
    eventually(function()
      for _, stat in ipairs(p:processes()) do pid = stat.name == "tine" and stat.pid or pid end
      return pid and tonumber(processes.read(("/proc/%d/io"):format(pid)):match "rchar: (%d+)") >= #text
    end, "a file that is read")
    local ticks = processes.ticks(pid)
    eventually(function() return processes.ticks(pid) >= ticks + 5 end, "work on its events")
    processes.signal("INT", pid)
    local ended = p:close()
    assert.same({ "130\n", "" }, { ended.out, ended.err })
  end)

  it("takes traces of tine map", function()
    local s = report.shell(("%s map --trace m.json '_:upper()' && %s report m.json"):format(
      report.program, report.program), "a\nb\n")
    assert.equal(0, s.code)
    assert.is_true(#data_of(s.out).tasks.row > 0)
    s = report.shell(report.program .. " map --trace none/m.json _", "a\n")
    assert.equal(2, s.code)
    assert.truthy(s.err:find "cannot open the trace")
  end)
end)
