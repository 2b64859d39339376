-- All that a task can be told, at once and under load: random tasks of every kind, with random settings beside those
-- that make them what they are, while the pool is resized, looked at and given errands. Each future ends once, as its
-- kind allows; what shares a worker with a task that crashes, loops or eats memory notices nothing of it.
-- arg: seconds (default 600), seed (default: the time)
local tine = require "tine"

local seconds = tonumber(arg[1] or 600)
local seed = math.tointeger(tonumber(arg[2])) or os.time()
local random = math.random
math.randomseed(seed)

local AT_ONCE <const> = 300
local MOST_WORKERS <const> = 6

local callback_errors = {}
local pool <close> = tine.pool {
  workers = 3, on_crash = "replace", grace = 2, name = "mixed", max_worker_age = 5, max_pending = 2 * AT_ONCE,
  on_callback_error = function(err) callback_errors[#callback_errors + 1] = tostring(err) end,
}
local words <close> = pool:share { list = { "one", "two", "three" }, nested = { count = 3 } }
local counter = tine.buffer(16)

local function must(condition, ...)
  if not condition then error(("seed %d: "):format(seed) .. string.format(...), 2) end
end

local function kind_of(err) return tine.kind(err) or "error" end

-- --- the tasks ---

local function plain(n, ...) return n, select("#", ...), ... end

local function fails_first(n, times)
  local attempt = tine.worker.task.attempt
  if attempt <= times then error { n = n, attempt = attempt } end
  return n, attempt
end

local function crashes_first(n, times)
  local attempt = tine.worker.task.attempt
  if attempt <= times then os.execute("kill -KILL " .. tine.worker.pid) end
  return n, attempt
end

-- Loops for ever, in some coroutines; its `<close>` variable counts that it ended in good order.
local function loops(buffer, depth)
  if depth > 0 then return coroutine.wrap(loops)(buffer, depth - 1) end
  local door <close> = setmetatable({}, { __close = function() buffer:add(1, 1) end }) -- luacheck: ignore
  while true do end
end

local function stubborn()
  while true do pcall(function() while true do end end) end
end

local function eats()
  local list = {}
  while true do list[#list + 1] = ("x"):rep(1000) end
end

local function prints(n, lines)
  for i = 1, lines do io.write(("%d: line %d\n"):format(n, i)) end
  return n
end

local function emits(n, events)
  for i = 1, events do
    tine.worker.emit(n, i)
    tine.worker.progress(i, events)
  end
  return n
end

local function tree(n)
  if n < 2 then return n end
  local a, b = tine.worker.pool:submit(tree, n - 1), tine.worker.pool:submit(tree, n - 2)
  return a:result() + b:result()
end

local function looks_up(n) return n, words.list[n % 3 + 1], words.nested.count end

local function naps(n, span)
  tine.sleep(span)
  return n, tine.worker.stopping()
end

local function draws() return math.random(1 << 30), tine.worker.task.seed end

-- --- what becomes of them ---

local function expect_error(kind, check)
  return function(n, _, ok, err)
    must(not ok, "%d gave a result instead of %s", n, kind)
    must(kind_of(err) == kind, "%d ended as %s instead of %s: %s", n, kind_of(err), kind, tostring(err))
    if check then check(n, err) end
  end
end

local function expect_values(...)
  local wanted = table.pack(...)
  return function(n, _, ...)
    local got = table.pack(...)
    must(got[1], "%d failed: %s", n, tostring(got[2]))
    must(got[2] == n, "%d gave the result of %s", n, tostring(got[2]))
    for i = 1, wanted.n do
      must(got[i + 2] == wanted[i], "%d gave %s, not %s", n, tostring(got[i + 2]), tostring(wanted[i]))
    end
  end
end

local function expect_attempts(budget, times, kind)
  if times > budget then
    return function(n, future, ok, err)
      must(not ok and kind_of(err) == kind, "%d ended as %s", n, tostring(err))
      must(#future:attempts() == budget + 1, "%d had %d attempts", n, #future:attempts())
    end
  end
  local values = expect_values(times + 1)
  return function(n, future, ...)
    values(n, future, ...)
    must(#future:attempts() == times + 1, "%d had %d attempts", n, #future:attempts())
  end
end

-- Settings that change nothing of how a task ends.
local function harmless(settings)
  settings = settings or {}
  if random(3) == 1 then settings.priority = random(-3, 3) end
  if random(3) == 1 then settings.group = "group " .. random(3) end
  if random(4) == 1 then settings.seed = random(100) end
  if random(4) == 1 then settings.output = settings.output or "capture" end
  if random(4) == 1 then settings.memory = settings.memory or 64 << 20 end
  if random(4) == 1 then settings.deadline = settings.deadline or 600 end
  if random(4) == 1 then settings.cpu = settings.cpu or 60 end
  if random(4) == 1 then settings.retry = settings.retry or 2 end
  if random(8) == 1 then settings.label = "labelled" end
  return pool:with(settings)
end

-- --- kinds of tasks: each submits one and gives its future and how it is to end ---

local kinds = {}

function kinds.plain(n)
  local size = random(20) == 1 and random(100000) or random(100)
  return harmless():submit(plain, n, nil, ("x"):rep(size), nil), expect_values(3, nil, ("x"):rep(size), nil)
end

function kinds.error(n)
  local budget, times = random(0, 2), random(0, 3)
  return harmless { retry = { error = budget, delay = 0.001 * random(0, 20), jitter = 0.5 } }
    :submit(fails_first, n, times), expect_attempts(budget, times, "error")
end

function kinds.crash(n)
  local budget, times = random(0, 2), random(0, 2)
  return harmless { retry = { crashed = budget, delay = 0.001 } }:submit(crashes_first, n, times),
    expect_attempts(budget, times, "crashed")
end

local asked = 0

function kinds.timeout()
  asked = asked + 1
  return harmless { timeout = 0.001 * random(20), retry = 0 }:submit(loops, counter, random(0, 2)),
    expect_error("timeout", function(n, err) must(err.phase == "running", "%d: phase %s", n, err.phase) end)
end

function kinds.cpu()
  asked = asked + 1
  return harmless { cpu = 0.001 * random(20), retry = 0 }:submit(loops, counter, 0),
    expect_error("timeout", function(n, err) must(err.cpu == true, "%d: not by its processor time", n) end)
end

function kinds.stubborn()
  return harmless { timeout = 0.005, grace = random(2) == 1 and 0 or 0.02, retry = 0 }:submit(stubborn),
    expect_error "timeout"
end

function kinds.deadline(n)
  local future = harmless { deadline = 0.001 * random(0, 50), retry = 0 }:submit(naps, n, 0.001)
  return future, function(_, _, ok, value)
    must(ok and value == n or kind_of(value) == "timeout", "%d: %s", n, tostring(value))
  end
end

function kinds.memory()
  return harmless { memory = 1 << random(18, 22), retry = 0 }:submit(eats),
    expect_error("memory", function(n, err) must(err.used <= err.limit, "%d used too much", n) end)
end

function kinds.output(n)
  local lines = random(0, 50)
  return harmless { output = "capture" }:submit(prints, n, lines), function(_, future, ok, value)
    must(ok and value == n, "%d: %s", n, tostring(value))
    local count = 0
    for number, line in future:output():gmatch "(%d+): line (%d+)\n" do
      count = count + 1
      must(tonumber(number) == n and tonumber(line) == count, "%d printed line %s of %s", n, line, number)
    end
    must(count == lines, "%d printed %d lines, not %d", n, count, lines)
  end
end

function kinds.events(n)
  local events, told = random(0, 20), 0
  local future = harmless():submit(emits, n, events)
  local function event(_, from, i)
    told = told + 1
    must(from == n and i == told, "event %d of %d was %s of %s", told, n, i, from)
  end
  local called = random(2) == 1
  if called then future:on_event(event) end
  return future, function(_, _, ok, value)
    must(ok and value == n, "%d: %s", n, tostring(value))
    if called then
      pool:dispatch()
    else
      for from, i in future:events() do event(future, from, i) end
    end
    must(told == events, "%d emitted %d events, not %d", n, told, events)
  end
end

function kinds.nested()
  local depth = random(2, 8)
  local a, b = 0, 1
  for _ = 1, depth do a, b = b, a + b end
  return harmless { memory = math.huge, cpu = math.huge, deadline = math.huge }:submit(tree, depth),
    function(n, _, ok, value) must(ok and value == a, "%d: fib(%d) is %s", n, depth, tostring(value)) end
end

function kinds.shared(n) return harmless():submit(looks_up, n), expect_values(words:get().list[n % 3 + 1], 3) end

function kinds.chained(n)
  local span = 0.001 * random(0, 5)
  if random(4) == 1 then
    return pool:submit(error, { n = n }):chain(plain), expect_error "error"
  end
  return pool:submit(naps, n, span):chain(plain, n), expect_values(1, n)
end

function kinds.aborted()
  local future = harmless { retry = 0 }:submit(loops, counter, random(0, 2))
  if random(2) == 1 then tine.sleep(0.001 * random(0, 10)) end
  future:abort()
  asked = asked + 1
  return future, expect_error "cancelled"
end

function kinds.cancelled(n)
  local future = harmless():submit(plain, n)
  local done = future:cancel()
  return future, function(_, _, ok, value)
    if done then
      must(kind_of(value) == "cancelled", "%d was cancelled: %s", n, tostring(value))
    else
      must(ok and value == n, "%d: %s", n, tostring(value))
    end
  end
end

function kinds.refused(n)
  local future, why = pool:try_submit(plain, n)
  if not future then
    must(why == "full", "try_submit says %s", why)
    return kinds.plain(n)
  end
  return future, expect_values()
end

local names = {}
for name in pairs(kinds) do names[#names + 1] = name end
table.sort(names)

-- --- maps: an item is the unit of all that a user sees ---

local function map_item(i, what)
  if what == "error" then error("item " .. i) end
  if what == "loop" then while true do end end
  if what == "crash" and tine.worker.task.attempt == 1 then os.execute("kill -KILL " .. tine.worker.pid) end
  return i * 2, draws()
end

local function map_some()
  local items, ending = {}, {}
  for i = 1, random(200) do
    ending[i] = ({ "error", "loop", "crash" })[random(200)] or "ok"
    items[i] = i
  end
  local function whats(i) return map_item(i, ending[i]) end
  local count, numbers = 0, {}
  -- A crash starts a shell, which takes more than half a second on a busy machine.
  local view = pool:with { timeout = 3, retry = { crashed = 1 }, seed = "mixed" }
  local options = { chunksize = random(20), on_error = "return", ordered = random(2) == 1 }
  for i, value, drawn in view:map(whats, items, options) do
    count = count + 1
    local kind = ending[i]
    if kind == "ok" or kind == "crash" then
      must(value == i * 2, "item %d (%s): %s, %s", i, kind, tostring(value), tostring(drawn))
      numbers[drawn] = (numbers[drawn] or 0) + 1
    else
      must(value == nil and kind_of(drawn) == (kind == "loop" and "timeout" or kind), "item %d (%s): %s", i, kind,
        tostring(drawn))
    end
  end
  must(count == #items, "a map of %d items gave %d", #items, count)
  for _, times in pairs(numbers) do must(times < 3, "items drew the same number") end
end

-- --- the storm ---

local ends = setmetatable({}, { __mode = "k" })
local function count_end(future) ends[future] = (ends[future] or 0) + 1 end

local tally, number = {}, 0

local function begin(kind)
  number = number + 1
  local future, check = kinds[kind](number)
  future:add_done_callback(count_end)
  return { n = number, kind = kind, future = future, check = check }
end

local function finish(task)
  task.check(task.n, task.future, task.future:pcall(120))
  tally[task.kind] = (tally[task.kind] or 0) + 1
end

local function disturb()
  local what = random(4)
  if what == 1 then
    pool:resize(random(MOST_WORKERS))
  elseif what == 2 then
    pool:everywhere(function() tine.worker.state.visited = true end)
  elseif what == 3 then
    for _, worker in ipairs(pool:workers()) do must(worker.state, "a worker without a state") end
  else
    must(pool:stats().submitted > 0 and #pool:report() > 0, "no statistics")
  end
end

local stop = tine.clock() + seconds
while tine.clock() < stop do
  local tasks = {}
  for i = 1, AT_ONCE do tasks[i] = begin(names[random(#names)]) end
  for _ = 1, random(3) do disturb() end
  for i = AT_ONCE, 1, -1 do
    local at = random(i) -- taken in no order
    tasks[i], tasks[at] = tasks[at], tasks[i]
    finish(tasks[i])
  end
  map_some()
  pool:dispatch()
  for _, task in ipairs(tasks) do
    must(ends[task.future] == 1, "%s %d has ended %s times", task.kind, task.n, ends[task.future])
  end
end

must(pool:join(60), "something is unfinished at the end")
must(#callback_errors == 0, "callbacks: %s", table.concat(callback_errors, "\n"))
local stats = pool:stats()
must(stats.pending == 0 and stats.running == 0, "%d pending, %d running", stats.pending, stats.running)
must(stats.submitted == stats.finished + stats.failed + stats.cancelled, "%d submitted, but %d finished, %d failed and"
  .. " %d cancelled", stats.submitted, stats.finished, stats.failed, stats.cancelled)
local closed = counter:get("i8", 1)
must(closed <= asked, "%d tasks ended in good order, %d were asked", closed, asked)

local parts = {}
for _, name in ipairs(names) do parts[#parts + 1] = ("%d %s"):format(tally[name] or 0, name) end
print(("seed %d: %s; %d of %d asked ended in good order; %d workers started, %d lost"):format(seed,
  table.concat(parts, ", "), closed, asked, stats.workers_started, stats.workers_lost))
