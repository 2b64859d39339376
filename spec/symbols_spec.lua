-- What the libraries show to the outside: tine_* and luaopen_*, and nothing internal.
local tree = assert(os.getenv "TINE_TREE", "run with scripts/test")
local sanitized = (os.getenv "TINE_SANITIZE" or "") ~= ""

local function symbols(file, option)
  local pipe <close> = assert(io.popen(("nm -P -D %s '%s/%s'"):format(option, tree, file)))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line:match "^[^ @]+" end
  return list
end

local function defined(file)
  return symbols(file, "--defined-only")
end

it("the module that specs test is that of the tree they are told", function()
  assert.equal(tree .. "/lib/lua/5.4/tine/core.so", package.searchpath("tine.core", package.cpath))
  local lua = package.searchpath("tine", package.path)
  assert.equal(os.getenv "TINE_PREFIX" and tree .. "/share/lua/5.4/tine/init.lua"
    or os.getenv "TINE_SOURCE_DIR" .. "/lua/tine/init.lua", lua)
end)

describe("the symbols of", function()
  for _, file in ipairs { "lib/libtine.so", "lib/lua/5.4/tine/core.so" } do
    it(file .. " are tine_* and luaopen_*", function()
      local list, wrong = defined(file), {}
      assert.is_true(#list > 0)
      for _, name in ipairs(list) do
        local public = name:find "^tine_[^_]" or name:find "^luaopen_"
        local of_sanitizer = sanitized and name:find "^_*[a-z]*san_"
        if not public and not of_sanitizer then wrong[#wrong + 1] = name end
      end
      assert.same({}, wrong)
    end)
  end

  it("core.so do not bring a Lua of their own", function()
    local file = tree .. "/lib/lua/5.4/tine/core.so"
    local pipe <close> = assert(io.popen("readelf -d '" .. file .. "'"))
    local text = pipe:read "a"
    assert.is_truthy(text:find "NEEDED.*libc")
    assert.is_nil(text:find "NEEDED[^\n]*liblua")
  end)

  it("every public header are in libtine.so", function()
    local there = {}
    for _, name in ipairs(defined "lib/libtine.so") do there[name] = true end
    local missing, n = {}, 0
    for _, header in ipairs { "tine.h", "tine_lua.h" } do
      local file = io.open(os.getenv "TINE_SOURCE_DIR" .. "/include/" .. header)
      local text = file and file:read "a" or ""
      if file then file:close() end
      for declaration in text:gmatch "\nTINE_API [^;]+;" do
        local name = declaration:match "([%w_]+)%s*%("
        n = n + 1
        if not there[name] then missing[#missing + 1] = name end
      end
    end
    assert.is_true(n > 0)
    assert.same({}, missing)
  end)
end)
