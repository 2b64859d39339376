-- The screen of `tine top`: the pools, refreshed, with a selected worker; and the place of its task.
local core = require "tine.core"
local host = require "tine.cli.host"
local text_of = require "tine.cli.top.text"

local M = {}

-- Alternate screen, no cursor; and lines end at the edge, since the characters of a text may be wider than one column.
local ENTER <const>, LEAVE <const> = "\27[?1049h\27[?25l\27[?7l", "\27[?7h\27[?25h\27[?1049l"
local HOME <const>, CLEAR_LINE <const>, CLEAR_REST <const> = "\27[H", "\27[K", "\27[J"
local REVERSE <const>, PLAIN <const> = "\27[7m", "\27[m"
local CTRL_Z <const> = "\26"
local STDIN <const> = 0

local Screen = {}
Screen.__index = Screen

-- --- the terminal ----------------------------------------------------------------------------------------------

local signals -- the descriptor of those that ask to end, or tell of another size
local asked_by -- the signal that has asked to end

-- Sets the terminal so that keys come one by one and are not echoed. Ctrl-C is a key, too, and signals are waited for
-- like keys, so that the terminal is always restored.
local function enter()
  os.execute "stty -icanon -echo -isig min 1 time 0"
  io.stdout:write(ENTER)
end

local Terminal = {}
Terminal.__index = Terminal

function Terminal:leave()
  io.stdout:write(LEAVE)
  io.stdout:flush()
  os.execute("stty " .. self.before)
end

Terminal.__close = Terminal.leave

-- Ctrl-Z, which is a key here as well: stops until the shell lets it go on.
function Terminal:suspend()
  self:leave()
  os.execute "kill -TSTP 0"
  enter()
end

local function take_terminal()
  local pipe <close> = assert(io.popen("stty -g", "r"))
  local before = pipe:read "l"
  if not before or before == "" then return nil end
  signals = assert(host.signals(true))
  io.stdin:setvbuf "no"
  enter()
  return setmetatable({ before = before }, Terminal)
end

local ARROWS <const> = { A = "up", B = "down" }

-- The signal that has come, as a key; one that asks to end is noted.
local function signal_key()
  local signal, ends = host.take_signal(signals)
  if not ends then return "resize" end
  asked_by = signal
  return "end"
end

-- The next key; nil if there was none within this time; "q" at the end of the input.
local function key_within(seconds)
  local has_key, has_signal = host.poll({ STDIN, signals }, seconds)
  if has_signal then return signal_key() end
  if not has_key then return nil end
  local c = io.read(1)
  if c == "\27" and host.poll({ STDIN }, 0.02) and io.read(1) == "[" then return ARROWS[io.read(1) or ""] or "other" end
  return c or "q"
end

-- --- drawing ---------------------------------------------------------------------------------------------------

local function size_now()
  local columns, rows = core.terminal(1)
  return { columns = columns or 80, rows = (rows or 24) - 2 } -- without the first and the last line
end

-- Draws everything in one write, against flicker. If there are more lines than rows, those up to the chosen one.
local function draw(title, lines, foot, size, chosen)
  local out = { HOME, text_of.clip(title, size.columns), CLEAR_LINE, "\r\n" }
  local above = chosen and size.rows > 0 and math.max(chosen - size.rows, 0) or 0
  for row = 1, math.min(#lines - above, size.rows) do
    local line = lines[above + row]
    if above + row == chosen then line = REVERSE .. line .. PLAIN end
    out[#out + 1] = line .. CLEAR_LINE .. (row < size.rows and "\r\n" or "")
  end
  if #lines < size.rows then out[#out + 1] = CLEAR_REST end
  out[#out + 1] = ("\27[%d;1H"):format(size.rows + 2) .. text_of.clip(foot, size.columns) .. CLEAR_LINE
  io.stdout:write(table.concat(out))
  io.stdout:flush()
end

-- Each pool keeps its previous state, for rates.
function Screen:look()
  local pools, before = self.settings.look(), {}
  for _, pool in ipairs(self.pools) do before[pool.socket], pool.before = pool, nil end
  for _, pool in ipairs(pools) do pool.before = before[pool.socket] end
  self.pools = pools
end

-- The line of the selected worker, if it still exists.
function Screen:line_of_choice(where, count)
  local first
  for i = 1, count do
    local at = where[i]
    if at and not first then first = i end
    if at and self.choice and at.pool.socket == self.choice.socket and at.worker.id == self.choice.worker then
      return i
    end
  end
  return self.choice and first or nil
end

function Screen:show()
  local size = size_now()
  local title = ("tine top - %s, %d pool%s"):format(os.date "%H:%M:%S", #self.pools, #self.pools == 1 and "" or "s")
  if #self.pools == 0 then
    self.where = {}
    draw(title, { "", self.settings.explain() .. "; waiting for one" }, "q quit", size)
    return
  end
  self.lines, self.where = text_of.lines(self.pools, size)
  self.line = self:line_of_choice(self.where, #self.lines)
  draw(title, self.lines, "up/down choose a worker   t where its task is   q quit", size, self.line)
end

-- --- keys ------------------------------------------------------------------------------------------------------

function Screen:move(step)
  local at = self.line or (step > 0 and 0 or #self.lines + 1)
  repeat
    at = at + step
    if at < 1 or at > #self.lines then return end
  until self.where[at]
  local found = self.where[at]
  self.choice = { socket = found.pool.socket, worker = found.worker.id }
end

-- Breaks the text into lines that fit, between words if possible.
local function split(text, columns)
  local lines = {}
  for line in text:gmatch "[^\n]+" do
    while #line > columns do
      local head = line:sub(1, columns + 1):match "^(.*) " or line:sub(1, columns)
      lines[#lines + 1] = head
      line = line:sub(#head + 1):gsub("^ ", "")
    end
    lines[#lines + 1] = line
  end
  return lines
end

-- Shows a text until a key is pressed, or a signal asks to end; anew in a terminal of another size.
local function show_text(title, text)
  local key
  repeat
    local size = size_now()
    draw(title, split(text, size.columns), "any key goes back", size)
    key = key_within(3600)
  until key and key ~= "resize"
end

-- Shows the place of the selected worker's task.
function Screen:show_place()
  local at = self.line and self.where[self.line]
  local task = at and at.worker.task
  local text = "choose a worker that runs a task (up, down)"
  if task then
    draw("tine top - looking where task " .. task.id .. " is", {}, "", size_now())
    local place = self.settings.place(at.pool.pid, task.id)
    text = place and place.how ~= "gone" and text_of.place(place) or "the task has ended"
  end
  show_text("tine top - where a task is", text)
end

-- Returns false to end.
function Screen:obey(key)
  if key == "q" or key == "\3" or key == "\4" then return false end
  if key == "down" or key == "j" then self:move(1) end
  if key == "up" or key == "k" then self:move(-1) end
  if key == "t" or key == "\r" or key == "\n" then self:show_place() end
  return true
end

-- settings: delay, look() -> pools, place(pid, task), explain() -> why there are none. Returns an exit code.
function M.run(settings)
  local terminal <close> = take_terminal()
  if not terminal then error("the terminal cannot be set up: is stdin one? (--once needs none)", 0) end
  local screen = setmetatable({ settings = settings, pools = {}, lines = {}, where = {} }, Screen)
  local due = 0
  while true do
    if core.public.clock() >= due then
      screen:look()
      due = core.public.clock() + settings.delay
    end
    screen:show()
    local key = key_within(math.max(due - core.public.clock(), 0))
    if key == CTRL_Z then
      terminal:suspend()
    elseif key and not screen:obey(key) then
      return 0
    end
    if asked_by then return 128 + asked_by end -- as shells tell of it
  end
end

return M
