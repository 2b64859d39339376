-- tine report: makes an HTML page of a trace.
--
-- report/trace.lua reads the trace, report/page.lua makes the page.
local options_of = require "tine.cli.options"
local trouble = require "tine.cli.trouble"
local give_up = trouble.give_up

local M = {}

local USAGE <const> = "usage: tine report [-o PAGE.html] TRACE.json\n"

local HELP <const> = USAGE .. [[

Makes one HTML page of a trace (tine.pool's option trace, TINE_TRACE, tine map --trace): the
timeline of each worker, utilization and queue, percentiles, the slowest and the failed tasks.
The page needs nothing but a browser. A trace of a program that was killed will do.

  -o, --output FILE  where the page goes, default: standard output
  --help             this text

Exit code: 0; 2 for wrong usage, a file that cannot be read or is no trace, a page that cannot
be written.
]]

local OPTIONS <const> = {
  { "-o", "--output", value = "FILE", key = "output" },
  { "--help", "-h", key = "help" },
}

local function parse(...)
  local o = {}
  local files = options_of.parse_all(OPTIONS, { ... }, o, USAGE)
  if o.help then return o end
  o.file = files[1]
  if not o.file then give_up("the trace is missing\n%s", USAGE) end
  if files[2] then give_up("one trace at a time, not '%s' too\n%s", files[2], USAGE) end
  if o.output == o.file then give_up "the page would overwrite its trace" end
  return o
end

local function read(name)
  local file, err = io.open(name, "rb")
  local text
  if file then
    text, err = file:read "a"
    err = err and name .. ": " .. err
    file:close()
  end
  return text or give_up("cannot read %s", err)
end

local function write(name, text)
  local file, err = io.stdout, nil
  if name then file, err = io.open(name, "wb") end
  local ok = file ~= nil
  if ok then ok, err = file:write(text) end
  if file and name then
    local closed, why = file:close()
    ok, err = ok and closed, err or why
  elseif ok then
    ok, err = file:flush()
  end
  if ok then return end
  -- Do not leave half a page; does nothing if it is no regular file.
  local rest = file and name and io.open(name, "wb")
  if rest then rest:close() end
  give_up("cannot write %s: %s", name or "the page", (tostring(err):gsub("^.-: ", "", 1)))
end

local function run(o)
  local trace, wrong = require "tine.cli.report.trace".read(read(o.file))
  if not trace then give_up("%s: %s", o.file, wrong) end
  trace.file = o.file:match "[^/]+$"
  write(o.output, require "tine.cli.report.page".make(trace))
  return 0
end

M.main = trouble.program("report", HELP, parse, run)

return M
