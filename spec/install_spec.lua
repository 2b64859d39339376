-- What `cmake --install` puts where, and that it works from there: for plain lua5.4, for the host
-- program, for C programs that find it with pkg-config or find_package.
-- timeout: 120
local shell = require "spec.support.shell"
local quote, ok = shell.quote, shell.ok

local BUILD = os.getenv "TINE_BUILD_DIR"
local SANITIZED = (os.getenv "TINE_SANITIZE" or "") ~= ""

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
    -- the program has its commands inside
    for name in ok("cd lua && find tine -maxdepth 1 -name '*.lua'"):gmatch "%S+" do
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
      -- good C and good C++
      file("use.c", [[
#include <stdio.h>
#include <tine.h>

int main(int argc, char **argv) {
    tine_pool *pool;
    tine_future *future;
    size_t length = 0;
    tine_options options = TINE_OPTIONS_INIT;
    tine_task task = TINE_TASK_INIT;
    options.start_method = argc > 1 && argv[1][0] == 's' ? TINE_SPAWN : TINE_FORK;
    task.function = "return ... * 6";
    task.args = "\x91\x07";
    task.args_length = 2;
    if (tine_pool_open(&pool, &options) != 0 || tine_submit(pool, &task, &future) != 0)
        return 1;
    tine_future_wait(future, -1);
    const unsigned char *bytes = (const unsigned char *)tine_future_values(future, &length);
    printf("%s %s %d %s\n", TINE_VERSION, tine_version(), length == 2 ? bytes[1] : -1,
           tine_future_message(future));
    tine_future_free(future);
    tine_pool_close(pool);
    return 0;
}
]])
      ok("cp %s/use.c %s/use_cpp.cpp", folder, folder)
      file("use_lua.c", [[
#include <lauxlib.h>
#include <lualib.h>
#include <tine_lua.h>

int main(void) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "tine", luaopen_tine, 1);
    int failed = luaL_dostring(L, "local pool <close> = tine.pool(1) print(pool:submit(math.abs, -42):result())");
    lua_close(L);
    return failed;
}
]])
      file("CMakeLists.txt", [[
cmake_minimum_required(VERSION 3.18)
project(use C CXX)
find_package(tine 0.1 REQUIRED)
foreach(kind shared static)
  set(library tine::tine)
  if(kind STREQUAL static)
    set(library tine::tine_static)
  endif()
  foreach(source use.c use_cpp.cpp)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name}_${kind} ${source})
    target_link_libraries(${name}_${kind} PRIVATE ${library})
  endforeach()
endforeach()
add_executable(use_lua_static use_lua.c)
target_link_libraries(use_lua_static PRIVATE tine::tine_static)
]])
    end)

    local function run(program, ...)
      local helper = program:find "static" and "TINE_HELPER=%s/lib/lua/5.4/tine/tine-helper " or ": %s; "
      return outside("sh -c '" .. helper .. "LD_LIBRARY_PATH=%s/lib %s/%s " .. table.concat({ ... }, " ") .. "'",
        prefix, prefix, folder, program)
    end

    local function runs(program)
      for _, method in ipairs { "fork", "spawn" } do
        local header, library = run(program, method):match "^(%d+%.%d+%.%d+) (%S+) 42 \n$"
        assert.is_truthy(header, program .. " with " .. method)
        assert.equal(header, library)
      end
    end

    it("that find it with pkg-config", function()
      local build = "cd %s && export PKG_CONFIG_PATH=prefix/lib/pkgconfig && %s -Wall -Wextra -Werror -o %s %s "
      local static = "$(pkg-config --cflags tine) prefix/lib/libtine.a "
        .. "$(pkg-config --libs --static tine | sed 's/-ltine//')"
      for compiler, source in pairs { ["cc -std=c11"] = "use.c", ["c++ -std=c++11"] = "use_cpp.cpp" } do
        ok(build .. "$(pkg-config --cflags --libs tine)", folder, compiler, "use_pkg", source)
        runs "use_pkg"
        -- the program exports Lua's functions, for C modules that tasks require
        ok(build .. static, folder, compiler, "use_pkg_static", source)
        runs "use_pkg_static"
      end
      ok(build .. static, folder, "cc -std=c11", "use_lua", "use_lua.c")
      assert.equal("42\n", run "use_lua")
    end)

    it("that find it with find_package", function()
      ok("cd %s && cmake -S . -B use -DCMAKE_PREFIX_PATH=%s && cmake --build use", folder, prefix)
      for _, name in ipairs { "use", "use_cpp" } do
        runs("use/" .. name .. "_shared")
        runs("use/" .. name .. "_static")
      end
      assert.equal("42\n", run "use/use_lua_static")
    end)

    -- It looked below the prefix that the build was configured with.
    it("whose static library knows the helper of the prefix that it was installed in", function()
      ok("cmake --install %s --prefix %s/second", quote(BUILD), folder)
      local flags = "$(pkg-config --cflags tine) second/lib/libtine.a "
        .. "$(pkg-config --libs --static tine | sed 's/-ltine//')"
      ok("cd %s && export PKG_CONFIG_PATH=second/lib/pkgconfig && cc -o elsewhere/alone use.c " .. flags, folder)
      assert.matches(" 42 \n$", outside "env -u TINE_HELPER ./alone spawn")
    end)

    it("with a soname", function()
      local text = ok("readelf -d %s/lib/libtine.so", prefix)
      assert.matches("SONAME[^\n]*%[libtine%.so%.0%]", text)
      assert.matches("libtine%.so%.0%.%d+%.%d+\n$", ok("readlink -f %s/lib/libtine.so", prefix))
      assert.is_nil(text:find "RPATH" or text:find "RUNPATH")
    end)

    it("with no other symbols than its own in the static library", function()
      local wrong = {}
      for name in ok("nm -P -g --defined-only %s/lib/libtine.a", prefix):gmatch "\n(%S+) %u " do
        if not name:find "^tine_" and not name:find "^luaopen_tine" then wrong[#wrong + 1] = name end
      end
      assert.same({}, wrong)
    end)
  end)
end)

describe("scripts/install", function()
  local folder
  setup(function() -- a copy beside others that only tell that they were run
    folder = os.tmpname()
    os.remove(folder)
    ok("mkdir -p %s/scripts %s/closed/bin && cp scripts/install %s/scripts", folder, folder, folder)
    for _, name in ipairs { "setup", "build" } do
      ok("printf '#!/bin/sh\\necho %s\\n' >%s/scripts/%s && chmod 755 %s/scripts/*", name, folder, name, folder)
    end
    ok("chmod 755 %s && chmod 777 %s/closed && chmod 555 %s/closed/bin", folder, folder, folder)
  end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  -- As a user who may not write everywhere.
  local function install(prefix)
    local who = shell.run("id -u").out == "0\n" and "setpriv --reuid=65534 --clear-groups " or ""
    return shell.run(("%s%s/scripts/install %s"):format(who, folder, prefix))
  end

  -- It built everything for minutes, and then could not install it.
  it("looks first whether it may write there", function()
    for prefix, named in pairs { ["/closed"] = "/closed/bin", ["/scripts/build"] = "/scripts/build",
                                 ["/scripts/build/x"] = "/scripts/build", ["/closed/bin/a/b"] = "/closed/bin" } do
      local s = install(folder .. prefix)
      assert.same({ "", 1 }, { s.out, s.code }, prefix)
      assert.matches("cannot write into " .. folder .. named .. ". Give a folder of your own", s.err, 1, true)
    end
  end)

  it("goes on where it may", function()
    ok("mkdir %s/open && chmod 777 %s/open", folder, folder)
    assert.matches("^setup\nbuild\n", install(folder .. "/open/new").out)
  end)
end)
