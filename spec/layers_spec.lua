-- The floors of src: nothing includes a higher floor, only some of them know Lua, and the files of a folder make no
-- circle. Nor do the folders of a floor, where ROOMS has them.
local root = os.getenv "TINE_SOURCE_DIR" or "."

local FLOOR = {
  base = 0, msg = 1, ipc = 1, gearman = 2, store = 2, sched = 2, data = 2, codec = 2, worker = 3, site = 4, backend = 4,
  pool = 5, trace = 5, api = 6, serve = 6, bind = 7, host = 8,
}
-- The folders of a floor: each sees those with lower numbers. "": files that are in none.
local ROOMS = {
  worker = { process = 0, [""] = 1, state = 2, channel = 2, task = 3, inner = 4, fork = 4, root = 5 },
  site = { [""] = 0, ["local"] = 1, here = 1, far = 1 },
}
local WITHOUT_LUA = { base = true, msg = true, ipc = true, store = true, sched = true, site = true, backend = true,
                      pool = true, serve = true, trace = true }
-- Told everything, the time too: they take nothing from the system.
local PURE = { msg = true, sched = true }
local NOT_PURE = { ["pthread.h"] = true, ["unistd.h"] = true, ["time.h"] = true, ["poll.h"] = true, ["fcntl.h"] = true }
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

-- --- circles ------------------------------------------------------------------------------------------

-- Files that call each other. Honest recursion:
local RECURSION = {
  { "codec/decode/decode codec/decode/operation codec/decode/parser",
    "an operation holds values, and a value may be an operation, or shared: that is a message of its own" },
  { "codec/encode/change codec/encode/company codec/encode/function codec/encode/globals codec/encode/kept "
    .. "codec/encode/name codec/encode/object codec/encode/table codec/encode/userdata codec/encode/value",
    "a function holds values, a value may be a function; with a module go values that the program has put into it" },
  { "worker/root/main worker/root/make worker/root/root",
    "the program has a root made, which main.c is from its fork on, and first forgets what root.c knew" },
  { "worker/task/loop worker/task/nest", "a task that waits runs others, each as any task is run" },
  { "bind/adopt bind/embed bind/module bind/preload",
    "the module is in every state that workers get (preload), and opening it says how those are dressed" },
  { "bind/attempts bind/await bind/callbacks bind/events bind/everywhere bind/extras bind/future bind/later bind/loop "
    .. "bind/manual bind/map_chunk bind/needs bind/nested_futures bind/reap bind/submit bind/watch bind/workers",
    "who waits takes in what has come (reap), by which futures end, callbacks are due and what waited for them is "
    .. "submitted; and callbacks, decode functions, and a submit that finds no room, wait" },
}
-- Files in circles that are no recursion, and are to go.
local KNOWN = {
  codec = "decode/loaded simple",
}

-- Of a graph (name -> set of names) the groups of nodes that all reach each other, each as a line of names. (Tarjan)
local function circles(graph)
  local index, low, stack, on, count, groups = {}, {}, {}, {}, 0, {}
  local function visit(node)
    count = count + 1
    index[node], low[node], on[node] = count, count, true
    stack[#stack + 1] = node
    for next in pairs(graph[node] or {}) do
      if not index[next] then visit(next) end
      if on[next] then low[node] = math.min(low[node], low[next]) end
    end
    if low[node] < index[node] then return end
    local group = {}
    repeat
      group[#group + 1] = table.remove(stack)
      on[group[#group]] = nil
    until group[#group] == node
    table.sort(group)
    if #group > 1 then groups[#groups + 1] = table.concat(group, " ") end
  end
  for node in pairs(graph) do
    if not index[node] then visit(node) end
  end
  table.sort(groups)
  return groups
end

local function link(graph, from, to)
  graph[from] = graph[from] or {}
  graph[from][to] = true
end

local function folder_of(name) return name:match "^[^/]+" end

-- Which file of a folder uses functions and variables of which other one: from the symbols of the object files.
local function uses(build)
  local home, wanted, graph = {}, {}, {}
  local objects = "/CMakeFiles/tine_objects.dir/src"
  for _, line in ipairs(lines_of("cd '" .. build .. objects .. "' && nm -A $(find * -name '*.o') 2>/dev/null")) do
    local file, kind, symbol = line:match "^(.-)%.c%.o:%x*%s+(%a) (%S+)$"
    if kind == "U" then
      wanted[#wanted + 1] = { file, symbol }
    elseif kind and kind:find "%u" then
      home[symbol] = file
    end
  end
  local function is_there(file) -- or its source was removed since that build
    local source = io.open(root .. "/src/" .. file .. ".c")
    return source and source:close()
  end
  for _, w in ipairs(wanted) do
    local to = home[w[2]]
    if to and to ~= w[1] and folder_of(to) == folder_of(w[1]) and is_there(to) and is_there(w[1]) then
      link(graph, w[1], to)
    end
  end
  return graph
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

  it("have folders that see those below them only", function()
    local wrong = {}
    for floor, rooms in pairs(ROOMS) do
      for _, i in ipairs(found) do
        local from = i.place:match("^src/" .. floor .. "/([^/]+)/") or ""
        local to = i.included:match("^" .. floor .. "/([^/]+)/") or ""
        local inside = i.folder == floor and i.included:find("^" .. floor .. "/")
        if inside and from ~= to and not (rooms[from] and rooms[to] and rooms[to] < rooms[from]) then
          wrong[#wrong + 1] = i.place .. " includes " .. i.included
        end
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

  it("keep Lua out of those that know bytes only", function()
    local wrong = {}
    for _, i in ipairs(found) do
      if WITHOUT_LUA[i.folder] and LUA_HEADER[i.included] then
        wrong[#wrong + 1] = i.place .. " includes " .. i.included
      end
    end
    assert.same({}, wrong)
  end)

  it("keep the system out of those that are told everything", function()
    local wrong = {}
    for _, i in ipairs(found) do
      if PURE[i.folder] and (NOT_PURE[i.included] or i.included:find "^sys/") then
        wrong[#wrong + 1] = i.place .. " includes " .. i.included
      end
    end
    assert.same({}, wrong)
  end)

  it("have no headers that include each other", function()
    local graph = {}
    for _, i in ipairs(found) do
      local file = i.place:match "^src/(.*%.h):"
      if file and i.quoted then link(graph, file, i.included) end
    end
    assert.same({}, circles(graph))
  end)

  it("have no files that call each other in a circle", function()
    local graph = uses(assert(os.getenv "TINE_BUILD_DIR", "run with scripts/test"))
    if not next(graph) then return pending "objects for the linker's optimizer do not tell" end
    local honest, known, wrong = {}, {}, {}
    for _, circle in ipairs(RECURSION) do honest[circle[1]] = true end
    for folder, files in pairs(KNOWN) do
      for file in files:gmatch "%S+" do known[folder .. "/" .. file] = true end
    end
    for _, circle in ipairs(circles(graph)) do
      if honest[circle] then
        honest[circle] = nil
      else
        for file in circle:gmatch "%S+" do
          if not known[file] then wrong[#wrong + 1] = file .. " is in the circle " .. circle end
          known[file] = nil
        end
      end
    end
    assert.same({}, wrong)
    for name in pairs(honest) do wrong[#wrong + 1] = name .. ": not recursive any more, so not to be listed" end
    for name in pairs(known) do wrong[#wrong + 1] = name .. ": in no circle any more, so not to be listed" end
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
