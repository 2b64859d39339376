-- Every program on the page docs/embedding.md compiles without a warning and prints what the page says; and
-- every function of the C library is declared with a contract and shown or named somewhere.
-- timeout: 180
local markdown = require "spec.support.markdown"
local shell = require "spec.support.shell"
local quote = shell.quote

local root = os.getenv "TINE_SOURCE_DIR" or "."
local tree = assert(os.getenv "TINE_TREE", "run with scripts/test")
local sanitizer = os.getenv "TINE_SANITIZE" or ""

local COMPILER = {
  c = "cc -std=gnu11 -Wall -Wextra -Wmissing-prototypes",
  cpp = "c++ -std=c++11 -Wall -Wextra -pedantic",
}

describe("docs/embedding.md", function()
  if sanitizer ~= "" then return pending "a program that is not built with the sanitizer cannot load the library" end

  local folder, flags = os.tmpname(), nil
  setup(function()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    flags = shell.run("pkg-config --cflags --libs lua5.4 msgpack-c || pkg-config --cflags --libs lua5.4 msgpack").out
      :gsub("\n", " ")
  end)
  teardown(function() os.execute("rm -r " .. folder) end)

  local blocks, programs = markdown.blocks(root .. "/docs/embedding.md"), 0
  for i, block in ipairs(blocks) do
    local compiler = COMPILER[block.info]
    if compiler then
      programs = programs + 1
      it("has a program at line " .. block.line, function()
        local following = blocks[i + 1]
        assert.equal("text", following and following.info)
        markdown.write(folder, "program." .. block.info, block.text)
        local compiled = markdown.run(folder,
          ("%s -Werror -I%s/include program.%s -o program -L%s/lib -ltine %s -Wl,-rpath,%s/lib")
          :format(compiler, quote(root), block.info, quote(tree), flags, quote(tree)))
        assert(compiled.code == 0, compiled.err)
        local got = markdown.run(folder, "./program")
        assert(got.code == 0, "exit code " .. got.code .. "\n" .. got.out .. got.err)
        assert.equal("", got.err)
        assert(markdown.matches(following.text, got.out), got.out)
      end)
    end
  end

  it("has programs", function() assert.is_true(programs >= 8) end)
end)

describe("the public headers", function()
  for _, header in ipairs { "tine.h", "tine_lua.h" } do
    local text = shell.contents(root .. "/include/" .. header)

    it(header .. " say something about each function", function()
      local missing = {}
      local before = ""
      for line in text:gmatch "[^\n]*" do
        local name = line:match "^TINE_API [^;(]-([%w_]+)%("
        local documented = before:find "%*/$" or before:find "^TINE_API "
        if name and not documented then missing[#missing + 1] = name end
        before = line
      end
      assert.same({}, missing)
    end)

    it(header .. " are good C11, C++11 and C++20 by themselves", function()
      local name = os.tmpname()
      local compilers = { "cc -x c -std=c11 -pedantic", "c++ -x c++ -std=c++11 -pedantic", "c++ -x c++ -std=c++20" }
      for _, compiler in ipairs(compilers) do
        local s = shell.run(("echo '#include \"%s\"' > %s && %s -Wall -Wextra -Werror -fsyntax-only "
          .. "-I%s/include $(pkg-config --cflags lua5.4) %s")
          :format(header, name, compiler, quote(root), name))
        assert(s.code == 0, s.err)
      end
      os.remove(name)
    end)
  end
end)
