-- Runs shell commands that depend on each other, several at a time: what `make -j` does.
--
--   tine examples/recipes/jobs/run.lua [-j workers] [-k] FILE [target...]
--
-- FILE is Lua and returns a table of rules, by target:
--
--   return {
--     all = { needs = { "a.o", "b.o" } },
--     ["a.o"] = { needs = { "a.c" }, run = "cc -c a.c" },
--     ...
--   }
--
-- A target without a rule is a file that must be there. A rule runs when its target is not a file, or is older
-- than something that it needs, or when something that it needs has run. Without target arguments it is "all".
-- After a failure nothing more is started; with -k everything that does not need the failed one.
-- A task is one command, run by io.popen in a worker; what it prints is shown in one piece.
local tine = require "tine"

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

-- In the worker: runs a command; gives its output and, when it failed, how.
local function run(command)
  local pipe = assert(io.popen("exec 2>&1; " .. command))
  local output = pipe:read "a"
  local ok, how, code = pipe:close()
  return output, not ok and ("%s %d"):format(how == "exit" and "exit code" or "signal", code) or nil
end

local function exists(name)
  local file = io.open(name)
  if file then file:close() end
  return file ~= nil
end

local function is_newer(a, b) return os.execute(("test %s -nt %s"):format(quote(a), quote(b))) end

local function give_up(...)
  io.stderr:write("jobs: ", (...):format(select(2, ...)), "\n")
  os.exit(2, true)
end

-- The nodes of the graph that the targets span: { name=, rule=, needs= nodes, for_= nodes, left= number }
local function plan(rules, targets)
  local nodes, order = {}, {}
  local function visit(name, path)
    local node = nodes[name]
    if node then
      if node.open then give_up("%s needs itself: %s", name, table.concat(path, " -> ") .. " -> " .. name) end
      return node
    end
    local rule = rules[name] or not exists(name) and give_up("no rule for %s", name) or {}
    node = { name = name, rule = rule, needs = {}, for_ = {}, open = true }
    nodes[name] = node
    path[#path + 1] = name
    for _, need in ipairs(rule.needs or {}) do
      local needed = visit(need, path)
      node.needs[#node.needs + 1] = needed
      needed.for_[#needed.for_ + 1] = node
    end
    path[#path] = nil
    node.open, node.left = false, #node.needs
    order[#order + 1] = node
    return node
  end
  for _, target in ipairs(targets) do visit(target, {}) end
  return order
end

local function must_run(node)
  if not node.rule.run then return false end
  if not exists(node.name) then return true end
  for _, need in ipairs(node.needs) do
    if need.has_run or exists(need.name) and is_newer(need.name, node.name) then return true end
  end
  return false
end

-- Runs the nodes; true when all went well.
local function execute(pool, nodes, keep_going)
  local ready, under_way, failed = {}, {}, false
  for _, node in ipairs(nodes) do
    if node.left == 0 then ready[#ready + 1] = node end
  end

  local function done(node)
    for _, other in ipairs(node.for_) do
      other.left = other.left - 1
      if other.left == 0 then ready[#ready + 1] = other end
    end
  end

  local function start()
    while ready[1] and (keep_going or not failed) do
      local node = table.remove(ready, 1)
      if must_run(node) then
        under_way[#under_way + 1] = node
        node.future = pool:with({ label = node.name }):submit(run, node.rule.run)
      else
        for _, need in ipairs(node.needs) do node.has_run = node.has_run or need.has_run end
        done(node)
      end
    end
  end

  local function finish(node)
    local ok, output, trouble = node.future:pcall()
    if not ok then output, trouble = "", tostring(output) end -- its worker died
    io.write("[", node.name, "] ", node.rule.run, "\n", output)
    if trouble then
      failed = true
      io.write(("[%s] failed: %s\n"):format(node.name, trouble))
    else
      node.has_run = true
      done(node)
    end
  end

  start()
  while under_way[1] do
    local futures = {}
    for i, node in ipairs(under_way) do futures[i] = node.future end
    tine.wait(futures, { return_when = "first_completed" })
    for i = #under_way, 1, -1 do
      if under_way[i].future:done() then finish(table.remove(under_way, i)) end
    end
    start()
  end
  return not failed
end

local workers, keep_going, file, targets = nil, false, nil, {}
local i = 1
while arg[i] do
  if arg[i] == "-j" then
    workers, i = math.tointeger(tonumber(arg[i + 1])), i + 1
  elseif arg[i] == "-k" then
    keep_going = true
  elseif not file then
    file = arg[i]
  else
    targets[#targets + 1] = arg[i]
  end
  i = i + 1
end
if file == "--help" then
  print "usage: run.lua [-j workers] [-k] FILE [target...]"
  os.exit(true)
end
if not file then give_up "usage: run.lua [-j workers] [-k] FILE [target...]" end

local rules = assert(loadfile(file))()
local nodes = plan(rules, targets[1] and targets or { "all" })
local ok
do
  local pool <close> = tine.pool { workers = workers, on_crash = "replace" }
  ok = execute(pool, nodes, keep_going)
end
os.exit(ok)
