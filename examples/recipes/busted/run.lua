-- busted over many spec files, each in a process of its own, on all processors.
--
--   tine examples/recipes/busted/run.lua [-j workers] file_spec.lua...
--
-- A worker runs one spec file and is then replaced (max_tasks_per_worker = 1), so that no file sees what
-- another has left behind. That costs little, because busted is loaded once, in the process that the workers
-- are forked from (preload). With on_crash = "replace" a file that crashes its process fails, and no other.
local tine = require "tine"

-- In the worker: run the file, give counts and what there is to say about it.
local function run_file(name)
  local busted = require "busted.core"()
  require "busted"(busted)
  local counts, problems = { successes = 0, pendings = 0, failures = 0, errors = 0 }, {}

  local function full_name(element)
    local words = { element.name or element.descriptor }
    local parent = busted.context.parent(element)
    while parent and parent.name and parent.descriptor ~= "file" do
      table.insert(words, 1, parent.name)
      parent = busted.context.parent(parent)
    end
    return table.concat(words, " ")
  end
  local function problem(kind, element, message)
    counts[kind] = counts[kind] + 1
    problems[#problems + 1] = ("%s: %s\n%s"):format(kind == "errors" and "Error" or "Failure", full_name(element),
      tostring(message))
    return nil, true
  end

  busted.subscribe({ "test", "end" }, function(_, _, status)
    if status == "success" then counts.successes = counts.successes + 1 end
    if status == "pending" then counts.pendings = counts.pendings + 1 end
    return nil, true
  end)
  busted.subscribe({ "failure" }, function(element, _, message) return problem("failures", element, message) end)
  busted.subscribe({ "error" }, function(element, _, message) return problem("errors", element, message) end)

  local load_files = require "busted.modules.test_file_loader"(busted, { "lua" })
  load_files({ name }, {}, { excludes = {} })
  require "busted.execute"(busted)(1, {})
  return counts, problems
end

local files, workers = {}, nil
local i = 1
while arg[i] do
  if arg[i] == "-j" then
    workers, i = math.tointeger(tonumber(arg[i + 1])), i + 1
  else
    files[#files + 1] = arg[i]
  end
  i = i + 1
end

local pool <close> = tine.pool {
  workers = workers,
  max_tasks_per_worker = 1,
  on_crash = "replace",
  preload = { "busted.core", "busted", "busted.execute", "busted.modules.test_file_loader",
              "busted.modules.files.lua", "busted.languages.en" },
}

local total = { successes = 0, pendings = 0, failures = 0, errors = 0 }
local options = { chunksize = 1, on_error = "return" }
for index, counts, problems in pool:map(run_file, files, options) do
  if not counts then -- it did not come to an end
    counts, problems = { errors = 1 }, { "Error: " .. tostring(problems) }
  end
  for kind, n in pairs(counts) do total[kind] = total[kind] + n end
  for _, text in ipairs(problems) do print(files[index] .. ": " .. text .. "\n") end
end
print(("%d successes / %d failures / %d errors / %d pending"):format(total.successes, total.failures, total.errors,
  total.pendings))
pool:shutdown()
os.exit(total.failures + total.errors == 0)
