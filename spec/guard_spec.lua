-- The guard that every test runs under: it must see what goes wrong.
local shell = require "spec.support.shell"
local GUARD = shell.quote(os.getenv "TINE_BUILD_DIR" .. "/bin/guard")

local function guard(seconds, script)
  return shell.run(("GUARD_GRACE=0.5 %s %g sh -c %s"):format(GUARD, seconds, shell.quote(script)))
end

-- Of the process ids in a text, those that are alive.
local function alive(text)
  local list = {}
  for pid in text:gmatch "%d+" do
    if shell.run("kill -0 " .. pid).code == 0 then list[#list + 1] = pid end
  end
  return list
end

describe("the guard", function()
  it("gives the exit code of a test that leaves nothing", function()
    assert.same({ out = "fine\n", err = "", code = 0 }, guard(10, "echo fine"))
    assert.equal(3, guard(10, "exit 3").code)
    assert.equal(128 + 9, guard(10, "kill -9 $$").code)
    assert.equal(127, shell.run(GUARD .. " 1 /no/such/command").code)
  end)

  it("waits for processes that are about to end", function()
    assert.equal(0, guard(10, "(exec setsid sleep 0.1) >/dev/null 2>&1 & exit 0").code)
  end)

  it("shows, kills and reports what a test leaves behind", function()
    local s = guard(10, "(setsid sleep 1000 & echo $!) 2>/dev/null; exit 0")
    assert.equal(1, s.code)
    assert.matches("left 1 processes", s.err)
    assert.matches("sleep 1000", s.err)
    assert.same({}, alive(s.out))
  end)

  it("shows and kills a test that hangs, and all of its processes", function()
    local s = guard(0.3, "sleep 1000 & echo $!; (setsid sleep 2000 & echo $!); echo $$; wait")
    assert.equal(124, s.code)
    assert.matches("not finished after 0.3 seconds; 3 processes", s.err)
    assert.matches("sleep 1000", s.err)
    assert.matches("sleep 2000", s.err)
    assert.same({}, alive(s.out))
  end)

  it("reports shared memory that is left", function()
    local folder = os.tmpname() -- not the real one, where other tests would see it
    os.remove(folder)
    local s = shell.run(("mkdir %s && GUARD_SHM=%s %s 10 touch %s/a-tine-name"):format(folder, folder, GUARD, folder))
    os.execute("rm -r " .. folder)
    assert.equal(1, s.code)
    assert.matches(folder .. "/a-tine-name", s.err, 1, true)
  end)
end)
