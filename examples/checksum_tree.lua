-- Prints the MD5 sums of all files under some folders, as md5sum does.
--
--   tine examples/checksum_tree.lua [folder...] > sums; md5sum --check sums
--
-- Shows work that is all computing (MD5 in Lua), results in order as they are ready, and errors that
-- stay with their item: a file that cannot be read is reported, the others are summed.
local tine = require "tine"

if arg[1] == "--help" then
  print "usage: checksum_tree.lua [folder...]"
  os.exit(true)
end

local DEFAULT_FOLDERS = { "/usr/share/common-licenses" }

-- RFC 1321: four rounds of 16 steps; each step has a constant, a word of the block and a rotation.
local ROTATIONS = { { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 } }
local CONSTANT, WORD, ROTATION = {}, {}, {}
for i = 0, 63 do
  local round = 1 + i // 16
  CONSTANT[i] = math.floor(math.abs(math.sin(i + 1)) * 2 ^ 32)
  WORD[i] = 1 + ({ i, 5 * i + 1, 3 * i + 5, 7 * i })[round] % 16
  ROTATION[i] = ROTATIONS[round][1 + i % 4]
end

-- One block of 64 bytes at `at`: the new state. Numbers are kept below 2^32 by masking.
local function transform(a0, b0, c0, d0, text, at)
  local words = { ("<I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4"):unpack(text, at) }
  local a, b, c, d = a0, b0, c0, d0
  for i = 0, 63 do
    local f
    if i < 16 then
      f = d ~ (b & (c ~ d))
    elseif i < 32 then
      f = c ~ (d & (b ~ c))
    elseif i < 48 then
      f = b ~ c ~ d
    else
      f = c ~ (b | (d ~ 0xffffffff))
    end
    f = (a + f + CONSTANT[i] + words[WORD[i]]) & 0xffffffff
    local r = ROTATION[i]
    a, d, c, b = d, c, b, (b + (f << r | f >> 32 - r)) & 0xffffffff
  end
  return (a0 + a) & 0xffffffff, (b0 + b) & 0xffffffff, (c0 + c) & 0xffffffff, (d0 + d) & 0xffffffff
end

-- The MD5 sum of a file, read in pieces.
local function md5(name)
  local file <close> = assert(io.open(name, "rb"))
  local a, b, c, d = 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476
  local size = 0
  repeat
    local piece, why = file:read(65536)
    if why then error(name .. ": " .. why, 0) end
    piece = piece or ""
    size = size + #piece
    local last = #piece < 65536
    if last then piece = piece .. "\x80" .. ("\0"):rep((55 - size) % 64) .. ("<I8"):pack(size * 8) end
    for at = 1, #piece, 64 do
      a, b, c, d = transform(a, b, c, d, piece, at)
    end
  until last
  return (("<I4I4I4I4"):pack(a, b, c, d):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

local function list_files(folders)
  local names = {}
  for i, folder in ipairs(folders) do folders[i] = quote(folder) end
  local find = io.popen("find " .. table.concat(folders, " ") .. " -type f -print0")
  for name in find:read("a"):gmatch "[^\0]+" do names[#names + 1] = name end
  if not find:close() then os.exit(2) end -- find has said why
  table.sort(names)
  return names
end

-- A line as md5sum writes it: with special characters in the name it begins with a backslash.
local function line(sum, name)
  local escaped, n = name:gsub("[\\\n\r]", { ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" })
  return (n > 0 and "\\" or "") .. sum .. "  " .. escaped
end

local names = list_files(arg[1] and { table.unpack(arg) } or DEFAULT_FOLDERS)
local failed = false
do
  local pool <close> = tine.pool()
  for i, sum, err in pool:map(md5, names, { on_error = "return" }) do
    if sum then
      print(line(sum, names[i]))
    else
      io.stderr:write("checksum_tree: ", tostring(err), "\n")
      failed = true
    end
  end
end
os.exit(failed and 1 or 0, true)
