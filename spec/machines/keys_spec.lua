-- Pools on many machines: keys, and what comes from who has none.
-- timeout: 120
local tine = require "tine"
local machines = require "spec.support.machines"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

if machines.are_missing(pending) then return end

local new_key = machines.new_key

local has_sodium = shell.run(program.tine() .. " serve --key /nonexistent gearman://127.0.0.1/x").err
  :find("libsodium", 1, true) == nil

describe("keys", function()
  after_each(machines.stop)

  it("are made by tine key, in a file for its owner only", function()
    local file = os.tmpname()
    os.remove(file)
    shell.ok("umask 000; %s key > %s", program.tine(), file)
    assert.matches("^" .. ("%x"):rep(64) .. "\n$", shell.contents(file))
    assert.equal("600\n", shell.ok("stat -c %%a %s", file))
    os.remove(file)
  end)

  it("are needed for what is not on this machine", function()
    local ok, err = pcall(tine.pool, { backend = "gearman://192.0.2.1/x" })
    assert.is_false(ok)
    assert.matches("option 'key' is needed: 192.0.2.1:4730 is not on this machine", err, 1, true)
  end)

  if not has_sodium then
    pending "this build has no libsodium"
    return
  end

  it("are not made where they cannot be written", function()
    for place, why in pairs { ["/dev/full"] = "No space left on device", ["&-"] = "Bad file descriptor" } do
      assert.same({ out = "", err = "tine key: write error: " .. why .. "\n", code = 2 },
        shell.run(program.tine() .. " key >" .. place))
    end
  end)

  it("must not be readable by others, and must be keys", function()
    local function wrong(file, text)
      local ok, err = pcall(tine.pool, { backend = "gearman://127.0.0.1/x", key = file })
      assert.is_false(ok)
      assert.matches(text, err, 1, true)
    end
    local file = new_key()
    os.execute("chmod 644 " .. file)
    wrong(file, "chmod 600")
    wrong("/nonexistent", "No such file")
    local bad = new_key()
    local out = assert(io.open(bad, "w"))
    out:write "0123\n"
    out:close()
    wrong(bad, bad .. ":1: a key is 64 hexadecimal digits")
  end)

  it("seal what is sent", function()
    local server, key = machines.server(), new_key()
    machines.host(server, "-j 1 --key " .. key)
    local pool <close> = tine.pool { backend = server:url(), key = key }
    assert.equal(49, pool:submit(function(n) return n * n end, 7):result(20))
    local big = ("x"):rep(1 << 20)
    assert.equal(big, pool:submit(function(s) return s end, big):result(20))
    local list = pool:map(function(x) return -x end, { 1, 2, 3, 4, 5, 6 }, { chunksize = 2 }):totable()
    assert.same({ -1, -2, -3, -4, -5, -6, n = 6 }, list)
  end)

  it("may be several: any of them opens, the first seals", function()
    local server, old = machines.server(), new_key()
    local both = new_key(old)
    machines.host(server, "-j 1 --key " .. both)
    local pool <close> = tine.pool { backend = server:url(), key = old }
    assert.equal(1, pool:submit(function() return 1 end):result(20))
  end)

  it("may stand beside comments, and come from a pipe, which can be read once only", function()
    local server, file = machines.server(), new_key()
    local key = shell.contents(file):match "%x+"
    local out = assert(io.open(file, "w"))
    out:write("  # ours\n\t", key, " # since May\r\n")
    out:close()
    -- in pieces, from a program that decrypts it: tine serve --key <(...)
    local fifo = file .. ".pipe"
    shell.ok("mkfifo -m 600 %s && { { head -c 30 %s; sleep 0.1; tail -c +31 %s; } > %s & }", fifo, file, file, fifo)
    machines.host(server, "-j 1 --key " .. fifo)
    os.remove(fifo)
    local pool <close> = tine.pool { backend = server:url(), key = file }
    assert.equal(1, pool:submit(function() return 1 end):result(20))
  end)

  it("that are wrong are found out on both sides", function()
    local server = machines.server()
    local host = machines.host(server, "-j 1 --key " .. new_key())
    for _, key in ipairs { new_key(), false } do
      local pool <close> = tine.pool { backend = server:url(), key = key or nil }
      local _, err = pool:submit(function() return 1 end):pcall(20)
      assert.equal("lost", tine.kind(err))
      assert.matches("cannot be verified", err.message)
    end
    assert.matches("cannot be verified", host:log())
    assert.is_true(host:alive())
  end)
end)

describe("strangers", function()
  after_each(machines.stop)

  -- The function that hosts of the set register.
  local function function_of(server, set)
    return shell.ok("gearadmin -h 127.0.0.1 -p %d --workers", server.port):match("(tine%d+/" .. set .. "/%S+)")
  end

  if shell.run("command -v gearman && command -v gearadmin").code ~= 0 then
    pending "the gearman command is not installed (package gearman-tools)"
    return
  end

  it("that send garbage are refused, and change nothing", function()
    local server = machines.server()
    local host = machines.host(server, "-j 1")
    local name = function_of(server, "spec")
    for _, text in ipairs { "", "hello", "P", "S", "P" .. ("x"):rep(300), ("\\0"):rep(200) } do
      shell.run(("printf '%s' | timeout 5 gearman -h 127.0.0.1 -p %d -f '%s'"):format(text, server.port, name))
    end
    local pool <close> = tine.pool { backend = server:url() }
    assert.equal(5, pool:submit(function() return 5 end):result(20))
    assert.is_true(host:alive())
  end)

  it("that work under the name of hosts make tasks lost, at worst", function()
    local server = machines.server()
    local host = machines.host(server, "-j 1")
    local name = function_of(server, "spec")
    host:kill()
    local worker = machines.start(("gearman -h 127.0.0.1 -p %d -w -f '%s' -- echo nonsense"):format(server.port, name))
    local pool <close> = tine.pool { backend = server:url(), connect_timeout = 5 }
    local _, err = pool:submit(function() return 5 end):pcall(20)
    assert.equal("lost", tine.kind(err))
    assert.matches("cannot be verified", err.message)
    worker:kill()
  end)
end)
