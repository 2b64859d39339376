-- The part of the interface of Lanes that `luacheck -j` uses, on a pool of Tine.
--
-- luacheck.multithreading starts a few lanes that take pairs {key, argument} from a linda and put func(argument) into
-- a table. Here a lane is a coroutine of this process, a linda is a plain queue, and the functions that a lane is
-- given run in the pool: a call submits a task, and the lane goes on when the result is there. So single calls are
-- distributed, and when a worker dies only its call is repeated. (A library that starts threads itself often has one
-- narrow place where work is handed over; that is the place to replace.)
local tine = require "tine"

local lanes = { ABOUT = { version = "tine " .. tine.version } }

local ATTEMPTS = 3 -- for a call whose worker dies

local pool -- made by the first call: workers load this file, too, and a program may find that it has nothing to do
local pool_options = { on_crash = "replace", name = "luacheck" }

function lanes.configure() return lanes end

-- The options of the pool that runs the calls.
function lanes.options(options) pool_options = options end

-- A function whose calls, made in a lane, run in the pool.
local function remote(fn)
  return function(...)
    local args, future = table.pack(...), nil
    pool = pool or tine.pool(pool_options)
    for _ = 1, ATTEMPTS do
      future = pool:submit(fn, table.unpack(args, 1, args.n))
      coroutine.yield(future)
      if tine.kind(future:exception()) ~= "crashed" then break end
    end
    return future:result()
  end
end

local Linda = {}
Linda.__index = Linda

function lanes.linda() return setmetatable({}, Linda) end

function Linda:send(_, slot, value)
  local queue = self[slot] or { first = 1, last = 0 }
  self[slot] = queue
  queue.last = queue.last + 1
  queue[queue.last] = value
  return true
end

function Linda:receive(_, slot)
  local queue = self[slot]
  while not queue or queue.first > queue.last do
    coroutine.yield() -- until another lane has sent something
    queue = self[slot]
  end
  local value = queue[queue.first]
  queue[queue.first] = nil
  queue.first = queue.first + 1
  return slot, value
end

local running = {} -- lanes that have not ended

-- Runs a lane until it ends or waits.
local function step(lane)
  local results = table.pack(coroutine.resume(lane.thread, table.unpack(lane.args, 1, lane.args.n)))
  lane.args = { n = 0 }
  if coroutine.status(lane.thread) == "dead" then
    lane.results = results
  else
    lane.waits_for = results[2]
    running[#running + 1] = lane
  end
end

-- Runs all lanes that can go on, then waits until another one can.
local function step_all()
  local lanes_now, futures = running, {}
  running = {}
  for _, lane in ipairs(lanes_now) do
    if lane.waits_for and not lane.waits_for:done() then
      running[#running + 1] = lane
    else
      step(lane)
    end
  end
  for _, lane in ipairs(running) do
    if lane.waits_for then futures[#futures + 1] = lane.waits_for end
  end
  if futures[1] then tine.wait(futures, { return_when = "first_completed" }) end
  return futures[1] ~= nil
end

local Lane = {}
Lane.__index = Lane

-- Returns what the lane's function returns; or nil and its error.
function Lane:join()
  while not self.results do
    local waiting = step_all()
    if not waiting and not self.results then return nil, "all lanes wait for messages" end
  end
  if not self.results[1] then return nil, self.results[2] end
  return table.unpack(self.results, 2, self.results.n)
end

function lanes.gen(_, fn)
  return function(...)
    local args = table.pack(...)
    for i = 1, args.n do
      if type(args[i]) == "function" then args[i] = remote(args[i]) end
    end
    local lane = setmetatable({ thread = coroutine.create(fn), args = args }, Lane)
    running[#running + 1] = lane
    return lane
  end
end

return lanes
