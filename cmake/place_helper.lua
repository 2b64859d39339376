-- place_helper.lua ARCHIVE FOLDER: tells an installed libtine.a where its tine-helper is. Programs with the static
-- library may be anywhere, so they cannot look beside themselves. src/worker/root/find_helper.c has the room for the
-- folder's name.
local room = 1024
local mark = "tine-helper is installed in\0"

local archive, folder = table.unpack(arg)
assert(#folder < room, "the folder's name is too long")
local file <close> = assert(io.open(archive, "r+b"))
local text = file:read "a"
local _, last = text:find(mark, 1, true)
assert(last and not text:find(mark, last, true), "there is no room for the folder in " .. archive)
assert(file:seek("set", last))
assert(file:write(folder, ("\0"):rep(room - #folder)))
