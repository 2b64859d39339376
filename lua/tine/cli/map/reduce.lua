-- tine map @file.lua with `reduce`: runs that function in the program, on each result in order.
local trouble = require "tine.cli.trouble"
local work = require "tine.cli.map.work"

-- An error ends the program, with a message like that of a line; Ctrl-C is passed on.
local function call(job, name, fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  trouble.unless_interrupted(err)
  trouble.fail("%s of @%s: %s", name, job.file, work.message_of(err))
end

-- Makes the output (map/output.lua) call `reduce`. Returns the function that prints the final result.
return function(job, output)
  local program = work.load_file(job)
  local acc = program.init
  if type(acc) == "function" then acc = call(job, "init", acc) end
  output.how.reduce = function(...)
    local result = table.pack(call(job, "reduce", program.reduce, acc, ...))
    if result.n > 0 then acc = result[1] end
  end
  return function()
    local text
    if program.finish then
      text = work.joined(call(job, "finish", program.finish, acc))
    else
      text = work.joined(acc)
    end
    if text then output:write(text .. "\n") end
    output:flush()
  end
end
