-- Programs that use a pool in an event loop: the same text for each loop that there is here.
--
--   for _, l in ipairs(support.loops) do
--     local out = support.run(l, [[ local pool = attached(tine.pool(2)) go(function() ... end) run() ]])
--   end
--
-- In the text: tine, attached(pool), detach(pool), go(fn, ...) starts a coroutine of the loop, run() runs it until all
-- of them have ended (where the loop can, until it has nothing to do), pause() lets the others go on, show(...) prints.
local program = require "spec.support.program"

local M = {}

-- The checkout of copas to be tried beside Debian's, where there is one (its folder src, with timerwheel).
local COPAS = os.getenv "TINE_TEST_COPAS"
local OLD <const> = "/usr/share/lua/5.1" -- where Debian's copas is

local HEADS = {
  luv = [[
    local uv = require "luv"
    local function go(fn, ...) coroutine.wrap(fn)(...) end
    local function run() uv.run() end
    local function pause()
      local co, timer = coroutine.running(), uv.new_timer()
      timer:start(1, 0, function() timer:close() assert(coroutine.resume(co)) end)
      coroutine.yield()
    end
  ]],
  cqueues = [[
    local cqueues = require "cqueues"
    local cq = cqueues.new()
    local function go(fn, ...) cq:wrap(fn, ...) end
    local function run() assert(cq:loop()) end
    local function pause() cqueues.sleep(0.001) end
  ]],
  copas = [[
    local copas = require "copas"
    local open = 0
    local function go(fn, ...)
      open = open + 1
      copas.addthread(function(...)
        local ok, err = pcall(fn, ...)
        open = open - 1
        if not ok then error(err, 0) end
      end, ...)
    end
    local function run()
      if copas.finished then return copas.loop() end
      while open > 0 do copas.step() end
    end
    local function pause() -- by what there is in all of them: a socket from which there is something to receive
      if copas.sleep then return copas.sleep(0.001) end
      local socket = require "socket".udp()
      socket:setsockname("127.0.0.1", 0)
      socket:settimeout(0)
      local host, port = socket:getsockname()
      socket:sendto("x", host, port)
      copas.receive({ receive = function(self)
        self.asked = not self.asked
        return not self.asked and socket:receive() or nil, "timeout"
      end, getfd = function() return socket:getfd() end, dirty = function() return false end, close = function() end })
      socket:close()
    end
  ]],
}

local TAIL = [[
  local service = require "tine.%s"
  local function detach(pool) service.detach(pool) end
  local function attached(pool) service.attach(pool%s) return pool end
  local function show(...)
    local list = table.pack(...)
    for i = 1, list.n do list[i] = tostring(list[i]) end
    print(table.concat(list, " "))
    io.stdout:flush()
  end
]]

M.loops = {
  { name = "luv", module = "luv" },
  { name = "cqueues", module = "cqueues", argument = ", cq" },
  { name = "copas 1", module = "copas", path = OLD .. "/?.lua", old = true },
}
if COPAS then
  M.loops[#M.loops + 1] = { name = "copas", module = "copas",
                            path = ("%s/?.lua;%s/?/init.lua;%s/?.lua"):format(COPAS, COPAS, OLD) }
else
  print "skipped: the newest copas (TINE_TEST_COPAS names its checkout's folder src)"
end

-- The text of a program that loads Tine before the loop, behind it (`first` is "loop"), or behind the loop and Tine's
-- module for it ("adapter").
function M.source(l, text, first)
  local path = l.path and ("package.path = %q .. package.path\n"):format(l.path .. ";") or ""
  local head = HEADS[l.module]
  local parts = { path, 'local tine = require "tine"\n', head }
  if first then
    local adapter = first == "adapter" and ('require "tine.%s"\n'):format(l.module) or ""
    parts = { path, head, adapter, 'local tine = require "tine"\n' }
  end
  return table.concat(parts) .. TAIL:format(l.module, l.argument or "") .. text
end

-- Runs it; what it prints.
function M.run(l, text, options)
  local ended = program.run(M.source(l, text, options and options.first), options)
  assert(ended.code == 0 and ended.how == "exit", ended.out .. ended.err)
  return ended.out, ended.err
end

return M
