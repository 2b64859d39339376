-- The floors of src: nothing includes a higher floor, and only some of them know Lua.
local root = os.getenv "TINE_SOURCE_DIR" or "."

local FLOOR = { base = 0, ipc = 1, codec = 1, store = 2, worker = 2, backend = 3, pool = 4, bind = 5, host = 6 }
local WITHOUT_LUA = { base = true, ipc = true, store = true, backend = true, pool = true }
local LUA_HEADER = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true, ["lua.hpp"] = true,
                     ["tine_lua.h"] = true }

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  return list
end

-- {file=, folder=, included=, line=} of every #include in src
local function includes()
  local list = {}
  for _, file in ipairs(lines_of("find '" .. root .. "/src' -name '*.[ch]' | sort")) do
    local n = 0
    for line in io.lines(file) do
      n = n + 1
      local included = line:match '^%s*#%s*include%s*[<"]([^>"]+)[>"]'
      if included then
        list[#list + 1] = {
          folder = file:match "/src/([^/]+)/", included = included,
          quoted = line:find '"', place = file:sub(#root + 2) .. ":" .. n,
        }
      end
    end
  end
  return list
end

describe("the floors of src", function()
  local found = includes()

  it("are all known", function()
    assert.is_true(#found > 10)
    for _, folder in ipairs(lines_of("ls '" .. root .. "/src'")) do
      assert(FLOOR[folder], folder .. " is no known floor")
    end
  end)

  it("include nothing from above", function()
    local wrong = {}
    for _, i in ipairs(found) do
      local target = FLOOR[i.included:match "^([^/]+)/"]
      if target and target > FLOOR[i.folder] then
        wrong[#wrong + 1] = i.place .. " includes " .. i.included
      end
    end
    assert.same({}, wrong)
  end)

  it("name the folder of what they include", function()
    local wrong = {}
    for _, i in ipairs(found) do
      if i.quoted and not i.included:find "/" and not i.included:find "^tine" then
        wrong[#wrong + 1] = i.place .. " includes " .. i.included
      end
    end
    assert.same({}, wrong)
  end)

  it("keep Lua out of base, ipc, store, backend and pool", function()
    local wrong = {}
    for _, i in ipairs(found) do
      if WITHOUT_LUA[i.folder] and LUA_HEADER[i.included] then
        wrong[#wrong + 1] = i.place .. " includes " .. i.included
      end
    end
    assert.same({}, wrong)
  end)

  it("send every call of the system through the table", function()
    -- names of base/sys.h, called directly: "= mmap(" where "sys.mmap(" belongs
    local names = {}
    for line in io.lines(root .. "/src/base/sys.h") do
      local name = line:match "^%s*X%(([%w_]+),"
      if name then names[name] = true end
    end
    assert.is_true(names.mmap and names.malloc)
    names.open, names.thread_create = nil, nil
    local wrong = {}
    for _, file in ipairs(lines_of("find '" .. root .. "/src' -name '*.[ch]' "
                                   .. "-not -path '*/base/*' -not -path '*/host/*'")) do
      local n, comment = 0, false
      for line in io.lines(file) do
        n = n + 1
        comment = comment or line:find "/%*" ~= nil
        if not comment then
          for before, name in line:gmatch "([%.%w_>]?)%f[%w_]([%w_]+)%(" do
            if names[name] and before ~= "." and before ~= ">" then
              wrong[#wrong + 1] = file:sub(#root + 2) .. ":" .. n .. " calls " .. name
            end
          end
        end
        if line:find "%*/" then comment = false end
      end
    end
    assert.same({}, wrong)
  end)
end)
