-- Makes tine.pool give pools whose workers are "on other machines", of which spec/machines/both_spec.lua has started
-- some. So specs of what all pools do run against both kinds (tests/run_spec.lua). TINE_SPEC_BACKEND is the address
-- without the number of workers behind it. A pool with options that are for workers of this machine stays as it was.
local tine = require "tine"

local here = tine.pool
local HERE_ONLY <const> = {
  "initializer", "initargs", "max_tasks_per_worker", "start_method", "preload", "warnings", "min_workers",
  "idle_timeout", "max_worker_age", "max_worker_memory", "on_worker_exit", "finalizer", "spin", "start_timeout",
  "exit_timeout", "backend",
}
local MOST <const> = 4 -- workers

require "spec.support.leftovers" -- it looks at workers of this machine

local function belongs_here(options)
  for _, name in ipairs(HERE_ONLY) do
    if options[name] ~= nil then return true end
  end
  return options.workers == 0 or options.on_crash == "break"
end

function tine.pool(options)
  local given = options
  if options == nil or math.type(options) == "integer" then options = { workers = options } end
  local plain = type(options) == "table" and (options.workers == nil or math.type(options.workers) == "integer")
  if not plain or belongs_here(options) then return here(given) end
  local far = {}
  for key, value in pairs(options) do far[key] = value end
  far.backend = os.getenv "TINE_SPEC_BACKEND" .. math.min(options.workers or 2, MOST)
  far.workers = nil
  return here(far)
end

return true
