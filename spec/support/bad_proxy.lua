-- lua5.4 spec/support/bad_proxy.lua PORT SERVER_PORT SEED SECONDS: between hosts and a job server. For so many seconds
-- it damages what it passes on: flips bits of packets (not of their heads, so that they stay packets), repeats, swaps
-- and drops them, and cuts connections. Then it cuts all, and is honest.
local socket = require "socket"

local port, server_port, seed, seconds = table.unpack(arg)
math.randomseed(tonumber(seed))
local listener = assert(socket.bind("127.0.0.1", tonumber(port)))
listener:settimeout(0)
local honest_at = socket.gettime() + tonumber(seconds)
local honest = false
local ends = {} -- socket -> { other =, rest =, held = }

local function cut(one)
  local other = ends[one] and ends[one].other
  for _, s in ipairs { one, other } do
    ends[s] = nil
    s:close()
  end
end

local function flip(packet)
  if #packet <= 12 then return packet end
  local at = math.random(13, #packet)
  return packet:sub(1, at - 1) .. string.char(packet:byte(at) ~ (1 << math.random(0, 7))) .. packet:sub(at + 1)
end

-- What becomes of a packet; nil: the connection is cut.
local function damage(state, packet)
  local what = math.random(60)
  local held = state.held or ""
  state.held = nil
  if what == 1 then return flip(packet) .. held end
  if what == 2 then return packet .. packet .. held end
  if what == 3 then
    state.held = packet
    return held
  end
  if what == 4 and math.random(4) == 1 then return nil end
  if what == 5 and state.last then return state.last .. packet .. held end
  state.last = packet
  return packet .. held
end

-- The first packet, or line, of the text; nil: it is not whole.
local function first(text)
  if text:byte() ~= 0 then return text:match "^[^\n]*\n" end
  if #text < 12 then return nil end
  local size = 12 + (">I4"):unpack(text, 9)
  return #text >= size and text:sub(1, size) or nil
end

local function pass(one)
  local state = ends[one]
  local bytes, err, part = one:receive(65536)
  bytes = bytes or part
  if err == "closed" and bytes == "" then return cut(one) end
  state.rest = state.rest .. bytes
  local out = {}
  local packet = state.rest ~= "" and first(state.rest)
  while packet do
    state.rest = state.rest:sub(#packet + 1)
    out[#out + 1] = honest and packet or damage(state, packet)
    if #out == 0 then return cut(one) end
    packet = state.rest ~= "" and first(state.rest)
  end
  state.other:settimeout(nil)
  if not state.other:send(table.concat(out)) then return cut(one) end
  state.other:settimeout(0)
end

while true do
  local list = { listener }
  for one in pairs(ends) do list[#list + 1] = one end
  local ready = socket.select(list, nil, 0.1)
  if not honest and socket.gettime() >= honest_at then
    honest = true
    for _, one in ipairs(list) do
      if ends[one] then cut(one) end
    end
  end
  for _, one in ipairs(ready) do
    if one == listener then
      local host, server = listener:accept(), socket.connect("127.0.0.1", tonumber(server_port))
      if host and server then
        host:settimeout(0)
        server:settimeout(0)
        ends[host] = { other = server, rest = "" }
        ends[server] = { other = host, rest = "" }
      end
    elseif ends[one] then
      pass(one)
    end
  end
end
