-- A gate that tasks wait at until the spec opens it: for specs that must do something first.
--
--   local wait, open = gate()
--   local f = pool:submit(function() wait() return 1 end)
--   ...                                  -- f is not done here, however slow this process is
--   open()
return function()
  local name = os.tmpname()
  local function wait()
    local file
    repeat file = io.open(name .. ".open") until file
    file:close()
    os.remove(name .. ".open")
  end
  local function open()
    assert(io.open(name .. ".open", "w")):close()
    os.remove(name)
  end
  return wait, open
end
