-- timeout: 300
-- Random programs (spec/support/travellers.lua): the task gives in another state what it gives in this one. How many,
-- and from which one on: TINE_TRAVELLERS, TINE_TRAVELLERS_FROM.
local s = require "spec.codec.support"
local travellers = require "spec.support.travellers"

local COUNT = math.tointeger(tonumber(os.getenv "TINE_TRAVELLERS" or 500))
local FROM = math.tointeger(tonumber(os.getenv "TINE_TRAVELLERS_FROM" or 1))

local dir = os.tmpname()
os.remove(dir)
local concat, tostring, open, remove, unpack = table.concat, tostring, io.open, os.remove, table.unpack

local function write(program)
  for _, m in ipairs(program.modules) do
    local f <close> = assert(open(("%s/%s.lua"):format(dir, m.name), "w"))
    f:write(m.source)
  end
end

local function forget(program)
  for _, m in ipairs(program.modules) do
    package.loaded[m.name] = nil
    remove(("%s/%s.lua"):format(dir, m.name))
  end
end

local AGAIN = 3 -- a function is known to the codec then

-- The program has undone what it changed: what was sent before must change nothing.
local function run_again(c, made)
  for _ = 1, AGAIN do
    local ok, got = pcall(s.call, c, made.task, unpack(made.args))
    local here, wanted = pcall(made.task, unpack(made.args))
    if here and not ok then return "raised when all was undone: " .. tostring(got) end
    if here and got ~= wanted then return ("wanted when all was undone %s\ngot %s"):format(wanted, got) end
  end
end

-- What is wrong with this program; nil: nothing. Every other one has three codecs, which share what they know of names
-- as long as nothing is changed.
local function run(program, number)
  local c = s.pair()
  local earlier, later = c, c
  if number % 2 == 1 then earlier, later = s.pair(), s.pair() end
  local made = assert(load(program.source, "=program", "t", _G))(function(f)
    for _ = 1, AGAIN do s.call(earlier, f) end
  end)
  local ok, got, sentinel, object = pcall(s.call, c, made.task, unpack(made.args)) -- first: a task may change things
  local here, wanted = pcall(made.task, unpack(made.args))
  local is = ok and made.is and made.is(object)
  for i = #made.undo, 1, -1 do made.undo[i]() end
  if not here then return ok and "no error" or nil end -- functions that were swapped may call each other without end
  if not ok then return "raised " .. tostring(got) end
  if got ~= wanted then return ("wanted %s\ngot    %s"):format(wanted, got) end
  if not rawequal(sentinel, made.sentinel) then return "the sentinel came back as another" end
  if made.is and not is then return "the object came back as one of another class" end
  return run_again(later, made)
end

describe("random programs", function()
  local path = package.path
  setup(function()
    assert(os.execute("mkdir " .. dir))
    package.path = dir .. "/?.lua;" .. path
  end)
  teardown(function()
    package.path = path
    os.execute("rm -r " .. dir)
  end)

  it("do in another state what they do in this one", function()
    for number = FROM, FROM + COUNT - 1 do
      local program = travellers.program(number)
      write(program)
      local wrong = run(program, number)
      forget(program)
      if wrong then
        local text = { "program " .. number .. ": " .. wrong }
        for _, m in ipairs(program.modules) do text[#text + 1] = "-- " .. m.name .. "\n" .. m.source end
        text[#text + 1] = "-- program\n" .. program.source
        error(concat(text, "\n"), 0)
      end
      if number % 500 == 0 then collectgarbage() end
    end
  end)
end)
