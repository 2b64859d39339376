-- PNG pictures with a palette, row by row: as much of the format as the examples need.
--
--   local picture = png.create(file, width, height, palette)     palette: { { red, green, blue }, ... }
--   picture:row(bytes)                                            one byte a point: an index, from 0
--   picture:close()
--
-- The data are stored, not compressed (RFC 1950, 1951), so a row is written as soon as it is there.
local png = {}
local Picture = {}
Picture.__index = Picture

local CRC <const> = {}
for n = 0, 255 do
  local c = n
  for _ = 1, 8 do c = c & 1 == 1 and 0xEDB88320 ~ (c >> 1) or c >> 1 end
  CRC[n] = c
end

local function crc(text)
  local c = 0xFFFFFFFF
  for i = 1, #text do c = CRC[(c ~ text:byte(i)) & 255] ~ (c >> 8) end
  return c ~ 0xFFFFFFFF
end

local function write_chunk(file, kind, data)
  assert(file:write((">I4"):pack(#data), kind, data, (">I4"):pack(crc(kind .. data))))
end

function Picture:add_to_sum(text)
  local a, b = self.a, self.b
  for i = 1, #text do
    a = a + text:byte(i)
    b = b + a
  end
  self.a, self.b = a % 65521, b % 65521
end

-- A stored block holds up to 65,535 bytes; `last`: no other follows.
local function block(data, last) return ("<BI2I2"):pack(last and 1 or 0, #data, ~#data & 0xFFFF) .. data end

function Picture:row(bytes)
  assert(#bytes == self.width, "a row has one byte for each point")
  local data, parts = "\0" .. bytes, {} -- no filter
  self:add_to_sum(data)
  for i = 1, #data, 65535 do parts[#parts + 1] = block(data:sub(i, i + 65534), false) end
  write_chunk(self.file, "IDAT", table.concat(parts))
end

function Picture:close()
  write_chunk(self.file, "IDAT", block("", true) .. (">I2I2"):pack(self.b, self.a))
  write_chunk(self.file, "IEND", "")
end

function png.create(file, width, height, palette)
  local colors = {}
  for i, color in ipairs(palette) do colors[i] = string.char(table.unpack(color)) end
  file:write "\137PNG\r\n\26\n"
  write_chunk(file, "IHDR", (">I4I4BBBBB"):pack(width, height, 8, 3, 0, 0, 0))
  write_chunk(file, "PLTE", table.concat(colors))
  write_chunk(file, "IDAT", "\x78\x01")
  return setmetatable({ file = file, width = width, a = 1, b = 0 }, Picture)
end

return png
