-- One case of the kill matrix: tasks that submit tasks, emit, and pass memory on, in workers that kill themselves at
-- the point that TINE_KILL names.
-- arg: mode, workers, file for signatures
local tine = require "tine"
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local account = require "account"

local mode, workers, path = arg[1], tonumber(arg[2]), arg[3]
local sign = account.signer(path)
local LEAVES, DEPTH, TREES, TALKERS = 8, 3, 6, 8

-- Bytes of the memory that processes share.
local function held()
  local pipe <close> = io.popen("for f in /proc/$PPID/fd/*; do case $(readlink $f) in *tine-arena*) " ..
                                "stat -L -c %b $f;; esac; done")
  return 512 * (tonumber(pipe:read "l") or 0)
end

local function lost(err)
  local kind = tine.kind(err)
  assert(kind == "crashed" or kind == "broken", tostring(err))
  return kind
end

local tally = {}
local function count(kind) tally[kind] = (tally[kind] or 0) + 1 end

-- Adds up its leaves twice over: in a buffer of the program's, and in buffers of their own that come back.
local function tree(name, depth, sums, view)
  local lib = require "tine"
  sign(name)
  if depth == 0 then
    local own = lib.buffer(8192)
    own:add(1, view.one)
    sums:add(1, view.one)
    return own
  end
  local a = lib.worker.pool:submit(tree, name .. "a", depth - 1, sums, view)
  local b = lib.worker.pool:submit(tree, name .. "b", depth - 1, sums, view)
  local sum = a:result()
  sum:add(1, (b:result():get "j"))
  return sum
end

local function talk(i)
  for n = 1, 10 do require "tine".worker.emit(n, i) end
  return i
end

local function submit(pool, ...)
  local ok, future = pcall(pool.submit, pool, ...)
  if ok then return future end
  count("refused " .. lost(future))
end

local function run(pool)
  local sums, view = tine.buffer(8), tine.freeze { one = 1 }
  local trees, talkers = {}, {}
  local everywhere, everyone = pcall(pool.everywhere, pool, function() require "tine".buffer(4096):fill(1) end)
  for i = 1, TREES do trees[i] = submit(pool, tree, "t" .. i, DEPTH, sums, view) or false end
  for i = 1, TALKERS do talkers[i] = submit(pool, talk, i) or false end
  local whole = 0
  for _, future in ipairs(trees) do
    if future then
      local ok, sum = future:pcall(30)
      assert(future:done())
      if ok then
        assert(sum:get "j" == LEAVES, "a tree has lost leaves")
        whole = whole + 1
      end
      count("tree " .. (ok and "ok" or lost(sum)))
    end
  end
  assert(sums:get "j" >= whole * LEAVES and sums:get "j" <= TREES * LEAVES, "leaves were lost or came twice")
  for i, future in ipairs(talkers) do
    if future then
      local heard = 0
      for n, who in future:events() do
        heard = heard + 1
        assert(n == heard and who == i, "events of another order")
      end
      local ok, value = future:pcall(30)
      assert(not ok or value == i and heard == 10, "a task has lost events")
      count("talk " .. (ok and "ok" or lost(value)))
    end
  end
  if everywhere then
    local ok, err = everyone:pcall(30)
    count("everywhere " .. (ok and "ok" or lost(err)))
  else
    lost(everyone)
  end
end

local pool = tine.pool { workers = workers, on_crash = mode, event_buffer = 4 }
tine.buffer(8)
collectgarbage()
local before = held()
run(pool)
pool:shutdown()
for name, times in pairs(account.signed(path)) do assert(times == 1, name .. " ran twice") end
collectgarbage()
collectgarbage()
-- what there was at first, and a column for each process that has held something
local most = before + (workers + 8) * 4096 + 64 * 1024
assert(held() <= most, ("%d bytes are left behind"):format(held() - before))

local words = {}
for kind, n in pairs(tally) do words[#words + 1] = n .. " " .. kind end
table.sort(words)
print(table.concat(words, ", "))
