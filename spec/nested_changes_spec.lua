-- A call that changes modules is decoded in the midst of another such call.
local tine = require "tine"

describe("a decode function that runs a task which uses what it has changed in a module", function()
  local path, file = package.path, os.tmpname()
  local name = "spec_nested_changes"
  local directory = file .. ".modules"

  setup(function()
    assert(os.execute("mkdir " .. directory))
    local module = assert(io.open(directory .. "/" .. name .. ".lua", "w"))
    assert(module:write [[
      local M = {}
      function M.a() return "a of the file" end
      function M.b() return "b of the file" end
      return M]])
    module:close()
    package.path = directory .. "/?.lua;" .. path
  end)
  teardown(function()
    package.path = path
    package.loaded[name] = nil
    os.execute("rm -r " .. directory)
    os.remove(file)
  end)

  -- The inner call's changes were written over those of the outer one, which were lost.
  it("leaves the outer call's changes", function()
    local M = require(name)
    local Class = {}
    local function decode()
      local inner = require "spec_nested_changes"
      inner.b = function() return "b of the decode function" end
      return { (require("tine").worker.pool:submit(function() return inner.b() end):result()) }
    end
    tine.register("spec.nested_changes", Class, function() return 1 end, decode)
    M.a = function() return "a of the program" end
    for _, workers in ipairs { 1, 0 } do
      local pool = tine.pool { workers = workers }
      local future = pool:submit(function(o) return o[1], M.a() end, setmetatable({}, Class))
      assert.same({ "b of the decode function", "a of the program" }, { future:result() })
      pool:shutdown()
    end
  end)
end)
