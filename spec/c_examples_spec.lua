-- The C examples (examples/c) print what they should.
local png = require "spec.support.png"
local shell = require "spec.support.shell"
local quote = shell.quote
local BUILD = assert(os.getenv "TINE_BUILD_DIR", "run with scripts/test")

local function example(command)
  local s = shell.run(quote(BUILD) .. "/examples/" .. command)
  assert(s.code == 0, command .. "\n" .. s.err)
  assert.equal("", s.err)
  return s.out
end

describe("the C example", function()
  it("render makes a picture", function()
    local width, height, expected = 64, 48, {}
    for y = 0, height - 1 do
      for x = 0, width - 1 do
        local cr, ci, zr, zi, n = 3.2 * x / width - 2.2, 2.4 * y / height - 1.2, 0.0, 0.0, 0
        while n < 255 and zr * zr + zi * zi < 4 do
          zr, zi, n = zr * zr - zi * zi + cr, 2 * zr * zi + ci, n + 1
        end
        expected[#expected + 1] = string.char(255 - n)
      end
    end
    local picture = png(example "render 64 48")
    assert.same({ width, height, 256 }, { picture.width, picture.height, #picture.palette })
    assert.is_true(table.concat(expected) == table.concat(picture.rows))
  end)

  it("tells its usage", function()
    for _, name in ipairs { "render", "threads", "server" } do
      assert.matches("^usage: " .. name, shell.run(quote(BUILD) .. "/examples/" .. name .. " --help 2>&1").out)
    end
  end)

  it("threads counts primes", function()
    assert.equal("25 primes up to 100\n", example "threads 100")
    assert.equal("9592 primes up to 100000\n", example "threads 100000")
  end)

  describe("server", function()
    local folder, port, pid

    setup(function()
      folder = os.tmpname()
      os.remove(folder)
      local s = shell.run(([[mkdir %s && cd %s && mkfifo port
        { %s/examples/server 0 > port 2> errors & echo $! > pid; }
        head -n 1 port]]):format(folder, folder, quote(BUILD)))
      port = assert(s.out:match "^(%d+)\n$", s.err)
      pid = shell.contents(folder .. "/pid"):match "%d+"
    end)

    teardown(function()
      os.execute("kill " .. pid)
      os.execute(("while kill -0 %s 2>/dev/null; do sleep 0.01; done"):format(pid))
      local errors = shell.contents(folder .. "/errors")
      os.execute("rm -r " .. folder)
      assert.equal("", errors)
    end)

    local function talk(lines, more)
      return ("printf %s | %s/tests/talk %s %s"):format(quote(lines), quote(BUILD), port, more or "")
    end

    it("answers each line, in their order", function()
      local s = shell.run(talk [[6 * 7\nstring.rep("ab", 3)\nnil + 1\n\n)\n{}..1\n]])
      assert.equal(0, s.code)
      local list = {}
      for line in s.out:gmatch "[^\n]*" do list[#list + 1] = line end
      assert.equal("42", list[1])
      assert.equal("ababab", list[2])
      assert.matches("^error: line:1: attempt to perform arithmetic on a nil value", list[3])
      assert.equal("nil", list[4])
      assert.matches("^error: ", list[5])
      assert.matches("^error: ", list[6])
    end)

    it("serves others while one computes", function()
      local s = shell.run(("{ %s & } ; %s; wc -c < %s/endless; wait; cat %s/endless"):format(
        talk([[(function() while true do end end)()\n]], "> " .. folder .. "/endless"), talk [[1 + 1\n]],
        folder, folder))
      assert.matches("^2\n0\nerror: source #%d+: the time allowed has passed\n$", s.out)
    end)

    it("goes on when a client leaves, and when a request is too much", function()
      shell.run(talk([[(function() while true do end end)()\n]], "& sleep 0.05; kill $!"))
      local lines = ("7 * 7\\n"):rep(300)
      assert.equal(("49\n"):rep(300), shell.run(talk(lines)).out)
      assert.equal("", shell.run(talk(("x"):rep(5000))).out)
      assert.equal("1\n", shell.run(talk "1\\n").out)
    end)
  end)
end)
