-- Counts the words of every text file under some folders, on all processors at once.
--
--   tine examples/word_count.lua [--compare] [folder...]
--
-- Shows how a job over real files is divided: tasks are given names, not contents; each is given about
-- as many bytes as the next, so that no worker sits over a long one while the others have none; and
-- each returns one table for all its files, which is merged here as it comes in.
local tine = require "tine"

if arg[1] == "--help" then
  print "usage: word_count.lua [--compare] [folder...]"
  os.exit(true)
end

local DEFAULT_FOLDERS = { "/usr/share/common-licenses", "/usr/share/doc" }
local SHOWN = 20 -- so many words are printed
local PARTS_PER_WORKER = 8 -- more even out better, fewer have less to merge
local OPENING = 1024 -- opening a file takes as long as counting so many bytes

-- What a worker does: counts the words of some files. A file with a zero byte is no text.
local function count_words(names)
  local counts, texts, bytes, unreadable = {}, 0, 0, 0
  for _, name in ipairs(names) do
    local file = io.open(name, "rb")
    local text = file and file:read "a"
    if file then file:close() end
    if not text then
      unreadable = unreadable + 1
    elseif not text:find("\0", 1, true) then
      texts, bytes = texts + 1, bytes + #text
      for word in text:lower():gmatch "%a+" do
        counts[word] = (counts[word] or 0) + 1
      end
    end
  end
  return counts, texts, bytes, unreadable
end

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

-- All files under the folders, as { name =, size = }.
local function list_files(folders)
  local files = {}
  for _, folder in ipairs(folders) do
    local find = io.popen("find " .. quote(folder) .. " -type f -printf '%s %p\\0'")
    for size, name in find:read("a"):gmatch "(%d+) ([^\0]+)\0" do
      files[#files + 1] = { name = name, size = tonumber(size) }
    end
    if not find:close() then os.exit(2) end -- find has said why
  end
  return files
end

-- The files' names in lists that take about as long each; the longest files come first.
local function divide(files, count)
  local total = 0
  for _, file in ipairs(files) do total = total + file.size + OPENING end
  table.sort(files, function(a, b) return a.size > b.size end)
  local parts, room = {}, 0
  for _, file in ipairs(files) do
    if room <= 0 then
      parts[#parts + 1], room = {}, total / count
    end
    table.insert(parts[#parts], file.name)
    room = room - file.size - OPENING
  end
  return parts
end

-- Runs all parts through a pool and adds up what they return.
local function count_in_parallel(parts, progress)
  local pool <close> = tine.pool()
  local sum, texts, bytes, unreadable, done = {}, 0, 0, 0, 0
  for _, counts, t, b, u in pool:map(count_words, parts, { chunksize = 1, ordered = false }) do
    for word, n in pairs(counts) do sum[word] = (sum[word] or 0) + n end
    texts, bytes, unreadable, done = texts + t, bytes + b, unreadable + u, done + 1
    progress(done, #parts)
  end
  return sum, texts, bytes, unreadable
end

local function show_progress(done, all)
  io.stderr:write(("\r%3d %%%s"):format(100 * done // all, done == all and "\r     \r" or ""))
end

-- Lua's own clock of the wall has whole seconds only.
local function now()
  local file <close> = assert(io.open "/proc/uptime")
  return file:read "n"
end

local function timed(fn, ...)
  local start = now()
  local results = table.pack(fn(...))
  return now() - start, table.unpack(results, 1, results.n)
end

local function print_most_frequent(counts)
  local words = {}
  for word in pairs(counts) do words[#words + 1] = word end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  for i = 1, math.min(SHOWN, #words) do print(("%9d %s"):format(counts[words[i]], words[i])) end
end

local folders, compare = {}, false
for _, argument in ipairs(arg) do
  if argument == "--compare" then compare = true else folders[#folders + 1] = argument end
end

local files = list_files(folders[1] and folders or DEFAULT_FOLDERS)
local parts = divide(files, PARTS_PER_WORKER * tine.cpu_count())
local progress = os.execute "test -t 2" and show_progress or function() end
local seconds, counts, texts, bytes, unreadable = timed(count_in_parallel, parts, progress)

print_most_frequent(counts)
print(("%d files, %d bytes, %.2f seconds"):format(texts, bytes, seconds))
if unreadable > 0 then print(("%d files could not be read"):format(unreadable)) end

if compare then
  local names = {}
  for i, file in ipairs(files) do names[i] = file.name end
  local alone, same = timed(count_words, names)
  for word, n in pairs(same) do assert(counts[word] == n, word) end
  print(("one process alone: %.2f seconds, %.2f times as long"):format(alone, alone / seconds))
end
