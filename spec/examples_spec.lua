-- The examples do what they say: their output is checked against programs that Debian has for it.
local png = require "spec.support.png"
local program = require "spec.support.program"

local root = os.getenv "TINE_SOURCE_DIR" or "."
local quote = program.quote

local function output(command, ...)
  local pipe <close> = assert(io.popen(command:format(...)))
  return pipe:read "a"
end

-- Runs an example; `with` is "tine" or "lua5.4". The example itself is named, not copied.
local function run(with, name, ...)
  local ended = program.run(("arg[0] = %q dofile(arg[0])"):format(root .. "/examples/" .. name),
    { tine = with == "tine", args = { ... } })
  assert.equal("", ended.err)
  assert.equal("exit", ended.how)
  return ended.out, ended.code
end

-- A small tree of files with all sorts of names and contents.
local function make_tree()
  local folder = output("mktemp -d"):sub(1, -2)
  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end
  os.execute(("mkdir -p %s/sub/deeper"):format(folder))
  write("empty", "")
  write("one", "The quick brown fox. The lazy dog; THE end")
  write("sub/it's a 'name'", "quick-quick dog's dog\n1st 2nd the\n")
  write("sub/deeper/back\\slash", ("alpha beta\n"):rep(5000))
  write("sub/new\nline", "gamma")
  write("sub/deeper/bytes", "not a text \0 the the the")
  for _, size in ipairs { 55, 56, 63, 64, 65, 65536, 200000 } do
    write("sub/size" .. size, ("x y\n"):rep(size // 4 + 1):sub(1, size))
  end
  return folder
end

describe("quicksort.lua", function()
  for _, with in ipairs { "tine", "lua5.4" } do
    it("sorts with " .. with, function()
      assert.equal("50000 numbers in order\n", (run(with, "quicksort.lua", "50000")))
    end)
  end
end)

for _, with in ipairs { "lua5.4", "tine" } do
  describe("under " .. with .. " the example", function()
    local tree
    setup(function() tree = make_tree() end)
    teardown(function() os.execute("rm -r " .. quote(tree)) end)

    -- The same by grep, tr, sort, uniq.
    local TEXTS = "find %s -type f -print0 | LC_ALL=C xargs -0 grep -aLZP '\\x00' | xargs -0 "

    it("word_count counts as tr, sort and uniq do", function()
      local texts = TEXTS:format(quote(tree))
      local expected = output("%s", "export LC_ALL=C; " .. texts
        .. "sed '' | tr A-Z a-z | tr -cs a-z '\\n' | grep . | sort | uniq -c"
        .. " | sort -k1,1nr -k2 | head -20 | sed 's/^ *//'")
      local bytes = tonumber(output("%s", texts .. "cat | wc -c"))
      local out = run(with, "word_count.lua", tree)
      local counts = {}
      for line in out:gmatch "[^\n]+" do
        counts[#counts + 1] = line:match "^ *(%d+ %a+)$"
      end
      assert.equal(expected, table.concat(counts, "\n") .. "\n")
      local files, seen = out:match "(%d+) files, (%d+) bytes, [%d.]+ seconds"
      assert.equal(bytes, tonumber(seen))
      assert.equal(12, tonumber(files))
    end)

    it("word_count compares with one process alone", function()
      local out = run(with, "word_count.lua", "--compare", tree)
      assert.matches("one process alone: [%d.]+ seconds", out)
    end)

    it("checksum_tree writes what md5sum writes and accepts", function()
      local out, code = run(with, "checksum_tree.lua", tree)
      assert.equal(0, code)
      assert.equal(output("find %s -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum", quote(tree)), out)
      local sums = os.tmpname()
      local file = assert(io.open(sums, "wb"))
      file:write(out)
      file:close()
      assert.is_true((os.execute(("md5sum --check --status --strict %s"):format(sums))))
      os.remove(sums)
    end)

    it("tells its usage", function()
      for _, name in ipairs {
        "word_count", "checksum_tree", "pipeline", "mandelbrot", "recipes/jobs/run", "cluster", "histogram",
        "quicksort", "lookup",
      } do
        assert.matches("^usage: ", run(with, name .. ".lua", "--help"))
      end
    end)

    it("mandelbrot draws the picture that one process draws", function()
      local name = os.tmpname()
      local width, height = 90, 60
      local out = run(with, "mandelbrot.lua", width, height, name)
      assert.matches("90 x 60", out, 1, true)
      local pixels = {}
      for y = 0, height - 1 do
        for x = 0, width - 1 do
          local cr, ci = x * 3 / width - 2.25, (y - height / 2) * 3 / width
          local zr, zi, left = 0.0, 0.0, 255
          while left > 0 and zr * zr + zi * zi <= 4 do
            zr, zi, left = zr * zr - zi * zi + cr, 2 * zr * zi + ci, left - 1
          end
          pixels[#pixels + 1] = string.char(left)
        end
      end
      local file <close> = assert(io.open(name, "rb"))
      local picture = png(file:read "a")
      os.remove(name)
      assert.same({ 90, 60, "\0\0\0" }, { picture.width, picture.height, picture.palette[1] })
      local image = table.concat(picture.rows)
      assert.equal(#pixels, #image)
      local different = 0 -- points at the very edge may be rounded otherwise
      for i = 1, #image do
        if image:sub(i, i) ~= pixels[i] then different = different + 1 end
      end
      assert.is_true(different <= #image // 200, different)
    end)

    it("does not put a number of its own in the place of a wrong one", function()
      for _, name in ipairs {
        "quicksort", "lookup", "mandelbrot", "loops/luv", "loops/cqueues", "loops/copas",
      } do
        for _, wrong in ipairs { "x", "1.5", "-1" } do
          local ended = program.run(("arg[0] = %q dofile(arg[0])"):format(root .. "/examples/" .. name .. ".lua"),
            { tine = with == "tine", args = { wrong } })
          assert.matches("^[%a ]+ is a [^\n]*, not '" .. wrong:gsub("%p", "%%%0") .. "'\n$", ended.err)
          assert.same({ "", 2 }, { ended.out, ended.code })
        end
      end
    end)

    it("mandelbrot fails where its picture cannot be written", function()
      local ended = program.run(("arg[0] = %q dofile(arg[0])"):format(root .. "/examples/mandelbrot.lua"),
        { tine = with == "tine", args = { "90", "60", "/dev/full" } }) -- it was a success
      assert.matches("No space left on device", ended.err, 1, true)
      assert.same({ "", 1 }, { ended.out, ended.code })
    end)

    it("histogram counts every byte", function()
      local file = tree .. "/sub/size65536"
      assert.equal("65536 bytes\n", (run(with, "histogram.lua", file):match "^[^\n]*\n"))
      assert.matches("\nx +16384 ", run(with, "histogram.lua", file))
    end)

    it("lookup gives the same each way, and tells what it costs", function()
      local out = run(with, "lookup.lua", 2000)
      for _, way in ipairs { "upvalue", "preload", "share", "freeze" } do
        assert.matches("\n" .. way .. " +[%d.]+ ms +[%d.]+ ms +[%d.]+ MB\n", out)
      end
    end)

    it("pipeline survives bad data, a runaway and a dead worker", function()
      assert.equal([[
april: error: 'x' is not a number
july: sum 12
june: took too long
march: sum 49.5
may: sum 6
may: worker died of signal 11, once more
]], (run(with, "pipeline.lua")))
    end)
  end)
end

describe("checksum_tree", function()
  it("reports what it cannot read, and sums the rest", function()
    local tree = make_tree()
    -- Also root cannot read this one: it is gone between the listing and the reading.
    local find = output("mktemp -d"):sub(1, -2)
    local file = assert(io.open(find .. "/find", "w"))
    file:write(("#!/bin/sh\n/usr/bin/find \"$@\"\nprintf '%%s/gone\\0' %s\n"):format(quote(tree)))
    file:close()
    os.execute("chmod +x " .. find .. "/find")
    local ended = program.run(("arg[0] = %q dofile(arg[0])"):format(root .. "/examples/checksum_tree.lua"),
      { args = { tree }, before = "env PATH=" .. find .. ":\"$PATH\"" })
    assert.equal(1, ended.code)
    assert.matches("gone: No such file", ended.err, 1, true)
    assert.matches("/one\n", ended.out, 1, true)
    os.execute(("rm -r %s %s"):format(quote(tree), quote(find)))
  end)
end)
