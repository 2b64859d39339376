-- Calls of the whole interface at random, with arguments that are right, nearly right or nonsense, in programs of
-- sixty calls each. Nothing crashes or stands still: each call ends in time, as all waits in here are limited, by a
-- result or by an error that says where and what, where it is known by the right one; each pool ends when it is told
-- to, and with it each future.
-- arg: programs (default 1000), first seed (default: the time). The guard (tests/guard.c) sees to what is left over.
local tine = require "tine"

local programs = math.tointeger(tonumber(arg[1] or 1000))
local first_seed = math.tointeger(tonumber(arg[2])) or os.time()
local random = math.random

local CALLS <const> = 60
local MOST_POOLS <const> = 4
local LONGEST <const> = 8 -- seconds: a pool may have a second's work to do, and the machine may be busy

-- --- what there is ----------------------------------------------------------------------------------------------

local seed, trail
local have -- lists of what the program has made, by kind

local function pick(list) return list[random(#list)] end

local function fail(...)
  io.stderr:write(("seed %d: "):format(seed), string.format(...), "\n  ", table.concat(trail, "\n  "), "\n")
  os.exit(1)
end

local function quiet() end

local function keep(kind, value)
  if value ~= nil then table.insert(have[kind], value) end
end

local function spin(seconds)
  local till = tine.clock() + seconds
  while tine.clock() < till do end -- luacheck: ignore
end

-- A task that makes calls of its own.
local function talkative(first, calls)
  local rand, futures, own = math.random, {}, tine.worker.pool
  math.randomseed(first)
  local tasks = { function(...) return ... end, function() error "in a child" end, "math.abs", tine.clock,
    function(n) return (n or 0) > 0 and tine.worker.pool:submit(math.abs, n):result() end,
    function() tine.sleep(0.002) return tine.worker.emit "child" end }
  local values = { 1, -2, "x", {}, { 1, { 2 } }, true, tasks[1] }
  local methods = { "result", "pcall", "exception", "state", "done", "cancel", "abort", "times", "label", "progress" }
  for _ = 1, calls do
    local which, future = rand(8), futures[rand(#futures + 1)]
    if which <= 3 or not future then
      local view = rand(3) == 1 and own:with { timeout = 0.05, label = "child" } or own
      local good, made = pcall(view.submit, view, tasks[rand(#tasks)], values[rand(#values)], future)
      if good then table.insert(futures, made) end
    elseif which == 4 then
      pcall(function() return own:map(tasks[rand(#tasks)], { 1, 2, 3 }, { on_error = "return" }):totable() end)
    elseif which == 5 then
      pcall(tine.wait, futures, { timeout = 0.005, return_when = "first_completed" })
    elseif which == 6 then
      pcall(tine.worker.progress, rand(9), 9)
      pcall(tine.worker.emit, values[rand(#values)])
    else
      pcall(future[methods[rand(#methods)]], future, 0.005)
    end
  end
  return #futures
end

local count, by = 0, 2
local function counts(n) -- two upvalues, one of them written
  count = count + by
  return count, n
end

local Point = {}
Point.__index = Point
function Point:norm() return self.x end
tine.register("random.Point", Point)

local functions = {
  function(...) return ... end,
  function() error "x" end,
  function() error { code = 3 } end,
  function() spin(0.002) end,
  function() spin(0.1) end,
  function() tine.sleep(0.003) end,
  function() return ("x"):rep(20000) end,
  function() if tine.worker then os.exit(3) end end, -- on_worker_exit would end the program
  function() for i = 1, 5 do tine.worker.emit(i, "e") end end,
  function() return tine.worker.progress(1, 2, "t") end,
  function() return tine.worker.pool:submit(math.abs, -3):result() end,
  function() return tine.worker.pool:map(math.abs, { -1, -2, 3 }):totable() end,
  function()
    local till = tine.clock() + 0.1
    repeat until tine.worker.stopping() or tine.clock() > till
  end,
  function() print "out" io.stderr:write "err\n" end,
  function() return coroutine.wrap(print) end,
  function() return io.stdout end,
  "string.rep", "math.floor", "no.such", "", math.abs, string.format, math.max,
  setmetatable({}, { __call = function(_, a) return a end }),
  function(first) return talkative(math.type(first) == "integer" and first or 1, 10) end, talkative, counts,
  function(value) return type(value) == "function" and value(1) or value end,
  function(point) return point:norm() end,
}

local cyclic = {}
cyclic.self = cyclic
local plain = {
  0, 1, -1, 2, 3.5, 0.001, 0 / 0, math.huge, math.mininteger, math.maxinteger, true, false,
  "", "text", "a\0b", ("z"):rep(5000),
  {}, { 1, 2, 3, n = 3 }, cyclic, io.stdout, coroutine.create(print), setmetatable({}, { __gc = print, __mode = "k" }),
  setmetatable({}, { __index = function(_, key) return key end, __len = function() return 3 end }),
  setmetatable({ x = 1 }, Point), { setmetatable({ x = 2 }, Point), counts },
}

local function anything()
  local which = random(5)
  if which == 1 then return pick(functions) end
  if which == 2 then
    local list = have[pick { "pool", "view", "future", "map", "shared", "buffer", "frozen" }]
    local one = #list > 0 and pick(list) or list
    return random(4) == 1 and { one, { inside = one } } or one
  end
  if which == 3 and random(3) == 1 then return nil end
  return pick(plain)
end

local function some(most)
  local list, n = {}, random(0, most)
  for i = 1, n do list[i] = anything() end
  return table.unpack(list, 1, n)
end

-- --- calls ------------------------------------------------------------------------------------------------------

local function short(value)
  local text = type(value) == "string" and ("%q"):format(value:sub(1, 30)) or tostring(value)
  return (text:gsub("\n.*", ""))
end

-- An error of the library says what, and an argument error also where: in here.
local function judge(err)
  if tine.kind(err) then
    local words = err.message
    if type(words) ~= "string" or words == "" then fail("an error of kind %s without words", tine.kind(err)) end
  elseif type(err) == "string" and err:find("bad argument", 1, true) and not err:find("random_calls.lua:%d+: ") then
    local of_task = err:find "'%a+%.%a+'" -- "bad argument #1 to 'math.floor'" was raised in the worker
    if not of_task then fail("an error that does not say where: %s", err) end
  end
end

local function call(name, fn, ...)
  local arguments = table.pack(...)
  for i = 1, arguments.n do arguments[i] = short(arguments[i]) end
  table.insert(trail, ("%s(%s)"):format(name, table.concat(arguments, ", ")))
  local since = tine.clock()
  local results = table.pack(pcall(function(...)
    local values = table.pack(fn(...)) -- no tail call: the error is to be ours
    return table.unpack(values, 1, values.n)
  end, ...))
  if tine.clock() - since > LONGEST then fail("took %.1f s", tine.clock() - since) end
  if not results[1] then judge(results[2]) end
  return table.unpack(results, 1, results.n)
end

local right = { -- what options may be
  workers = { 0, 1, 2, 3 }, label = { "label" }, timeout = { 0.01, 0.1 }, deadline = { 0.01, 0.1, 5 },
  grace = { 0, 0.01 }, priority = { -1, 0, 5 }, group = { "a", "b" }, retry = { 0, 2, { error = 1, delay = 0.001 } },
  memory = { 1000000, 100000000 }, cpu = { 0.01, 1 }, output = { "capture" }, output_limit = { 0, 100 },
  seed = { 1, "s" }, ageing = { 0, 100 }, on_crash = { "replace", "break" }, max_pending = { 1, 3, 10 },
  event_buffer = { 1, 2 }, idle_timeout = { 0.005 }, max_worker_age = { 0.01 }, max_worker_memory = { 1000000 },
  max_tasks_per_worker = { 1, 3 }, spin = { 0, 1e-5 }, min_workers = { 0, 1 }, preload = { { "string" } },
  start_method = { "fork", "spawn" }, max_pending_bytes = { 100, 10000 },
  initializer = { quiet }, finalizer = { quiet }, on_worker_exit = { quiet }, on_callback_error = { quiet },
  globals = { "named", "none" }, exit_timeout = { 0.05 }, warnings = { true }, name = { "random" },
}
local names = {}
for name in pairs(right) do table.insert(names, name) end
table.sort(names)

local function options()
  local list = { on_callback_error = quiet, output = "capture" }
  for _ = 1, random(0, 4) do
    local name = pick(names)
    if random(10) > 1 then
      list[name] = pick(right[name])
    elseif name ~= "workers" then
      list[name] = anything()
    end
  end
  return list
end

local callbacks = {
  quiet, 3, function() error "in a callback" end, function(future) future:cancel() end, function() collectgarbage() end,
  function() if #have.pool > 0 then pcall(have.pool[1].try_submit, have.pool[1], math.abs, 1) end end,
}

local waits = { 0, 0.001, 0.05, -1, "x" }

local future_calls = {
  chain = function(f) keep("future", select(2, call("future:chain", f.chain, f, pick(functions), some(1)))) end,
  add_done_callback = function(f) call("future:add_done_callback", f.add_done_callback, f, pick(callbacks)) end,
  on_event = function(f) call("future:on_event", f.on_event, f, pick(callbacks)) end,
  events = function(f)
    local good, next_event = call("future:events", f.events, f)
    if good and f:done() then call("next event", next_event) end
  end,
}
for _, name in ipairs { "result", "pcall", "exception", "await" } do
  future_calls[name] = function(f) call("future:" .. name, f[name], f, pick(waits)) end
end
for _, name in ipairs { "state", "done", "running", "times", "attempts", "progress", "output", "cancelled", "cancel",
  "abort", "set_running_or_notify_cancel", "set_result", "set_exception" } do
  future_calls[name] = function(f) call("future:" .. name, f[name], f, some(2)) end
end

local function to_map()
  if random(4) == 1 then return have.future end
  return pick { { 1, 2, 3 }, {}, { 1, nil, 3 }, function() return nil end }
end

local pool_calls = {
  submit = function(p) keep("future", select(2, call("submit", p.submit, p, pick(functions), some(4)))) end,
  try_submit = function(p) call("try_submit", p.try_submit, p, some(3)) end,
  with = function(p) keep("view", select(2, call("with", p.with, p, options()))) end,
  join = function(p) call("join", p.join, p, pick { 0, 0.01, 0.1 }) end,
  resize = function(p) call("resize", p.resize, p, pick { 0, 1, 2, 3, -1, 1.5, "x" }) end,
  everywhere = function(p) call("everywhere", p.everywhere, p, pick(functions), some(2)) end,
  share = function(p) keep("shared", select(2, call("share", p.share, p, anything()))) end,
  map = function(p)
    local how = { buffersize = random(4), chunksize = random(2), ordered = random(2) == 1, timeout = 0.3,
      on_error = pick { "raise", "return" } }
    keep("map", select(2, call("map", p.map, p, pick(functions), to_map(), how)))
  end,
  shutdown = function(p)
    if random(3) > 1 then return end
    local how = pick { { wait = false }, { timeout = 0.05 }, { cancel_futures = true, timeout = 0.1 }, 3 }
    call("shutdown", p.shutdown, p, how)
  end,
  kill_workers = function(p) if random(4) == 1 then call("kill_workers", p.kill_workers, p) end end,
  terminate_workers = function(p)
    if random(4) == 1 then call("terminate_workers", p.terminate_workers, p) end
  end,
}
for _, name in ipairs { "workers", "stats", "report", "fileno", "dispatch", "pollfd", "events", "getfd", "dirty" } do
  pool_calls[name] = function(p) call(name, p[name], p, some(1)) end
end

-- Functions of a number whose results are known, in one pool and by turns: each task runs its own.
local offset <const> = 7
local pure = {
  math.abs, "math.abs", function(x) return x + 1 end, function(x) return x + offset end, function(x) return { x } end,
  function(x) return x * 2, "second" end, load "local x = ... return x - 1", function(x) return ("%d"):format(x) end,
}
local function expected(fn, x)
  local value = (fn == "math.abs" and math.abs or fn)(x)
  return type(value) == "table" and value[1] or value
end

local function map_pure(p)
  local fn, items = pick(pure), {}
  for i = 1, random(60) do items[i] = random(-1000000, 1000000) end
  local how = { chunksize = random(3) > 1 and random(20) or nil, timeout = 0.5 }
  local good, results = call("map", p.map, p, fn, items, how)
  while good do
    local i, value
    good, i, value = call("next result", results)
    if not i or not good then return end
    if type(value) == "table" then value = value[1] end
    if value ~= expected(fn, items[i]) then
      fail("%s of %d gave %s", tostring(fn), items[i], tostring(value))
    end
  end
end

local others = {
  function() keep("future", select(2, call("future", tine.future))) end,
  function() keep("buffer", select(2, call("buffer", tine.buffer, pick { 0, 8, 64, 4096, -1, "x", 1.5 }))) end,
  function() keep("frozen", select(2, call("freeze", tine.freeze, anything()))) end,
  function() call("thaw", tine.thaw, anything()) end,
  function() call("encode", tine.encode, anything()) end,
  function() call("type", tine.type, anything()) end,
  function() call("kind", tine.kind, anything()) end,
  function() call("register", tine.register, some(4)) end,
  function()
    local how = { timeout = pick { 0, 0.01 }, return_when = pick { "first_completed", "x" } }
    call("wait", tine.wait, have.future, how)
  end,
  function()
    local good, completed = call("as_completed", tine.as_completed, have.future, pick { 0, 0.01 })
    if good then call("completed", completed) end
  end,
  function() collectgarbage() end,
  function() -- forgets something
    local list = have[pick { "future", "view", "map", "shared", "buffer", "frozen" }]
    if #list > 0 then table.remove(list, random(#list)) end
  end,
}

local function use(kind, methods)
  if #have[kind] == 0 then return end
  local object = pick(have[kind])
  local name = pick(methods)
  call(kind .. ":" .. name, object[name], object, some(3))
end

local sorted = {} -- for each table of calls its names, in an order that does not change
local function any_of(calls)
  if not sorted[calls] then
    sorted[calls] = {}
    for name in pairs(calls) do table.insert(sorted[calls], name) end
    table.sort(sorted[calls])
  end
  return calls[pick(sorted[calls])]
end

local function step()
  local which = random(100)
  if #have.pool == 0 or (which <= 2 and #have.pool < MOST_POOLS) then
    keep("pool", select(2, call("pool", tine.pool, options())))
    if type(have.pool[#have.pool]) ~= "userdata" then table.remove(have.pool) end -- refused
  elseif which <= 40 then
    pool_calls.submit(#have.view > 0 and random(4) == 1 and pick(have.view) or pick(have.pool))
  elseif which <= 45 then
    map_pure(pick(have.pool))
  elseif which <= 57 then
    any_of(pool_calls)(pick(have.pool))
  elseif which <= 85 and #have.future > 0 then
    any_of(future_calls)(pick(have.future))
  elseif which <= 89 then
    use("buffer", { "get", "set", "string", "write", "fill", "add", "compare" })
  elseif which <= 91 then
    use("shared", { "get", "bytes", "close" })
  elseif which <= 94 then
    if #have.map > 0 then call("next result", pick(have.map)) end
    use("map", { "totable", "close" })
  else
    pick(others)()
  end
end

-- --- programs ---------------------------------------------------------------------------------------------------

-- What was refused left its message where a value was expected.
local function sift()
  for _, list in pairs(have) do
    for i = #list, 1, -1 do
      local kind = type(list[i])
      if kind ~= "userdata" and kind ~= "table" then table.remove(list, i) end
      if kind == "table" and tine.kind(list[i]) then table.remove(list, i) end
    end
  end
end

local function program()
  trail = {}
  have = { pool = {}, view = {}, future = {}, map = {}, shared = {}, buffer = {}, frozen = {} }
  for _ = 1, CALLS do
    step()
    sift()
  end
  for _, pool in ipairs(have.pool) do
    call("the end", pool.shutdown, pool, { cancel_futures = random(2) == 1, timeout = 0.3 })
  end
  for _, future in ipairs(have.future) do
    local by_hand = tostring(future):find("manual", 1, true)
    if not by_hand and not future:pcall(0) and not future:done() then fail("%s is not done", tostring(future)) end
  end
end

for n = 0, programs - 1 do
  seed = first_seed + n
  math.randomseed(seed)
  program()
end
io.stdout:write(("%d programs from seed %d: every call ended as it may\n"):format(programs, first_seed))
