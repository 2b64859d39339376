-- Error objects.
local tine = require "tine"
local leftovers = require "spec.support.leftovers"

describe("an error of tine", function()
  local pool
  setup(function() pool = tine.pool { workers = 2, on_crash = "replace" } end)
  teardown(function()
    pool:shutdown()
    pool = nil
    leftovers.none()
  end)

  it("is a table with kind, message and text", function()
    local err = select(2, tine.future():pcall(0))
    assert.equal("table", type(err))
    assert.equal("timeout", err.kind)
    assert.equal("timeout", tine.kind(err))
    assert.equal(err.message, tostring(err))
  end)

  it("has no kind when it is any other value", function()
    for _, value in ipairs { 1, "timeout", true, {}, { kind = "timeout" }, setmetatable({ kind = "timeout" }, {}),
      io.stdout } do
      assert.is_nil(tine.kind(value))
    end
    assert.is_nil(tine.kind(nil))
    assert.has_error(function() tine.kind() end)
  end)

  -- Lua takes the first name that it finds in package.loaded, in an order that is another one each time: some programs
  -- read of a "bad argument #1 to 'tine.core.pool'".
  it("of an argument names the function as the program does", function()
    assert.matches("'tine.sleep'", select(2, pcall(tine.sleep, "long")), 1, true)
    for name, f in pairs(tine) do
      for module, fields in pairs(package.loaded) do
        for key, value in pairs(module ~= "tine" and type(fields) == "table" and fields or {}) do
          assert.is_false(type(f) == "function" and rawequal(value, f),
            ("tine.%s is %s.%s, too"):format(name, module, tostring(key)))
        end
      end
    end
  end)

  it("of a crash says who, how, and what was running", function()
    local f = pool:with { label = "doomed" }:submit(function() os.exit(3) end)
    local err = f:exception()
    assert.equal("crashed", err.kind)
    assert.equal(3, err.exit_code)
    assert.is_nil(err.signal)
    assert.equal("integer", math.type(err.pid))
    assert.equal("doomed", err.task.label)
    assert.matches("errors_spec.lua", err.task.source, 1, true)
    assert.equal("integer", math.type(err.task.line))
    for _, part in ipairs { "doomed", "exit code 3", tostring(err.pid) } do
      assert.matches(part, err.message, 1, true)
    end
  end)

  it("is each future's own", function()
    local own <close> = tine.pool { workers = 1 }
    local wait, open = require "spec.support.gate"()
    local function crash()
      wait()
      os.exit(4)
    end
    local futures = { own:submit(crash), own:submit(math.abs, 1), own:submit(math.abs, 2) }
    open()
    local seen = {}
    for _, f in ipairs(futures) do
      local err = f:exception()
      assert.equal("broken", tine.kind(err))
      assert.equal(4, err.exit_code)
      assert.is_nil(seen[err])
      seen[err] = true
    end
    local ok, err = pcall(own.submit, own, math.abs, 3)
    assert.is_false(ok)
    assert.equal("broken", tine.kind(err))
    assert.is_nil(seen[err])
    own:shutdown()
    assert.equal("broken", tine.kind(select(2, pcall(own.submit, own, math.abs, 3))))
  end)

  it("of an initializer has the cause", function()
    local own <close> = tine.pool { workers = 1, initializer = function() error({ code = 17 }) end }
    local err = own:submit(math.abs, 1):exception()
    assert.equal("broken", tine.kind(err))
    assert.same({ code = 17 }, err.cause)
  end)

  it("of a value that cannot travel says where it is", function()
    local co = coroutine.create(print)
    local err = pool:submit(math.abs, { list = { 1, co } }):exception()
    assert.equal("serialization", err.kind)
    assert.matches("argument 1", err.message)
    assert.matches("list", err.message)
    err = pool:submit(function() return co end):exception()
    assert.matches("co", err.message)
  end)

  it("comes through from a pool inside a task", function()
    local err = pool:submit(function()
      local inner = require "tine".pool(1)
      local f = inner:submit(function() os.exit(5) end)
      local e = f:exception()
      inner:shutdown()
      error(e)
    end):exception()
    assert.equal("broken", tine.kind(err))
    assert.equal(5, err.exit_code)
    assert.equal(err.message, tostring(err))
  end)

  it("of the task's own carries the worker's traceback", function()
    local err, traceback = pool:submit(function()
      local function deeper() error "down here" end
      deeper()
    end):exception()
    assert.matches("errors_spec.lua:%d+: down here", err)
    assert.matches("deeper", traceback)
  end)

  it("is noted for the program that shows it", function()
    local f = pool:with { label = "shown" }:submit(error, "unseen")
    local ok, err = pcall(f.result, f)
    assert.is_false(ok)
    local note = debug.getregistry()["tine.traceback"]
    assert.equal(err, note.error)
    assert.equal("shown", note.label)
    assert.equal("string", type(note.traceback))
  end)

  it("whose cause cannot be printed is given all the same", function()
    -- The text of the cause, an object whose __tostring raises, was put into the message: pcall raised.
    local broken <close> = tine.pool {
      workers = 1,
      initializer = function() error(setmetatable({}, { __tostring = function() error("no text", 0) end })) end,
    }
    local future = broken:submit(math.abs, -1)
    local ok, good, err = pcall(future.pcall, future)
    assert.is_true(ok)
    assert.is_false(good)
    assert.equal("broken", tine.kind(err))
    assert.equal("table", type(err.cause))
    assert.matches("initializer failed: %(a table whose __tostring raises an error%)$", tostring(err))
    assert.equal("string", type(tostring(future)))
  end)
end)
