-- tine busted: busted's own runner, with some of the modules that it requires replaced. For the program and for
-- workers.
local M = {}

local NAME <const> = "busted" -- in messages

-- --- replacing modules -----------------------------------------------------------------------------------------

local originals = {} -- by name: modules that were replaced

-- Makes `require(name)` return change(original), for the runner.
function M.wrap(name, change)
  originals[name] = require(name)
  package.loaded[name] = change(originals[name])
end

-- Undoes all replacements: the tests may be those of busted itself.
function M.unwrap()
  for name, original in pairs(originals) do package.loaded[name] = original end
end

-- Calls take(busted) with the object that busted.core makes.
function M.on_core(take)
  M.wrap("busted.core", function(core)
    return function(...)
      local busted = core(...)
      take(busted)
      return busted
    end
  end)
end

-- Calls see(args, err) with the parsed command line. It is parsed when the runner has made the parser, and not when the
-- runner has loaded all that it needs, too: what `see` starts has that time already.
function M.on_arguments(see)
  M.wrap("busted.modules.cli", function(cli)
    return function(options)
      local parser = cli(options)
      parser:set_name(NAME)
      local args, err = parser:parse(arg)
      see(args, err)
      function parser.parse() return args, err end
      return parser
    end
  end)
end

-- --- running it -----------------------------------------------------------------------------------------------

local ENDED <const> = {} -- raised instead of os.exit

local code -- the exit code

-- Loads the runner, which keeps the function that ends the program, with one that raises ENDED.
local function load_runner()
  local compatibility = require "busted.compatibility"
  local exit = compatibility.exit
  function compatibility.exit(n)
    code = n ~= 0 and 1 or 0 -- as busted's own does
    error(ENDED, 0)
  end
  local runner = require "busted.runner"
  require "busted.modules.cli" -- keeps that function, too
  compatibility.exit = exit
  return runner
end

-- Modules that are loaded once for all workers.
local MODULES <const> = {
  "busted.core", "busted", "busted.execute", "busted.block", "busted.context", "busted.environment",
  "busted.status", "busted.options", "busted.utils", "busted.fixtures", "busted.luajit",
  "busted.modules.configuration_loader", "busted.modules.filter_loader", "busted.modules.helper_loader",
  "busted.modules.luacov", "busted.modules.output_handler_loader", "busted.modules.test_file_loader",
  "busted.modules.files.lua", "busted.modules.files.moonscript", "busted.languages.en", "luassert", "luassert.spy",
  "luassert.mock", "luassert.stub", "luassert.match", "cliargs", "mediator", "pl.Map", "pl.dir",
}

function M.load_ahead()
  load_runner()
  for _, name in ipairs(MODULES) do pcall(require, name) end -- not all exist in every version of busted
end

-- Runs busted as its program does; returns the exit code.
function M.run()
  code = 0
  local runner = load_runner()
  local call = load("local run, options = ... run(options) return true", "@" .. NAME)
  local ok, err = pcall(call, runner, { standalone = false })
  if not ok and err ~= ENDED then error(err, 0) end
  return code
end

return M
