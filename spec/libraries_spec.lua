-- Libraries that people use, as Debian has them: what their modules hold is the same thing in a worker and on the way
-- back, and code that uses them gives there what it gives in one process.
local tine = require "tine"

local TIMEOUT = 60

-- Plain text of a value, whatever order its keys come in.
local function show(v, depth)
  if type(v) ~= "table" then return (type(v) == "function" or type(v) == "userdata") and type(v) or tostring(v) end
  if (depth or 0) > 6 then return "..." end
  local list = {}
  for k, x in pairs(v) do list[#list + 1] = tostring(k) .. "=" .. show(x, (depth or 0) + 1) end
  table.sort(list)
  return "{" .. table.concat(list, ",") .. "}"
end

-- Data of a module that is not the same in every process: a copy.
local volatile = {
  ["say._registry"] = true, -- other modules put their texts into it
}

-- Modules, with work that gives something to compare. `handle` makes what must be refused.
local libraries = {
  { "argparse", work = function(m)
    local p = m("prog", "about")
    p:argument "input"
    p:option "-o --output"
    return p:parse { "file", "-o", "out" }
  end, instance = function(m) return m("prog") end, use = function(p)
    p:argument "input"
    return p:parse { "x" }.input
  end },
  { "cjson", work = function(m) return m.encode { 1, m.null, { a = 1 } }, m.decode("[null]")[1] == m.null end },
  { "cliargs", work = function(m) return type(m.parse), type(m.add_option) end },
  { "cqueues", work = function(m) return type(m.monotime()), m.VERSION end, handle = function(m) return m.new() end },
  { "cqueues.dns.resolvers", work = function(m) return type(m.new) end },
  { "dkjson", work = function(m) return m.encode({ x = 1 }), m.decode("[null]", 1, m.null)[1] == m.null end,
    instance = function(m) return m.null end, use = function(v) return v == require "dkjson".null end },
  { "inifile", work = function(m) return type(m.parse) end },
  { "lfs", work = function(m) return m.attributes("/", "mode") end,
    handle = function(m) return select(2, m.dir("/")) end },
  { "lpeg", work = function(m) return m.match(m.C(m.R("09") ^ 1), "123a") end, handle = function(m) return m.P(1) end },
  { "ltn12", work = function(m)
    local out = {}
    m.pump.all(m.source.string "some text", (m.sink.table(out)))
    return table.concat(out)
  end },
  { "luassert", work = function(m) return pcall(m.are.equal, 1, 1), (pcall(m.are.equal, 1, 2)) end },
  { "luassert.spy", work = function(m)
    local s = m.new(function(x) return x + 1 end)
    return s(1), #s.calls
  end, instance = function(m) return m.new(function(x) return x + 1 end) end,
    use = function(s) return s(4), #s.calls end },
  { "luasql.sqlite3", work = function(m)
    local env = m.sqlite3()
    local db = env:connect(":memory:")
    return db:execute "create table t (x)"
  end, handle = function(m) return m.sqlite3() end },
  { "luaunit", work = function(m) return m.prettystr { 1, 2 }, (pcall(m.assertEquals, 1, 2)) end },
  { "luv", work = function(m) return m.version() end, handle = function(m) return m.new_timer() end },
  { "lxp", work = function(m)
    local names = {}
    m.new { StartElement = function(_, name) names[#names + 1] = name end }:parse "<a><b/></a>"
    return table.concat(names, " ")
  end, handle = function(m) return m.new {} end },
  { "lyaml", work = function(m) return m.load("a: [1, 2, ~]").a, m.load("~") == m.null end,
    instance = function(m) return { m.null } end, use = function(v)
      return v[1] == require "lyaml".null
    end },
  { "mediator", work = function(m)
    local got
    local bus = m()
    bus:subscribe({ "a" }, function(x) got = x end)
    bus:publish({ "a" }, 7)
    return got
  end },
  { "mime", work = function(m) return m.b64 "some text" end },
  { "openssl.digest", work = function(m)
    return (m.new "sha256":final "abc"):gsub(".", function(x) return ("%02x"):format(x:byte()) end)
  end, handle = function(m) return m.new "sha256" end },
  { "pl.List", work = function(m) return m { 1, 2, 3 }:map(function(x) return x * 2 end):join "," end,
    instance = function(m) return m { 3, 1, 2 } end, use = function(l) return l:sort():join "," end },
  { "pl.Map", instance = function(m) return m { a = 1, b = 2 } end, use = function(v) return v:get "b", v:len() end },
  { "pl.OrderedMap", instance = function(m) return m():set("z", 1):set("a", 2) end, use = function(v)
    return tostring(v)
  end },
  { "pl.Set", instance = function(m) return m { 1, 2 } end, use = function(v)
      return require "pl.Set".len(v + require "pl.Set" { 3 })
    end },
  { "pl.Date", work = function(m) return m { year = 2020, month = 2, day = 3 }:year() end },
  { "pl.class", work = function(m)
    local Animal = m()
    function Animal:_init(name) self.name = name end
    local Cat = m(Animal)
    function Cat:speak() return self.name .. ": miaow" end
    return Cat "Felix":speak(), Animal:class_of(Cat "Leo")
  end },
  { "pl.func", work = function(m) return m.isPE(m._1), m.I(m._1 + 1)(4) end, instance = function(m) return m._1 end,
    use = function(v) return require "pl.func".isPE(v) end },
  { "pl.lexer", work = function(m) return (m.lua "x = 1"()) end },
  { "pl.pretty", work = function(m) return m.write({ 1, 2 }, "") end },
  { "pl.seq", work = function(m) return m { 1, 2, 3 }:sum() end },
  { "pl.stringx", work = function(m) return m.split("a b"):join "-", m.strip "  x " end },
  { "pl.tablex", work = function(m) return m.map(function(x) return -x end, { 1, 2 }) end },
  { "pl.template", work = function(m) return m.substitute("$(x)", { x = 5 }) end },
  { "pl.types", work = function(m) return m.is_callable(print), m.type(1) end },
  { "pl.xml", work = function(m) return tostring(m.parse "<a><b/></a>") end, instance = function(m)
    return m.parse "<a x='1'>t</a>"
  end, use = function(v) return tostring(v), v:get_attribs().x end },
  { "re", work = function(m) return m.match("2024-01", "{[0-9]+}") end },
  { "rex_pcre2", work = function(m) return m.match("a1b", "[0-9]") end, handle = function(m) return m.new "a" end },
  { "rex_posix", work = function(m) return m.match("a1b", "[0-9]") end, handle = function(m) return m.new "a" end },
  { "say", work = function(m)
    m:set("greeting", "hello %s")
    return m("greeting", { "you" })
  end },
  { "socket", work = function(m) return type(m.gettime()), m._VERSION end, handle = function(m) return m.tcp() end },
  { "socket.url", work = function(m) return m.escape "a b", m.parse "http://host:80/path".host end },
  { "system", work = function(m) return type(m.monotime()) end },
  { "term", work = function(m) return type(m.isatty) end },
  { "zlib", work = function(m) return (m.inflate()(m.deflate()("some text", "finish"))) end },
}

describe("the library", function()
  local pool
  setup(function() pool = tine.pool(1) end)
  teardown(function() pool:shutdown() end)

  local function run(...) return pool:submit(...):result(TIMEOUT) end

  for _, library in ipairs(libraries) do
    local name = library[1]
    local loaded, m = pcall(require, name)
    describe(name, function()
      if not loaded then
        pending "is not installed"
        return
      end

      it("is the worker's own", function()
        assert.is_true(run(function() return m == require(name) end))
        assert.is_true(rawequal(m, (run(function() return m end))))
      end)

      it("holds functions, classes and sentinels that are the worker's own, and come back as they were", function()
        for k, v in pairs(type(m) == "table" and m or {}) do
          if not volatile[name .. "." .. tostring(k)]
            and (type(v) == "function" or type(v) == "table" or type(v) == "userdata") then
            local same, back = run(function(x) return rawequal(x, rawget(require(name), k)), x end, v)
            assert.is_true(same, "in the worker: " .. tostring(k))
            assert.is_true(rawequal(v, back), "and back: " .. tostring(k))
          end
        end
      end)

      if library.work then
        it("does what it does in one process", function()
          local work = library.work
          assert.equal(show { work(m) }, show { run(work, m) })
          assert.equal(show { work(m) }, show { run(function() return work(m) end) })
        end)
      end

      if library.instance then
        it("makes instances that are of their class in the worker, and back", function()
          local use, object = library.use, library.instance(m)
          assert.equal(show { use(library.instance(m)) }, show { run(use, object) })
          local back = run(function(x) return x end, object)
          assert.equal(getmetatable(object), getmetatable(back))
          assert.equal(show { use(library.instance(m)) }, show { use(back) })
          local make = library.instance
          assert.equal(show { use(library.instance(m)) }, show { use(run(function() return make(m) end)) })
        end)
      end

      if library.handle then
        it("has handles that are refused by their place and class", function()
          local handle = library.handle(m)
          local err = pool:submit(function() return handle end):exception(TIMEOUT)
          assert.equal("serialization", tine.kind(err))
          assert.matches("upvalue 'handle' of function at .*cannot send a userdata %(", tostring(err))
          local make = library.handle
          err = pool:submit(function() return { list = { make(m) } } end):exception(TIMEOUT)
          assert.equal("serialization", tine.kind(err))
          assert.matches('result 1: key "list"%[1%]: cannot send a userdata %(', tostring(err))
        end)
      end
    end)
  end
end)
