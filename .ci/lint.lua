-- lua5.4 .ci/lint.lua BUILD JOBS: what scripts/lint does.
--
-- Each tool looks at each file once, with the options of the plain build (but with faults only where those are
-- what the file is about). What it said is kept in build/lint under a hash of the preprocessed file, of its
-- options, and of the tool and its configuration.
local cjson = require "cjson"

local build, jobs = arg[1], arg[2]
local CACHE = "build/lint"
local ABOUT_FAULTS = { ["src/base/fault.c"] = true, ["src/base/sys.c"] = true, ["tests/base/fault.c"] = true,
                       ["tests/ipc/faults.c"] = true, ["tests/worker/test_faults.c"] = true }

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local function output(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- --- files ----------------------------------------------------------------------------------------------

local here = output("pwd"):gsub("\n", "")

-- List of { file=, options= }.
local function files()
  local chosen, list = {}, {}
  for _, entry in ipairs(cjson.decode(read(build .. "/compile_commands.json"))) do
    local file = entry.file:sub(#here + 2)
    if not entry.command:find "%-fsanitize" and not file:find "^build" and not chosen[file] then
      chosen[file] = true
      local options = entry.command:gsub("^%S+ccache ", ""):gsub("^%S+ ", ""):gsub(" %-o .*", ""):gsub(" %-Werror", "")
      if not ABOUT_FAULTS[file] then options = options:gsub(" %-DTINE_FAULTS", "") end
      list[#list + 1] = { file = file, options = options .. " -include .ci/noreturn.h -isystem /usr/include/lua5.4" }
    end
  end
  table.sort(list, function(a, b) return a.file < b.file end)
  return list
end

-- --- tools ----------------------------------------------------------------------------------------------

local TOOLS = {
  { name = "clang-tidy", version = output "clang-tidy --version" .. read ".clang-tidy",
    command = "clang-tidy --quiet %s -- %s 2>/dev/null" },
  { name = "gcc", version = output "cc --version",
    command = "cc -fanalyzer -c -o /dev/null %s %s 2>&1" },
  { name = "cppcheck", version = output "cppcheck --version",
    command = "cppcheck --quiet --enable=warning,performance,portability --std=c11 --include=.ci/noreturn.h "
      .. "--template='{file}:{line}:{column}: warning: {message} [{id}]' %s -Isrc -Iinclude -D_GNU_SOURCE 2>&1" },
}

-- Has every tool look at every file, `jobs` at a time: one shell program for each, which says what it does, as all of
-- it takes a quarter of an hour the first time.
local function look(list)
  local programs = {}
  for _, one in ipairs(list) do
    local lines = { "set -e", ("text=$(cc -E %s %s | sha256sum)"):format(one.options, one.file) }
    for _, tool in ipairs(TOOLS) do
      local command = tool.command:format(one.file, one.options)
      one[tool.name] = ("%s/%s.%s"):format(CACHE, one.file:gsub("/", "+"), tool.name)
      lines[#lines + 1] = ("key=$(printf '%%s' \"$text\" %s | sha256sum)"):format(quote(tool.version .. command))
      lines[#lines + 1] = ("[ \"$(head -n 1 %s 2>/dev/null)\" = \"$key\" ] || "
        .. "{ echo '%s %s' >&2; found=$(%s) || { echo '%s cannot look at %s' >&2; exit 1; }; "
        .. "printf '%%s\\n%%s\\n' \"$key\" \"$found\" >%s; }"):format(one[tool.name], tool.name, one.file, command,
          tool.name, one.file, one[tool.name])
    end
    local program = ("%s/%s.sh"):format(CACHE, one.file:gsub("/", "+"))
    write(program, table.concat(lines, "\n") .. "\n")
    programs[#programs + 1] = program
  end
  write(CACHE .. "/programs", table.concat(programs, "\n") .. "\n")
  assert(os.execute(("xargs -P %s -n 1 sh <%s/programs"):format(jobs, CACHE)), "a file cannot be looked at")
end

-- --- what they found ------------------------------------------------------------------------------------

-- Lines "TOOL FILE CHECK REASON" of .ci/answers; a * in FILE stands for any text.
local function answers()
  local list = {}
  for line in io.lines ".ci/answers" do
    local tool, file, check = line:match "^(%S+)%s+(%S+)%s+(%S+)%s+%S"
    if tool and not line:find "^#" then
      local pattern = "^" .. file:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$"
      list[#list + 1] = { tool = tool, pattern = pattern, check = check, line = line, used = false }
    end
  end
  return list
end

local function is_answered(list, tool, file, check)
  local answered = false
  for _, a in ipairs(list) do
    if a.tool == tool and file:find(a.pattern) and a.check == check then
      a.used, answered = true, true
    end
  end
  return answered
end

local list, answered, findings, seen = files(), answers(), 0, {}
assert(os.execute("mkdir -p " .. CACHE))
look(list)
for _, one in ipairs(list) do
  for _, tool in ipairs(TOOLS) do
    for line in read(one[tool.name]):gmatch "[^\n]+" do
      local file, check = line:match "^(%S-):%d+:%d+: %a+: .*%[([^%[%]]+)%]$"
      file = file and (file:find "^/" and file:sub(#here + 2) or file)
      if file and not is_answered(answered, tool.name, file, check) and not seen[line] then
        seen[line] = true
        findings = findings + 1
        print(tool.name .. ": " .. line)
      end
    end
  end
end
for _, a in ipairs(answered) do
  if not a.used then
    findings = findings + 1
    print(".ci/answers answers what is found no more: " .. a.line)
  end
end
if findings > 0 then
  print(("lint: %d findings: mend them, or say in .ci/answers why they are none"):format(findings))
  os.exit(1)
end
