-- tine serve --on HOST,HOST: runs the same command on other hosts, by ssh.
--
-- Each host's command ends when this process ends, in whatever way: through ssh it reads a pipe of ours, asks its
-- `tine serve` to leave at each line, and once more at the end of the pipe. Its log comes through another pipe, and
-- is printed with the host's name in front.
local host = require "tine.cli.host"
local trouble = require "tine.cli.trouble"

local M = {}

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local LOG_BLOCK <const> = 65536

local REMOTE <const> = [[
exec 3<&0
%s </dev/null & serve=$!
{ while read -r _; do kill -TERM $serve; done <&3; kill -TERM $serve; } >/dev/null 2>&1 & reader=$!
wait $serve; code=$?
kill $reader 2>/dev/null
exit $code]]

-- The words of a command line without --on and its value.
local function without_on(args)
  local words, i = {}, 1
  while i <= #args do
    if args[i] == "--on" then
      i = i + 1
    elseif not args[i]:find "^%-%-on=" then
      words[#words + 1] = quote(args[i])
    end
    i = i + 1
  end
  return table.concat(words, " ")
end

local function start(name, command)
  local reads, writes = host.pipe(true)
  if not reads then trouble.give_up("no pipe: %s", writes) end
  local log, logs = host.pipe()
  if not log then trouble.give_up("no pipe: %s", logs) end
  local ssh = ("exec ssh -o BatchMode=yes -- %s %s"):format(quote(name), quote(command))
  local child, why = host.spawn("/bin/sh", { "sh", "-c", ssh }, reads, 1, logs)
  host.close(reads)
  host.close(logs)
  if not child then trouble.give_up("ssh: %s", why) end
  return {
    name = name, child = child, pipe = writes, fd = assert(child:fd()), log = log, reader = host.reader(log, "\n"),
  }
end

-- Prints the lines that have come; with `ended` the last one even if it is incomplete.
local function pass_on(one, ended)
  local before, goes_on = nil, one.log ~= nil
  while goes_on and one.reader:buffered() ~= before do
    before = one.reader:buffered()
    goes_on = one.reader:fill(LOG_BLOCK)
  end
  for line in function() return (one.reader:take(1, LOG_BLOCK, ended or not goes_on, false)) end do
    local text, at = ("%s: %s"):format(one.name, line), 1
    while at and at <= #text do at = host.write(2, text, at) end
  end
  if one.log and not goes_on then
    host.close(one.log)
    one.log = nil
  end
end

-- The host's command has ended: returns whether it ended well.
local function collect(one)
  local code, signal
  repeat code, signal = one.child:wait() until code
  pass_on(one, true)
  if one.pipe then host.close(one.pipe) end
  if one.log then host.close(one.log) end
  if code == 0 and signal == 0 then return true end
  local how = signal ~= 0 and host.signal_name(signal) or "exit code " .. code
  trouble.complain("serve", ("%s: it ended with %s"):format(one.name, how))
  return false
end

-- Asks all hosts to leave, or the second time to leave at once.
local function ask(list, again)
  for _, one in ipairs(list) do
    if again and one.pipe then
      host.close(one.pipe)
      one.pipe = nil
    elseif one.pipe then
      host.write(one.pipe, "\n")
    end
  end
end

-- Removes the hosts that have ended. Returns whether all of these ended well.
local function take_out(list, ended)
  local good = true
  for i = #list, 1, -1 do
    if ended[i] then good = collect(table.remove(list, i)) and good end
  end
  return good
end

-- Serves on these hosts with the arguments of the command line. Returns the exit code.
function M.serve(hosts, args)
  local signals, why = host.signals()
  if not signals then trouble.give_up("%s", why) end
  local command = REMOTE:format("tine serve " .. without_on(args))
  local list, good, asked = {}, true, false
  for i, name in ipairs(hosts) do list[i] = start(name, command) end
  while #list > 0 do
    local fds = { signals }
    for i, one in ipairs(list) do fds[i + 1] = one.fd end
    for i = 1, #list do fds[#list + i + 1] = list[i].log or -1 end
    local ready = { host.poll(fds) }
    table.remove(ready, 1)
    for i, one in ipairs(list) do
      if ready[#list + i] then pass_on(one) end
    end
    good = take_out(list, ready) and good
    if host.take_signal(signals) then
      ask(list, asked)
      asked = true
    end
  end
  return good and 0 or 1
end

return M
