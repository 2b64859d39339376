-- png(text): a picture with a palette whose data are stored, checked in all its sums.
-- Gives { width=, height=, palette= (its colours as texts), rows= { bytes, ... } }.
local function crc(text)
  local c = 0xFFFFFFFF
  for i = 1, #text do
    c = c ~ text:byte(i)
    for _ = 1, 8 do c = c & 1 == 1 and 0xEDB88320 ~ (c >> 1) or c >> 1 end
  end
  return c ~ 0xFFFFFFFF
end

-- The chunks: a list of { kind, data }.
local function chunks(text)
  assert(text:sub(1, 8) == "\137PNG\r\n\26\n", "no PNG")
  local list, at = {}, 9
  while at <= #text do
    local length = (">I4"):unpack(text, at)
    local kind, data = text:sub(at + 4, at + 7), text:sub(at + 8, at + 7 + length)
    assert((">I4"):unpack(text, at + 8 + length) == crc(kind .. data), "wrong sum of " .. kind)
    list[#list + 1] = { kind, data }
    at = at + 12 + length
  end
  assert(list[#list][1] == "IEND", "no end")
  return list
end

-- What stored blocks hold (RFC 1950, 1951).
local function stored(text)
  local parts, at, last = {}, 3, 0
  assert((">I2"):unpack(text) % 31 == 0 and text:byte(1) == 0x78, "no zlib data")
  while last == 0 do
    local length, complement
    last, length, complement, at = ("<BI2I2"):unpack(text, at)
    assert(length ~ complement == 0xFFFF, "wrong length of a block")
    parts[#parts + 1] = text:sub(at, at + length - 1)
    at = at + length
  end
  local data, a, b = table.concat(parts), 1, 0
  for i = 1, #data do
    a = (a + data:byte(i)) % 65521
    b = (b + a) % 65521
  end
  assert((">I2I2"):pack(b, a) == text:sub(at), "wrong sum of the data")
  return data
end

return function(text)
  local picture, data = { palette = {}, rows = {} }, {}
  for _, chunk in ipairs(chunks(text)) do
    if chunk[1] == "IHDR" then
      picture.width, picture.height = (">I4I4"):unpack(chunk[2])
      assert(chunk[2]:sub(9) == "\8\3\0\0\0", "another kind of picture")
    elseif chunk[1] == "PLTE" then
      for color in chunk[2]:gmatch "..." do picture.palette[#picture.palette + 1] = color end
    elseif chunk[1] == "IDAT" then
      data[#data + 1] = chunk[2]
    end
  end
  local bytes = stored(table.concat(data))
  assert(#bytes == picture.height * (picture.width + 1), "not all rows")
  for y = 1, picture.height do
    local at = (y - 1) * (picture.width + 1) + 1
    assert(bytes:byte(at) == 0, "a filter")
    picture.rows[y] = bytes:sub(at + 1, at + picture.width)
  end
  return picture
end
