-- lua5.4 bench/codec.lua: what the codec costs, beside lua-cjson in the same run.
--
-- Needs tine_codec_test (tests/codec_module.c) and cjson on the cpath. Encode and decode are called
-- from Lua, in interleaved rounds of which the fastest counts: the machine's noise only ever adds.
-- Ours encodes into a buffer, as the pool does into shared memory; cjson makes a string.
local test = require "tine_codec_test"
local cjson = require "cjson"
local modules = require "bench.modules"
local clock = os.clock

local ROUNDS = tonumber(arg and arg[1]) or 150

-- Seconds per call, of the fastest round each: {function, ...} -> {seconds, ...}
local function race(functions, n)
  local best = {}
  for i = 1, #functions do best[i] = math.huge end
  for _ = 1, ROUNDS do
    for i, f in ipairs(functions) do
      local start = clock()
      for _ = 1, n do f() end
      best[i] = math.min(best[i], (clock() - start) / n)
    end
  end
  return best
end

local function list(n, make)
  local t = {}
  for i = 1, n do t[i] = make(i) end
  return t
end

local map = {}
for i = 1, 1000 do map["key" .. i] = i end
local values = {
  { '{x=1, y=2, s="abc"}', { x = 1, y = 2, s = "abc" }, 2000, 2.5, 2.5 },
  { "1,000 integers", list(1000, function(i) return i * 7 end), 20, 8, 2.5 },
  { "1,000 floats", list(1000, function(i) return i / 7 end), 10, 10, 4 },
  { "100 records of 5 fields", list(100, function(i)
    return { id = i, name = "record " .. i, ok = true, score = i / 3, tag = "t" .. i % 7 }
  end), 20, 1.9, 2 },
  { "map of 1,000 entries", map, 10, 4, 2.5 },
  { "1 MiB string", ("x"):rep(1 << 20), 2, 60, 60 },
}

local c = test.codec()

print(("%-26s %10s %10s %7s %5s   %10s %10s %7s %5s"):format("value", "encode ns", "cjson ns",
  "ratio", "goal", "decode ns", "cjson ns", "ratio", "goal"))
for _, v in ipairs(values) do
  local name, value, n, goal_encode, goal_decode = table.unpack(v)
  local bytes, json = c:values(value), cjson.encode(value)
  local encode, json_encode = c.size, cjson.encode
  local decode, json_decode = c.decode, cjson.decode
  local e = race({ function() encode(c, value) end, function() json_encode(value) end }, n)
  collectgarbage()
  local d = race({ function() decode(c, bytes) end, function() json_decode(json) end }, n)
  print(("%-26s %10.0f %10.0f %7.1f %5.1f   %10.0f %10.0f %7.1f %5.1f"):format(name, e[1] * 1e9,
    e[2] * 1e9, e[2] / e[1], goal_encode, d[1] * 1e9, d[2] * 1e9, d[2] / d[1], goal_decode))
end

-- Functions. Argument values are subtracted: what is left is the function's own cost.
local function best_of(what, n, ...)
  local best = math.huge
  for _ = 1, ROUNDS do best = math.min(best, c:time(what, n, ...)) end
  return best
end

local up1, up2, up3 = 1, "two", 3.5
local dkjson, format = require "dkjson", string.format
local functions = {
  { "a + b", function(a, b) return a + b end, 300, 450 },
  { "_ENV and 3 scalars", function(a) return print and up1 + up3 + a .. up2 end, 300, 450 },
  { "two upvalues by name", function(a) return format("%s", dkjson.encode(a)) end, 650, 550 },
}

print()
print(("%-26s %10s %5s   %10s %5s   %10s %5s"):format("function", "encode ns", "goal", "decode ns",
  "goal", "fresh ns", "goal"))
local makers = {
  function() return function(a, b) return a + b end end,
  function() return function(a) return print and up1 + up3 + a .. up2 end end,
  function() return function(a) return format("%s", dkjson.encode(a)) end end,
}
assert(c:fn(functions[1][2]))
local args_encode = best_of("a", 1000, 1, 2)
local args_decode = best_of("d", 1000, c:values(1, 2))
for i, f in ipairs(functions) do
  local name, fn, goal_encode, goal_decode = table.unpack(f)
  local encode = best_of("f", 1000, fn, 1, 2) - args_encode
  local fnbytes = assert(c:fn(fn))
  local decode = best_of("c", 1000, fnbytes, assert(c:args(1, 2))) - args_decode
  -- 200 closures of one prototype, none of which was sent before
  local fresh = math.huge
  for _ = 1, 20 do
    local closures = list(200, makers[i])
    for k = 1, 200 do fresh = math.min(fresh, c:time("f", 1, closures[k], 1, 2)) end
  end
  print(("%-26s %10.0f %5d   %10.0f %5d   %10.0f %5d"):format(name, encode, goal_encode, decode,
    goal_decode, fresh - args_encode, 400))
end

-- The first function that a codec sends: what is loaded is looked through for names; a further codec of the state finds
-- that done. (A pool has its codec do this while its workers start: `bench/tine.lua modules`.)
local function first_function()
  local codec, fn = test.codec(), load "return 1"
  collectgarbage()
  local start = clock()
  assert(codec:fn(fn))
  return (clock() - start) * 1e6
end

print()
print(("%-26s %10s %5s   %10s %5s"):format("first function, modules", "first us", "goal", "further us", "goal"))
for _, n in ipairs { 0, 50, 200 } do
  modules.load(n == 200 and 51 or 1, n)
  local first, further = first_function(), math.huge
  for _ = 1, 10 do further = math.min(further, first_function()) end
  print(("%-26d %10.0f %5d   %10.0f %5d"):format(n, first, 2000, further, 1000))
end
