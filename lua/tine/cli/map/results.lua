-- --results: files for the output of a job, named as by GNU parallel.
--
--   DIR              DIR/1/VALUE/2/VALUE/stdout, with stderr and seq beside it (a column's name for its number)
--   with {} in it    that file, with NAME.err and NAME.seq; or that folder if it ends with "/"
local host = require "tine.cli.host"
local template = require "tine.cli.map.template"
local give_up = require "tine.cli.trouble".give_up
local write_all = require "tine.cli.write"

local M = {}

local LONGEST_NAME <const> = 255
local ESCAPES <const> = { ["\\"] = "\\\\", ["\t"] = "\\t", ["\0"] = "\\0", ["/"] = "\\_" }

local function must(ok, err)
  if not ok then give_up("cannot write results: %s", err) end
  return ok
end

-- Opens a result file; mode "w" or "a". Returns its descriptor.
function M.open_file(path, mode) return must(host.open(path, mode)) end

local function make_folders(path)
  for at in path:gmatch "()/" do
    if at > 1 then must(host.make_folder(path:sub(1, at - 1))) end
  end
end

-- A text of the input as the name of a folder, which stays below its parent.
local function folder_name(text)
  text = text:gsub("[\\\t\0/]", ESCAPES):sub(1, LONGEST_NAME)
  return (text == "" or text == "." or text == "..") and "\\" .. text or text
end

-- The folder of a record: two levels for each column.
local function folder_of(root, work, names)
  local parts = { root }
  for i, value in ipairs(work.columns or { work.record }) do
    parts[#parts + 1] = folder_name(names[i] or tostring(i))
    parts[#parts + 1] = folder_name(value)
  end
  return table.concat(parts, "/") .. "/"
end

-- A function from a record to the paths of its files. `header`: column by name; with `make` the folder that all of
-- them have in common is made at once, to complain before anything is run.
function M.new(name, header, make)
  local parts, has_strings = template.parse(name, header)
  if make then make_folders(has_strings and parts[1] or name .. "/") end
  local names = {}
  for text, column in pairs(header) do names[column] = text end
  for _, part in ipairs(parts) do
    if type(part) == "table" then part.quotes = "none" end
  end
  return function(work)
    local path = has_strings and template.expand(parts, work) or folder_of(name, work, names)
    make_folders(path)
    local of_folder = path:sub(-1) == "/"
    local seq = M.open_file(of_folder and path .. "seq" or path .. ".seq", "w")
    write_all(seq, tostring(work.number), "cannot write results")
    host.close(seq)
    return of_folder and path .. "stdout" or path, of_folder and path .. "stderr" or path .. ".err"
  end
end

return M
