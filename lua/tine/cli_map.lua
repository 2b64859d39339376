-- tine map: applies a function to each line of files in parallel.
--
-- A task is a block of lines, not one line: the submitter cuts the input into blocks with as little
-- work for each line as it can, and the workers do the rest (splitting, calling, joining what is to
-- be printed). Blocks start at one line and grow with the input, so that a few slow lines spread over
-- all workers and many fast ones cost next to nothing. The pool's own limit on what it reads ahead
-- gives the back-pressure: input of any length passes in constant memory.
--
-- A block whose worker dies is run again line by line, to find the line that did it.

local M = {}

local EXIT_LINE_FAILED <const> = 1 -- the call of some line failed
local EXIT_TROUBLE <const> = 2     -- wrong usage, a file that cannot be read, output that cannot be written

local BLOCK_BYTES <const> = 65536  -- a block is not made larger than about this
local GROWTH <const> = 64          -- a block has at most 1/64 of the lines that were read before it

local USAGE <const> = [[
usage: tine map [-j workers] [-n chunksize] [--unordered] [--progress] FUNCTION [file...]
]]

local HELP <const> = USAGE .. [[

Applies a Lua function to each line of the files (standard input without any, or
for "-"), in parallel, and prints what it returns, in the order of the lines:
several values separated by tabs, nothing for nil or none.

FUNCTION is an expression with the line in _ ('_:upper()'), or @file.lua, a file
that returns a function of the line. Each worker loads it once.

  -j workers    how many processes, default: one for each processor
  -n chunksize  how many lines a worker takes at a time, default: chosen from
                the input, starting at 1
  --unordered   print results as they come
  --progress    show on stderr how far it is, the rate and the time left
  --help        this text
  --            stop handling options

A line whose call fails is reported on stderr as "file:line: message", and the
others go on. Exit code: 0; 1 when the call of a line failed; 2 when a file
cannot be read, or for other trouble.
]]

local function complain(format, ...)
  io.stdout:flush()
  io.stderr:write("tine map: ", format:format(...), "\n")
end

-- Trouble that ends the program: raised as a table, so that it is told from errors of Lua.
local function give_up(format, ...)
  error({ trouble = format:format(...) })
end

--------------------------------------------------------------------------------------------------
-- In the worker

-- The function that the command line asks for. Raises what is wrong with it.
local function load_function(program)
  if not program.file then
    return assert(load("local _ = ...; return " .. program.text, "=FUNCTION", "t"))
  end
  local fn = assert(load(program.text, "@" .. program.file))()
  local meta = getmetatable(fn)
  if type(fn) ~= "function" and not (type(meta) == "table" and meta.__call) then
    error(("%s returns a %s, not a function"):format(program.file, type(fn)), 0)
  end
  return fn
end

-- The initializer of a worker.
function M.prepare(program)
  require "tine".worker.state.map_function = load_function(program)
end

-- What is printed for one line: its values, joined; nil for nothing.
local function joined(...)
  local first = ...
  if select("#", ...) <= 1 then
    return first ~= nil and tostring(first) or nil
  end
  local texts, some = { ... }, false
  for i = 1, select("#", ...) do
    some = some or texts[i] ~= nil
    texts[i] = texts[i] ~= nil and tostring(texts[i]) or ""
  end
  return some and table.concat(texts, "\t") or nil
end

-- Call fn with each line of `text` from at.position on, and add what is printed to `out`. After an
-- error at.position is behind the line that failed.
local function call_lines(fn, text, at, out)
  local find, sub, n = string.find, string.sub, #out
  local start = at.position
  local stop = find(text, "\n", start, true)
  while stop do
    at.position = stop + 1
    local result = joined(fn(sub(text, start, stop - 1)))
    if result then
      n = n + 1
      out[n] = result
    end
    start = stop + 1
    stop = find(text, "\n", start, true)
  end
end

local function message_of(err)
  local meta = getmetatable(err)
  if type(err) == "string" or type(err) == "number" or type(meta) == "table" and meta.__tostring then
    local ok, text = pcall(tostring, err)
    if ok then return text end
  end
  return ("(error object is a %s value)"):format(type(err))
end

-- The task: the text to print for a block of lines (each ends with a newline), and the failed ones as
-- a list of number, message, number, message ..., or nil.
function M.block(text)
  local fn = require "tine".worker.state.map_function
  local at, out, failed = { position = 1 }, {}, nil
  local number, counted = 0, 1 -- lines up to that position
  while true do
    local ok, err = pcall(call_lines, fn, text, at, out) -- once for all lines, unless some fail
    if ok then break end
    local _, more = text:sub(counted, at.position - 1):gsub("\n", "\n")
    number, counted = number + more, at.position
    failed = failed or {}
    failed[#failed + 1] = number
    failed[#failed + 1] = message_of(err)
  end
  out[#out + 1] = "" -- so that the last line has its newline too
  return table.concat(out, "\n"), failed
end

--------------------------------------------------------------------------------------------------
-- The command line

local function count(option, value)
  local n = math.tointeger(tonumber(value))
  if not n or n < 1 then
    give_up("option '%s' needs a number of 1 or more, not '%s'\n%s", option, value or "", USAGE)
  end
  return n
end

local flags = {
  ["--unordered"] = function(options) options.ordered = false end,
  ["--progress"] = function(options) options.progress = true end,
  ["--help"] = function(options) options.help = true end,
}
local settings = {
  ["-j"] = function(options, value) options.workers = count("-j", value) end,
  ["-n"] = function(options, value) options.lines = count("-n", value) end,
}

-- Options and operands: {workers=, lines=, ordered=, progress=, help=, FUNCTION, file...}
local function parse(...)
  local args, options = { ... }, { ordered = true }
  local i = 1
  while args[i] and args[i]:find "^%-." do
    local arg = args[i]
    i = i + 1
    if arg == "--" then break end
    if flags[arg] then
      flags[arg](options)
    elseif settings[arg:sub(1, 2)] and arg:sub(2, 2) ~= "-" then
      local value = arg:sub(3)
      if value == "" then
        value = args[i]
        i = i + 1
      end
      settings[arg:sub(1, 2)](options, value)
    else
      give_up("unrecognized option '%s'\n%s", arg, USAGE)
    end
  end
  table.move(args, i, #args, 1, options)
  return options
end

-- {text=, file=} from the operand; what is wrong with it is found here, before any worker starts.
local function read_program(operand)
  if not operand then
    give_up("FUNCTION is missing\n%s", USAGE)
  end
  local program = { text = operand, file = operand:match "^@(.*)" }
  if program.file then
    local file, err = io.open(program.file, "rb")
    program.text, err = (file and file:read "a"), err
    if file then file:close() end
    if not program.text then
      give_up("cannot read %s", err or program.file)
    end
    program.text = program.text:gsub("^#[^\n]*", "") -- a first line for the shell
    local fn, wrong = load(program.text, "@" .. program.file)
    if not fn then give_up("%s", wrong) end
  else
    local fn, wrong = load("local _ = ...; return " .. operand, "=FUNCTION", "t")
    if not fn then give_up("%s", wrong) end
  end
  return program
end

--------------------------------------------------------------------------------------------------
-- Input

local Input = {}
Input.__index = Input

local function new_input(names, fixed_lines)
  if #names == 0 then names = { "-" } end
  return setmetatable({
    names = names,
    fixed = fixed_lines, -- lines of each block when the user has said it
    at = 0,              -- index of the open file in names
    lines = 0,           -- read so far, of all files
    bytes = 0,
    blocks = {},         -- index of a block that is under way -> {name=, line=, text=}
    read = 0,            -- blocks so far
    failed = false,      -- some file could not be read
  }, Input)
end

function Input:complain(err)
  self.failed = true
  complain("%s", err)
end

-- Open the next file that can be opened; nil after the last.
function Input:open_next()
  while self.names[self.at + 1] do
    self.at = self.at + 1
    local name = self.names[self.at]
    self.name = name == "-" and "stdin" or name
    self.line = 0
    if name == "-" then
      self.file = io.stdin
      return self.file
    end
    local file, err = io.open(name, "rb")
    if file then
      self.file = file
      return file
    end
    self:complain(err)
  end
end

function Input:close(err)
  if err then self:complain(self.name .. ": " .. err) end
  if self.file ~= io.stdin then self.file:close() end
  self.file = nil
end

-- Up to `wanted` lines, at most about BLOCK_BYTES; nil, error at the end.
function Input:some_lines(wanted)
  local file, parts, bytes, err = self.file, {}, 0, nil
  while #parts < wanted and bytes < BLOCK_BYTES do
    local line
    line, err = file:read "L"
    if not line then break end
    parts[#parts + 1] = line
    bytes = bytes + #line
  end
  if not parts[1] then return nil, err end
  return table.concat(parts), #parts
end

-- As many bytes, and on to the end of the line; nil, error at the end.
function Input:some_bytes(wanted)
  local file = self.file
  local text, err = file:read(wanted)
  if not text then return nil, err end
  if text:byte(-1) ~= 10 then text = text .. (file:read "L" or "") end
  local _, lines = text:gsub("\n", "\n")
  return text, lines + (text:byte(-1) ~= 10 and 1 or 0)
end

-- The next block of the open file and its number of lines.
function Input:take()
  if self.fixed then return self:some_lines(self.fixed) end
  local wanted = math.max(1, self.lines // GROWTH)
  local bytes = wanted * (self.bytes // math.max(self.lines, 1) + 1)
  if wanted < GROWTH then return self:some_lines(wanted) end
  return self:some_bytes(math.min(bytes, BLOCK_BYTES))
end

-- The iterator that the pool reads from: the next block's text, nil after the last.
function Input:next()
  while self.file or self:open_next() do
    local text, lines = self:take()
    if text then
      if text:byte(-1) ~= 10 then text = text .. "\n" end
      self.read = self.read + 1
      self.blocks[self.read] = { name = self.name, line = self.line, text = text, lines = lines }
      self.line = self.line + lines
      self.lines = self.lines + lines
      self.bytes = self.bytes + #text
      return text
    end
    self:close(lines)
  end
end

-- Bytes in all files, nil when a file does not tell.
function Input:total()
  local sum = 0
  for _, name in ipairs(self.names) do
    local file = name == "-" and io.stdin or io.open(name, "rb")
    local here = file and file:seek "cur"
    local size = here and file:seek "end"
    if here then file:seek("set", here) end
    if file and file ~= io.stdin then file:close() end
    if file and (not size or size > 1 << 60) then return nil end
    sum = sum + (size and size - here or 0)
  end
  return sum
end

--------------------------------------------------------------------------------------------------
-- Progress

local function nothing() end

local function duration(seconds)
  seconds = math.floor(seconds)
  return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

-- A function that is told of each finished block, and without one that it is over.
local function new_progress(total)
  local start, shown = os.time(), os.time()
  local lines, bytes = 0, 0
  return function(block)
    local now = os.time()
    if block then
      lines, bytes = lines + block.lines, bytes + #block.text
      if now == shown then return end
    end
    shown = now
    local spent = math.max(now - start, 1)
    local text = ("%d lines, %.1f MB, %.0f lines/s"):format(lines, bytes / 1e6, lines / spent)
    if total and block and bytes > 0 then
      local left = math.max(total - bytes, 0) * spent / bytes
      text = text .. (", %d %%, %s left"):format(bytes * 100 // math.max(total, 1), duration(left))
    elseif not block then
      text = text .. (", %s"):format(duration(now - start))
    end
    io.stderr:write("\r", text, "\27[K", block and "" or "\n")
  end
end

--------------------------------------------------------------------------------------------------
-- Output

local Output = {}
Output.__index = Output

local function write_out(text)
  local ok, err = io.stdout:write(text)
  if not ok then give_up("write error: %s", err) end
end

function Output:report(block, number, message)
  self.failed = true
  io.stdout:flush()
  io.stderr:write(("%s:%d: %s\n"):format(block.name, block.line + number, message))
end

-- What a finished block has given.
function Output:block(block, text, failed)
  write_out(text)
  for i = 1, failed and #failed or 0, 2 do
    self:report(block, failed[i], failed[i + 1])
  end
end

-- A block whose worker died: each line by itself, in its order.
function Output:rescue(pool, block, err)
  if block.lines == 1 then
    return self:report(block, 1, tostring(err))
  end
  local number = 0
  for line in block.text:gmatch "[^\n]*\n" do
    local ok, text, failed = pool:submit("tine.cli_map.block", line):pcall()
    local single = { name = block.name, line = block.line + number }
    number = number + 1
    if ok then
      self:block(single, text, failed)
    else
      self:report(single, 1, tostring(text))
    end
  end
end

--------------------------------------------------------------------------------------------------

local function is_broken(err)
  local tine = require "tine"
  local kind = tine.kind(err)
  return kind == "broken" or kind == "shutdown" or kind == "system"
end

-- The reason at the bottom of an error: of an initializer that raised, what it raised.
local function root_cause(err)
  while type(err) == "table" and err.cause ~= nil do err = err.cause end
  return tostring(err)
end

local function run(options)
  local tine = require "tine"
  local program = read_program(table.remove(options, 1))
  local input = new_input(options, options.lines)
  local output = setmetatable({ failed = false }, Output)
  local progress = options.progress and new_progress(input:total()) or nothing
  local workers = options.workers or tine.cpu_count()
  local pool <close> = tine.pool {
    name = "tine map", workers = workers, on_crash = "replace",
    initializer = function(p) require("tine.cli_map").prepare(p) end, initargs = { program },
  }
  local function next_block() return input:next() end
  for i, text, failed in pool:map("tine.cli_map.block", next_block, {
    chunksize = 1, buffersize = 4 * workers, ordered = options.ordered, on_error = "return",
  }) do
    local block = input.blocks[i]
    input.blocks[i] = nil
    if text then
      output:block(block, text, failed)
    elseif is_broken(failed) then
      give_up("%s", root_cause(failed))
    else
      output:rescue(pool, block, failed)
    end
    progress(block)
  end
  progress()
  local ok, err = io.stdout:flush()
  if not ok then give_up("write error: %s", err) end
  return input.failed and EXIT_TROUBLE or output.failed and EXIT_LINE_FAILED or 0
end

-- The program: gives its exit code.
function M.main(...)
  local function protected(...)
    local options = parse(...)
    if options.help then
      io.stdout:write(HELP)
      return 0
    end
    return run(options)
  end
  local ok, code = pcall(protected, ...)
  if ok then return code end
  local err = code
  if type(err) == "table" and err.trouble then
    complain("%s", (err.trouble:gsub("\n$", "")))
    return EXIT_TROUBLE
  end
  if require "tine".kind(err) then
    complain("%s", root_cause(err))
    return EXIT_TROUBLE
  end
  error(err, 0)
end

return M
