-- The packages: LuaRocks builds one from the checkout, cpack a Debian package that comes and goes cleanly.
-- timeout: 600
-- labels: soak
local shell = require "spec.support.shell"
local quote, ok = shell.quote, shell.ok

local root = os.getenv "TINE_SOURCE_DIR" or "."
local SANITIZED = (os.getenv "TINE_SANITIZE" or "") ~= ""

local function has(program)
  return shell.run("command -v " .. program).code == 0
end

local script = [[for _, method in ipairs { "fork", "spawn" } do
  local pool <close> = require("tine").pool { workers = 1, start_method = method }
  print(pool:submit(math.abs, -3):result())
end]]

describe("a package", function()
  if SANITIZED then return pending "packages are made of the plain build" end
  local folder

  local function file(name, text)
    local f <close> = assert(io.open(folder .. "/" .. name, "wb"))
    f:write(text)
  end

  -- Plain lua5.4 finds the module below `prefix`, from an empty folder.
  local function works(prefix)
    assert.equal("3\n3\n", ok("cd %s/empty && env -u LUA_INIT "
        .. "LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua' "
      .. "LUA_CPATH='%s/lib/lua/5.4/?.so' lua5.4 ../script.lua", folder, prefix, prefix, prefix))
  end

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    ok("mkdir -p %s/empty", folder)
    file("script.lua", script)
    -- a copy of what belongs to the checkout, so that nothing is written into it
    ok("mkdir %s/checkout && cd %s && cp -r CMakeLists.txt CHANGELOG.md LICENSE README.md "
        .. "*.rockspec cmake completion docs examples types "
      .. "include lua src %s/checkout", folder, quote(root), folder)
  end)

  teardown(function() os.execute("rm -rf " .. folder) end)

  it("is made by LuaRocks", function()
    if not has "luarocks" then return pending "luarocks is not installed" end
    ok("cd %s/checkout && luarocks --lua-version 5.4 --tree %s/rocks make tine-*.rockspec", folder, folder)
    works(folder .. "/rocks")
    assert.equal("A\n", ok("%s/rocks/bin/tine map '_:upper()' ::: a", folder))
    ok("luarocks --lua-version 5.4 --tree %s/rocks remove tine", folder)
    assert.equal("", ok("find %s/rocks -name '*tine*'", folder))
  end)

  it("is made by cpack, installs, and leaves nothing when it goes", function()
    if not (has "cpack" and has "dpkg") then return pending "cpack or dpkg is not installed" end
    ok("cd %s && cmake -S checkout -B build -DTINE_TESTS=OFF && cmake --build build -j 2 && cd "
        .. "build && cpack -G DEB", folder)
    local deb = ok("ls %s/build/*.deb", folder):match "%S+"
    assert.matches("Depends: .*libc6.*liblua5.4%-0.*libmsgpack", ok("dpkg -I %s", deb))
    ok("mkdir -p %s/system/var/lib/dpkg/updates %s/system/var/lib/dpkg/info && touch %s/system/var/lib/dpkg/status",
      folder, folder, folder)
    local dpkg = ("dpkg --root=%s/system --force-script-chrootless --force-depends --force-not-root "):format(folder)
    ok(dpkg .. "-i " .. deb)
    works(folder .. "/system/usr")
    assert.equal("3\n3\n", ok("cd %s/empty && ../system/usr/bin/tine ../script.lua", folder))
    ok(dpkg .. "-P tine")
    assert.equal("", ok("find %s/system -name '*tine*'", folder))
  end)
end)
