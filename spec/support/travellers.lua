-- Random programs for what travels: modules with functions, classes, sentinels, closures and data; what a program
-- changes in them, in Lua's own libraries and in its globals; and a task that looks at all of that. Each is a table:
-- files of modules, and the program's source, which gives the task, its arguments, and what it has to undo.
local M = {}

local random = math.random
local function pick(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

-- What a module's code may call, as expressions of x (a number), and what they are called in it.
local function expression(module, deep)
  local choices = {
    function() return "x + " .. random(9) end,
    function() return "#tostring(x)" end,
    function() return "math.abs(x - 5)" end,
    function() return "#string.rep('a', x % 4)" end,
    function() return "(tostring(x)):len()" end,
  }
  for _, f in ipairs(module.functions) do
    choices[#choices + 1] = function() return ("M.%s(x)"):format(f) end
  end
  for _, f in ipairs(module.helpers) do
    choices[#choices + 1] = function() return ("%s(x)"):format(f) end
  end
  for _, other in ipairs(module.needs) do
    for _, f in ipairs(other.functions) do
      choices[#choices + 1] = function() return ("%s.%s(x)"):format(other.name, f) end
    end
  end
  local one = pick(choices)()
  if deep and chance(40) then return one .. " * 2 + " .. pick(choices)() end
  return one
end

local pieces = {}

function pieces.func(m, out)
  local name = "f" .. #m.functions + 1
  local body = expression(m, true)
  m.functions[#m.functions + 1] = name
  if not body:find "%f[%w]M%." and not body:find "helper" and not body:find "tm" then m.simple[#m.simple + 1] = name end
  out[#out + 1] = pick {
    "function M.%s(x) return (%s) end",
    "M.%s = function(x) return (%s) end",
    "do local unused = 1 function M.%s(x) return (%s) end end",
  }:format(name, body)
end

function pieces.helper(m, out)
  local name = "helper" .. #m.helpers + 1
  out[#out + 1] = ("local function %s(x) return (%s) end"):format(name, expression(m))
  m.helpers[#m.helpers + 1] = name
end

function pieces.factory(m, out)
  local n = #m.closures + 1
  out[#out + 1] = ("M.make%d = function(n) return function(x) return x * n + %d end end M.c%d = M.make%d(%d)"):format(n,
    random(9), n, n, random(9))
  m.closures[n] = { name = "c" .. n, make = "make" .. n }
end

function pieces.class(m, out)
  local n = #m.classes + 1
  local private = chance(40)
  local meta = chance(30) and "{ __index = Base, __call = function(_, n) return n end }" or "nil"
  out[#out + 1] = ([[
    local Base = { base = function(self) return self.n + 100 end }
    local C%d = setmetatable({}, %s)
    C%d.__index = C%d
    C%d.__eq = function(a, b) return a.n == b.n end
    C%d.__tostring = function(o) return "C%d:" .. o.n end
    function C%d:get(x) return self.n + %s end
    function M.new%d(n) return setmetatable({ n = n }, C%d) end
    function M.is%d(o) return getmetatable(o) == C%d end
    %s]]):format(n, meta, n, n, n, n, n, n, expression(m):gsub("x", "(x or 1)"), n, n, n, n,
    private and "" or ("M.C%d = C%d"):format(n, n))
  m.classes[n] = { new = "new" .. n, is = "is" .. n, public = not private and "C" .. n }
end

function pieces.sentinel(m, out)
  local n = #m.sentinels + 1
  out[#out + 1] = pick {
    "M.s%d = {}",
    "M.s%d = setmetatable({}, { __tostring = function() return 's' end })",
    "local hidden = {} M.s%d = setmetatable({ 'enum' }, hidden)",
    "M.s%d = { kind = 's', { 1, 2 } }",
  }:format(n)
  m.sentinels[n] = "s" .. n
end

function pieces.data(m, out)
  local n = #m.data + 1
  out[#out + 1] = ("M.d%d = { %d, { a = %d } }"):format(n, random(9), random(9))
  m.data[n] = "d" .. n
end

function pieces.registry(m, out)
  if m.registry then return end
  m.registry = true
  out[#out + 1] = ("M.registry = { known = function(x) return (%s) end }"):format(expression(m))
end

-- What is kept in a private table, in some way.
function pieces.keeper(m, out)
  if m.keeps then return end
  m.keeps = true
  out[#out + 1] = pick {
    "function M.keep(n, f) kept[n] = f end function M.use(n, x) local f = kept[n] return f and f(x) end",
    "function M.keep(_, f) kept[#kept + 1] = f end function M.use(_, x) local f = kept[#kept] return f and f(x) end",
    [[function M.keep(n, f) kept[n] = kept[n] or {} table.insert(kept[n], f) end
      function M.use(n, x) local list = kept[n] or {} for _, f in ipairs(list) do x = f(x) end return x end]],
    [[function M.keep(n, f) kept[n] = { run = f, add = 5 } end
      function M.use(n, x) local p = kept[n] return p and p.run(x) + p.add end]],
    [[function M.keep(n, f) kept[n] = function(x) return f(x) + 1 end end
      function M.use(n, x) local f = kept[n] return f and f(x) end]],
  }:gsub("^", "local kept = {} ")
end

-- What the module is told by fields that it has, or only asks for.
function pieces.setting(m, out)
  if m.settings then return end
  m.settings = true
  out[#out + 1] = ("M.limit = nil M.limit = %d M.mode = 'plain' M.options = { quiet = false }"):format(
    random(9))
  out[#out + 1] = "function M.told(x) return x + M.limit .. M.mode .. (M.asked or '') .. tostring(M.options.quiet) end"
end

-- Functions that the module finds under a key: it fills that itself, or leaves it to others.
function pieces.hook(m, out)
  if m.hook then return end
  m.hook = pick { "now", "later" }
  if m.hook == "now" then out[#out + 1] = ("M.now = M.%s"):format(m.functions[1]) end
  out[#out + 1] = ("function M.hooked(x) return M.%s and M.%s(x) end"):format(m.hook, m.hook)
end

local function module(name, needs)
  local m = { name = name, needs = needs }
  for _, k in ipairs { "functions", "simple", "helpers", "closures", "classes", "sentinels", "data" } do m[k] = {} end
  local out = { "local M = {}" }
  for _, other in ipairs(needs) do out[#out + 1] = ("local %s = require %q"):format(other.name, other.name) end
  local kinds = { "func", "func", "helper", "factory", "class", "sentinel", "data", "registry", "keeper", "hook",
    "setting" }
  pieces.func(m, out)
  for _ = 1, random(6) do pieces[pick(kinds)](m, out) end
  for _, other in ipairs(needs) do
    if chance(30) then
      out[#out + 1] = ("M.again%s = %s.%s"):format(other.name, other.name, other.functions[1])
      m.again = "again" .. other.name
    end
  end
  out[#out + 1] = "return M"
  m.source = table.concat(out, "\n")
  return m
end

-- ---- the program ----

local changes = {}

function changes.replace(m, out)
  out("%s.%s = function(x) return x * 1000 + %d end", m.name, pick(m.functions), random(9))
end
function changes.wrap(m, out)
  local f = pick(m.functions)
  out("do local old = %s.%s %s.%s = function(x) return old(x) + 7000 end end", m.name, f, m.name, f)
end
function changes.add(m, out)
  m.added = "added"
  out("function %s.added(x) return x + 500 end", m.name)
end
function changes.swap(m, out)
  if #m.simple < 2 then return end -- others might then call each other without end
  local a, b = m.simple[1], m.simple[2]
  out("%s.%s, %s.%s = %s.%s, %s.%s", m.name, a, m.name, b, m.name, b, m.name, a)
end
function changes.method(m, out)
  local c = m.classes[1]
  if c and c.public then
    c.extra = true
    out("function %s.%s:extra() return self.n * 3 end", m.name, c.public)
  end
end
function changes.register(m, out)
  if not m.registry then return end
  m.registered = true
  out("%s.registry.mine = function(x) return x - 1 end", m.name)
end
function changes.keep(m, out)
  if m.keeps then out("%s.keep('one', function(x) return x * 2 + %d end)", m.name, random(9)) end
end
function changes.hook(m, out)
  if m.hook and #m.simple > 0 then out("%s.%s = %s.%s", m.name, m.hook, m.name, pick(m.simple)) end
end
function changes.data(m, out)
  if #m.data > 0 then out("%s.%s[1] = %d", m.name, pick(m.data), random(90)) end
end
function changes.setting(m, out)
  if not m.settings then return end
  out("%s.%s", m.name, pick { "limit = 77", "mode = 'other'", "options.quiet = true", "asked = 'yes'", "limit = 0.5" })
end
function changes.alias(m, out)
  out("package.loaded['alias of %s'] = { f = %s.%s, up = string.upper }", m.name, m.name, pick(m.functions))
  out("undo[#undo + 1] = function() package.loaded['alias of %s'] = nil end", m.name)
end

local globals = {}

function globals.string_method(p, out)
  out("string.twice = function(s) return s .. s end undo[#undo + 1] = function() string.twice = nil end")
  p.checks[#p.checks + 1] = "('ab'):twice()"
  p.checks[#p.checks + 1] = "string.twice('c')"
end
function globals.replaced(p, out)
  out "do local old = math.abs math.abs = function(x) return old(x) + 0.5 end"
  out "undo[#undo + 1] = function() math.abs = old end end"
  p.checks[#p.checks + 1] = "math.abs(-3)"
  p.replaced = true
end
function globals.global(p, out)
  out("g_value = %d function g_function(x) return x + g_value end", random(99))
  out("undo[#undo + 1] = function() g_value, g_function = nil, nil end")
  p.checks[#p.checks + 1] = pick { "g_function(1)", "_G.g_value", "_G.g_function(2)", "g_value" }
end
function globals.standard(p, out)
  out "do local old = tonumber tonumber = function() return 'no number' end"
  out "undo[#undo + 1] = function() tonumber = old end end"
  p.checks[#p.checks + 1] = pick { "tonumber('1')", "_G.tonumber('1')" }
end
function globals.environment(p, out)
  out([[local env = setmetatable({ tostring = function() return "own" end, n = %d }, { __index = _G })
local inside = load("n = n + 1 return tostring(n) .. n .. math.max(1, 2)", "=inside", "t", env)]], random(9))
  p.checks[#p.checks + 1] = "inside()"
end
function globals.sandbox(p, out)
  out([[local box = setmetatable({ n = %d }, { __index = _G })
local fill = load("r = n + (r or 0) n = n + 1 return r", "=box", "t", box)]], random(9))
  p.checks[#p.checks + 1] = pick { "fill() + box.n", "(function() box.n = 50 return fill() + box.r end)()" }
end
function globals.stripped(p, out)
  out("local stripped = load(string.dump(load 'return #tostring(12) + math.floor(1.5)', true))")
  p.checks[#p.checks + 1] = "stripped()"
end
function globals.lines(p, out)
  local same = "local %s = ... %s return %s + nil"
  out("local line1 = load(%q, '=t')", same:format("a", "\n", "a"))
  out("local line2 = load(%q, '=t')", same:format("b", "", "b"))
  p.checks[#p.checks + 1] = "select(2, pcall(line1, 1))"
  p.checks[#p.checks + 1] = "select(2, pcall(line2, 1))"
end

local function checks_of(m, p)
  local list = {}
  local function add(...) list[#list + 1] = string.format(...) end
  for _, f in ipairs(m.functions) do
    add("%s.%s(3)", m.name, f)
    p.arguments[#p.arguments + 1] = ("%s.%s"):format(m.name, f)
  end
  for _, c in ipairs(m.closures) do
    add("%s.%s(4)", m.name, c.name)
    p.arguments[#p.arguments + 1] = ("%s.%s"):format(m.name, c.name)
    p.arguments[#p.arguments + 1] = ("%s.%s(6)"):format(m.name, c.make)
  end
  for _, c in ipairs(m.classes) do
    add("%s.%s(%s.%s(1))", m.name, c.is, m.name, c.new)
    add("tostring(%s.%s(2))", m.name, c.new)
    local make, is = ("%s.%s(5)"):format(m.name, c.new), ("%s.%s"):format(m.name, c.is)
    p.objects[#p.objects + 1] = { make = make, is = is, extra = c.extra }
  end
  for _, s in ipairs(m.sentinels) do
    p.sentinels[#p.sentinels + 1] = ("%s.%s"):format(m.name, s)
  end
  for _, d in ipairs(m.data) do p.copies[#p.copies + 1] = ("%s.%s"):format(m.name, d) end
  if m.added then add("%s.added(1)", m.name) end
  if m.again then add("%s.%s(2)", m.name, m.again) end
  if m.registry then add("%s.registry.known(2)", m.name) end
  if m.keeps then add("%s.use('one', 3)", m.name) end
  if m.hook then add("%s.hooked(2)", m.name) end
  if m.settings then add("%s.told(2)", m.name) end
  if m.registered then add("%s.registry.mine(2)", m.name) end
  return list
end

local function shuffle(list)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

-- A program of that number: { modules = { { name =, source = } ... }, source = text }.
function M.program(number)
  math.randomseed(number)
  local p = { checks = {}, arguments = {}, objects = {}, sentinels = {}, copies = {} }
  local modules, lines = {}, { "local undo, early = {}, ..." }
  local function out(...) lines[#lines + 1] = select("#", ...) > 1 and string.format(...) or (...) end
  for i = 1, random(3) do
    local needs = {}
    for _, other in ipairs(modules) do
      if chance(50) then needs[#needs + 1] = other end
    end
    modules[i] = module(("tm%d_%d"):format(number, i), needs)
  end
  for _, m in ipairs(shuffle { table.unpack(modules) }) do out("local %s = require %q", m.name, m.name) end
  if chance(50) then out("early(function() return %s end)", modules[1].name) end
  local kinds, others = {}, {}
  for k in pairs(changes) do kinds[#kinds + 1] = k end
  for k in pairs(globals) do others[#others + 1] = k end
  table.sort(kinds)
  table.sort(others)
  for _, m in ipairs(modules) do
    for _ = 1, random(0, 3) do changes[pick(kinds)](m, out) end
  end
  shuffle(others)
  for i = 1, random(0, 3) do globals[others[i]](p, out) end
  for _, m in ipairs(modules) do
    for _, check in ipairs(checks_of(m, p)) do p.checks[#p.checks + 1] = check end
  end
  shuffle(p.checks)
  while #p.checks > 8 do p.checks[#p.checks] = nil end
  local arguments, body = {}, { "local t, objects, sentinels, copies = {}, ..." }
  local function check(...) body[#body + 1] = "t[#t + 1] = tostring(" .. string.format(...) .. ")" end
  for _, c in ipairs(p.checks) do check("%s", c) end
  local object, sentinel, copy = p.objects[1], p.sentinels[1], p.copies[1]
  if object then
    check("objects[1]:get(1)")
    check("%s(objects[1])", object.is)
    check("objects[1] == %s", object.make)
    check("getmetatable(objects[1]) == getmetatable(%s)", object.make)
    if object.extra then check("objects[1]:extra()") end
  end
  if sentinel then check("sentinels.x == %s", sentinel) end
  if copy then check("copies[1] .. copies[2].a") end
  for i, f in ipairs(p.arguments) do
    if i <= 3 then check("(select(%d, ...))(2)", i + 3) arguments[i] = f end
  end
  out("local task = function(...) %s return table.concat(t, ' '), sentinels.x, objects[1] end", table.concat(body, " "))
  out("return { task = task, undo = undo, args = { { %s }, { x = %s }, %s%s }, sentinel = %s, is = %s }",
    object and object.make or "", sentinel or "nil", copy or "{}",
    #arguments > 0 and ", " .. table.concat(arguments, ", ") or "",
    sentinel or "nil", object and object.is or "nil")
  local files = {}
  for i, m in ipairs(modules) do files[i] = { name = m.name, source = m.source } end
  return { modules = files, source = table.concat(lines, "\n") }
end

return M
