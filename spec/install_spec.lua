-- What `cmake --install` puts where, and that it works from there: for plain lua5.4, for the host
-- program, for C programs that find it with pkg-config or find_package.
-- timeout: 120
local shell = require "spec.support.shell"
local quote = shell.quote

local BUILD = os.getenv "TINE_BUILD_DIR"
local SANITIZED = (os.getenv "TINE_SANITIZE" or "") ~= ""

-- Run, expect success, give the output.
local function ok(command, ...)
  local s = shell.run(command:format(...))
  assert(s.code == 0, command:format(...) .. "\n" .. s.out .. s.err)
  return s.out
end

describe("an installed tine", function()
  local folder, prefix

  local function file(name, text)
    local f <close> = assert(io.open(folder .. "/" .. name, "wb"))
    f:write(text)
  end

  -- Runs with nothing in the environment that leads to the build tree, from an empty folder.
  local function outside(command, ...)
    return ok("cd " .. quote(folder) .. "/elsewhere && env -u LUA_INIT -u LUA_PATH -u LUA_CPATH " .. command, ...)
  end

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    prefix = folder .. "/prefix"
    ok("mkdir -p %s/elsewhere", folder)
    ok("cmake --install %s --prefix %s/first", quote(BUILD), folder)
    ok("mv %s/first %s", folder, prefix) -- nothing may depend on where it was installed
    file("squares.lua", [[
local tine = require "tine"
local pool <close> = tine.pool { workers = 2, start_method = ... }
print(tine.version, pool:submit(function(n) return n * n end, 7):result())]])
  end)

  teardown(function() os.execute("rm -rf " .. folder) end)

  it("has its layout", function()
    local expected = {
      "bin/tine", "include/tine.h", "include/tine_lua.h", "lib/libtine.a", "lib/libtine.so", "lib/libtine.so.0",
      "lib/lua/5.4/tine/core.so", "lib/lua/5.4/tine/tine-helper", "lib/pkgconfig/tine.pc",
      "lib/cmake/tine/tineConfig.cmake", "lib/cmake/tine/tineConfigVersion.cmake", "share/lua/5.4/tine/init.lua",
    }
    for _, name in ipairs(expected) do ok("test -e %s/%s || { echo %s is missing; false; }", prefix, name, name) end
    for name in ok("cd lua && find tine -name '*.lua'"):gmatch "%S+" do
      ok("cmp lua/%s %s/share/lua/5.4/%s", name, prefix, name)
    end
  end)

  local lua_environment = "LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua' "
    .. "LUA_CPATH='%s/lib/lua/5.4/?.so' "
  for _, method in ipairs { "fork", "spawn" } do
    it("is found by plain lua5.4, with start_method " .. method, function()
      if SANITIZED then return pending "the module of a sanitizer build needs a host of the same" end
      local out = outside(lua_environment .. "lua5.4 ../squares.lua " .. method, prefix, prefix, prefix)
      assert.matches("^%d+%.%d+%.%d+\t49\n$", out)
    end)

    it("runs scripts with bin/tine, with start_method " .. method, function()
      assert.matches("^%d+%.%d+%.%d+\t49\n$", outside("%s/bin/tine ../squares.lua " .. method, prefix))
    end)
  end

  it("has tine map", function()
    assert.equal("A\n", outside("sh -c 'echo a | %s/bin/tine map \"_:upper()\"'", prefix))
  end)

  describe("serves C programs", function()
    if SANITIZED then return pending "the libraries of a sanitizer build need it in the program too" end

    setup(function()
      file("use.c", [[
#include <stdio.h>
#include <tine.h>

int main(void) {
    return printf("%s %s\n", TINE_VERSION, tine_error_kind(TINE_ECRASHED)) < 0;
}
]])
      file("CMakeLists.txt", [[
cmake_minimum_required(VERSION 3.18)
project(use C)
find_package(tine 0.1 REQUIRED)
add_executable(use_shared use.c)
target_link_libraries(use_shared PRIVATE tine::tine)
add_executable(use_static use.c)
target_link_libraries(use_static PRIVATE tine::tine_static)
]])
    end)

    local function runs(program)
      assert.matches("^%d+%.%d+%.%d+ crashed\n$", outside("LD_LIBRARY_PATH=%s/lib %s/%s", prefix, folder, program))
    end

    it("that find it with pkg-config", function()
      ok("cd %s && export PKG_CONFIG_PATH=prefix/lib/pkgconfig && "
        .. "cc -Wall -Werror -o use_pkg use.c $(pkg-config --cflags --libs tine) && "
        .. "cc -o use_pkg_static use.c $(pkg-config --cflags tine) prefix/lib/libtine.a "
        .. "$(pkg-config --libs --static tine | sed 's/-ltine//')", folder)
      runs "use_pkg"
      runs "use_pkg_static"
    end)

    it("that find it with find_package", function()
      ok("cd %s && cmake -S . -B use -DCMAKE_PREFIX_PATH=%s && cmake --build use", folder, prefix)
      runs "use/use_shared"
      runs "use/use_static"
    end)
  end)
end)
