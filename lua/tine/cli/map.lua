-- tine map: applies a function, or a command, to each line of its input in parallel.
--
-- This file reads the command line. map/run.lua has the loop; map/work.lua and map/command.lua run in workers.
local columns_of = require "tine.cli.map.columns"
local inputs = require "tine.cli.map.input"
local open_files = require "tine.cli.open_files"
local options_of = require "tine.cli.options"
local others = require "tine.cli.map.others"
local template = require "tine.cli.map.template"
local trouble = require "tine.cli.trouble"
local words = require "tine.cli.map.words"
local give_up = trouble.give_up

local M = {}

local USAGE <const> = [[
usage: tine map [options] FUNCTION [file...] | ::: argument...
       tine map [options] -x COMMAND [file...] | ::: argument...
]]

local HELP <const> = USAGE .. [[

Applies a Lua function, or a command, to each line of the files (standard input
without any, or for "-") or to each argument, in parallel, and prints what comes
out, in the order of the input, as soon as it is ready.

FUNCTION is an expression or statements with the line in _ ('_:upper()'), its
number in _n, and its columns in _1, _2, ...; or @file.lua, a file that returns a
function of the line and its columns, or a table with map, reduce, init and finish.
Several values are printed separated by tabs, nothing for nil or none.

COMMAND is run by sh, with these replaced and quoted (without any, {} is appended):
{} the line, {1} a column, {name} a column by name, {.} without extension,
{/} base name, {//} folder, {/.} base name without extension, {#} number, {%} worker.

Workers
  -j, --jobs N       so many at a time; +N, -N: more, fewer than processors; N%: of them
  -n, --chunk N      lines that a worker takes at a time, default: chosen from the input
  --timeout S        a line may take S seconds, or its worker is killed
  --retries N        a line that fails is run N times at most
  --delay S          wait S seconds between two starts
  --halt WHEN        now,fail=1: stop at the first failure; soon,fail=N: start nothing
                     more after N; also success=N, done=N, N%; never (default)
  --seed N           random numbers of each line depend on N and its number only
Input
  -0, --null         lines end with a zero byte
  --colsep PATTERN   what separates columns: a Lua pattern, no regular expression
                     ('[,;]' for one of these, '%-' for '-'; '|' is itself)
  --csv              lines and columns as RFC 4180 has them
  --header :         the first line names the columns
  --pipe             give whole blocks of lines: in _, or on a command's input
  --block SIZE       of about SIZE bytes (1M; suffixes k K m M g G)
  -N LINES           of so many lines
  ::: A B ...        arguments instead of lines; several :::, all combinations;
  :::+ A B ...       in step with the arguments before
Output
  -x COMMAND         a command for each line
  --unordered        print results as they come
  -k, --keep-order   in the order of the input (the default)
  --tag              each line of output behind its line of input and a tab
  --line-buffer      a command's output line by line, as it comes
  -q, --quiet        print nothing of it
  --results DIR      also keep it in files below DIR
  --joblog FILE      a line for each line that is done, in GNU parallel's format
  --resume           do not run what is in the joblog
  --resume-failed    run again what failed by the joblog, and what is not in it
  --dry-run          print what would be run
  --progress, --bar  show on stderr how far it is, the rate and the time left
  --trace FILE       what workers do, as a trace for Perfetto or tine report
  --help             this text
  --                 stop handling options

What fails is told on stderr as "file:line: message", and the others go on. Exit
code: 0; 1 when some failed; 2 for wrong usage, input that cannot be read, output
that cannot be written; 130 after Ctrl-C.
]]

local function header(text)
  if text == ":" then return true end
  return nil, "':'"
end

-- 0 means no limit, as for timeout(1) and GNU parallel.
local function limit(text)
  local n, expected = options_of.seconds(text)
  if n == 0 then n = math.huge end
  return n, expected
end

-- For such names GNU parallel would write tables of results.
local function folder(text)
  if text == "" then return nil, "a folder" end
  if not text:lower():find "%.[ct]sv$" and not text:lower():find "%.json$" then return text end
  return nil, ("a folder (one with such a name ends in '/'; --joblog FILE writes a table)")
end

-- An integer, or a text, which is hashed.
local function seed(text)
  local n = math.tointeger(tonumber(text))
  if n then return n end
  n = 0
  for _, byte in ipairs { text:byte(1, -1) } do n = n * 31 + byte end
  return n
end

local OPTIONS <const> = others.add {
  { "-j", "-P", "--jobs", "--max-procs", value = "N", key = "workers", read = options_of.jobs },
  { "-n", "--chunk", value = "N", key = "lines", read = options_of.count },
  { "--timeout", value = "S", key = "timeout", read = limit },
  { "--retries", value = "N", key = "retries", read = options_of.count },
  { "--delay", value = "S", key = "delay", read = options_of.seconds },
  { "--halt", "--halt-on-error", value = "WHEN", key = "halt", read = require "tine.cli.map.halt".read },
  { "--seed", value = "N", key = "seed", read = seed },
  { "-0", "--null", key = "separator", set = "\0" },
  { "-C", "--colsep", value = "PATTERN", key = "colsep", read = columns_of.pattern },
  { "--csv", key = "csv" },
  { "--header", value = ":", key = "header", read = header },
  { "--pipe", "--spreadstdin", key = "pipe" },
  { "--block", "--block-size", value = "SIZE", key = "block", read = options_of.size },
  { "-N", value = "LINES", key = "records", read = options_of.count },
  { "-x", value = "COMMAND", key = "command" },
  { "--unordered", key = "ordered", set = false },
  { "-k", "--keep-order", "--keeporder", key = "ordered" },
  { "--tag", key = "tag" },
  { "--line-buffer", "--linebuffer", "--lb", key = "line_buffer" },
  { "-q", "--quiet", key = "quiet" },
  { "--results", "--res", value = "DIR", key = "results", read = folder },
  { "--joblog", value = "FILE", key = "joblog" },
  { "--resume", key = "resume", set = "resume" },
  { "--resume-failed", key = "resume", set = "resume-failed" },
  { "--dry-run", "--dryrun", key = "dry_run" },
  { "--progress", "--bar", key = "progress" },
  { "--trace", value = "FILE", key = "trace" },
  { "--help", "-h", key = "help" },
}

local BLOCK <const> = 1 << 20
local FILES <const> = 2 -- that are open for each command: stdout, stderr

-- Was an operand meant as an option? It has an option's name, and no file has that name.
local function is_option(word)
  if not word:find "^%-" then return false end -- not opened, because it may be a pipe
  local file <close> = io.open(word)
  local name = word:match "^%-%-[^=]+" or word
  for _, option in ipairs(file and {} or OPTIONS) do
    for _, known in ipairs(option.hint and {} or option) do
      if known == name then return true end
    end
  end
end

-- Refuses options that cannot be combined, or mean something only together.
local function check(o)
  local function usage(text) give_up("%s\n%s", text, USAGE) end
  local is_pattern, wrong = columns_of.check_pattern(o.colsep or ",")
  if o.resume and not o.joblog then usage("--resume needs --joblog") end
  if o.records and not o.pipe then usage("-N needs --pipe") end
  if o.block and not o.pipe then usage("--block needs --pipe") end
  if o.pipe and o.arguments then usage("--pipe needs lines, not arguments") end
  if o.csv and o.colsep and (o.colsep == "" or #o.colsep > 16) then usage("--csv has a --colsep of 1 to 16 bytes") end
  if not o.csv and not is_pattern then
    usage(("option '--colsep' needs a pattern (%s), not '%s'"):format(wrong, o.colsep))
  end
  if o.csv and o.separator then usage("--csv has lines that end with a newline, not --null") end
  if o.line_buffer and not o.command then usage("--line-buffer needs -x") end
  if o.command and (o.lines or 1) > 1 then usage("-n is for FUNCTION: a command is run for each line") end
end

-- Do arguments begin at this word?
local function is_separator(word) return word and word:find "^:::%+?$" end

-- Refuses GNU parallel's syntax for files of arguments.
local function refuse_argument_files(args)
  for _, word in ipairs(args) do
    if word:find "^::::%+?$" then
      give_up("'%s' is not known here: files are named without it; in combinations: ::: $(cat FILE)\n%s", word, USAGE)
    end
  end
end

-- Reads options and operands: { FUNCTION (without -x), file..., arguments = { ":::", ... } or nil }
local function parse(...)
  local args, o = { ... }, { ordered = true }
  local i = options_of.parse(OPTIONS, args, o, USAGE)
  if not o.command and args[i] and not is_separator(args[i]) then
    o.text = args[i]
    i = i + 1
  end
  while args[i] and not is_separator(args[i]) do
    o[#o + 1] = args[i]
    i = i + 1
  end
  if args[i] then o.arguments = table.move(args, i, #args, 1, {}) end
  if o.help then return o end
  refuse_argument_files(args)
  for _, word in ipairs(o) do
    if is_option(word) then give_up("'%s' is behind an operand: options stand before\n%s", word, USAGE) end
  end
  if o.arguments and o[1] then give_up("there are files and arguments\n%s", USAGE) end
  if not o.text and not o.command then
    give_up("FUNCTION is missing (or -x COMMAND; lines that are commands: -x 'sh -c {}')\n%s", USAGE)
  end
  check(o)
  return o
end

-- --- the job ------------------------------------------------------------------------------------------

local function read_file(name)
  local file <close>, err = io.open(name, "rb")
  if not file then give_up("cannot read %s", err) end
  local text, why = file:read "a"
  if not text then give_up("cannot read %s: %s", name, why) end
  return (text:gsub("^#[^\n]*", "")) -- without a first line for the shell
end

-- Is the text the name of an undefined variable? That would print nothing for every line.
local function is_no_value(text, columns)
  local is_name = text:find "^[%a_][%w_]*$" and load("local " .. text) -- no keyword
  return is_name and not text:find "^_n?%d*$" and columns[text] == nil and _G[text] == nil
end

-- Compiles FUNCTION, to find errors before any worker starts. It may have been meant as a command; or as the name of a
-- column, which is not known where the input has not even a first line (`names_missing`).
local function add_function(job, text, names_missing)
  job.text, job.file = text, text:match "^@(.*)"
  local fn, wrong
  if job.file then
    job.text = read_file(job.file)
    fn, wrong = load(job.text, "@" .. job.file)
  else
    fn, wrong = require "tine.cli.map.work".compile(text, job.header)
    if fn and not names_missing and is_no_value(text, job.header) then
      fn, wrong = nil, ("FUNCTION: there is no '%s' in Lua"):format(text)
    end
    wrong = wrong and wrong .. " (a command is given with -x)"
  end
  if not fn then give_up("%s", wrong) end
end

-- Names of columns, from the first line, or from the first argument of each list; nil when there is no line.
local function read_header(input, o)
  local split = columns_of.splitter(o)
  local text = o.arguments and table.concat(input.header, "\0") .. "\0" or input:read_header()
  if not text then return nil end
  local names, list = {}, split and split(text) or { text }
  for i, name in ipairs(list) do
    if name ~= "" and names[name] == nil then names[name] = i end
  end
  return names
end

local function new_job(o, input)
  local has_names = o.header and not o.pipe
  local names = has_names and read_header(input, o)
  local job = {
    separator = not (o.pipe or o.arguments) and (o.separator or "\n") or nil, csv = o.csv, colsep = o.colsep,
    arguments = o.arguments and true or nil, pipe = o.pipe, seed = o.seed, tag = o.tag, quiet = o.quiet,
    results = o.results and true or nil, log = o.joblog and true or nil, line_buffer = o.line_buffer,
    header = names or {},
  }
  if o.command then
    local wrong
    job.template, wrong = template.command(o.command, job.header, o.pipe)
    if wrong then give_up("%s", wrong) end
    job.direct = words.read(job.template)
  else
    add_function(job, o.text, has_names and not names)
  end
  return job
end

local function run(o)
  -- --csv has a text as separator, no pattern.
  if o.csv then o.colsep = o.colsep and o.colsep:gsub("%%(%p)", "%1") or "," end
  local how = { separator = o.separator or "\n", columns = o.csv and o.colsep, header = o.header, pipe = o.pipe }
  local input = o.arguments and inputs.arguments(o.arguments, o.header) or inputs.files(o, how)
  local job = new_job(o, input)
  if not input:opens() then return trouble.TROUBLE end
  o.files = o.command and not o.line_buffer and FILES or nil
  local workers, why = open_files.choose(o.workers, o.files and "commands", o.files)
  o.workers = workers or give_up("%s", why)
  o.block = o.block or BLOCK
  if o.results then o.results = require "tine.cli.map.results".new(o.results, job.header, not o.dry_run) end
  if o.joblog then o.joblog = require "tine.cli.map.joblog"[o.dry_run and "look" or "open"](o.joblog, o.resume) end
  o.progress = o.progress and require "tine.cli.map.progress".new(input:total()) or nil
  if o.line_buffer then
    local outputs = require "tine.cli.map.output"
    job.lock = outputs.path(outputs.temporary())
  end
  return require "tine.cli.map.run".run(job, input, o)
end

M.main = trouble.program("map", HELP, parse, run)

return M
