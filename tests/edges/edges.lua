-- Runs the smoke program in odd environments, and says for each "ok", "told" (refused, in clear words), "skipped"
-- where the machine does not have it, or what went wrong. What a minute allows by default, all with "soak".
--
--   scripts/env build lua5.4 tests/edges/edges.lua [soak] [part of a name]
local here = arg[0]:match "^(.*)/" or "."
local soak = arg[1] == "soak"
local only = arg[soak and 2 or 1]
local refuse = os.getenv "TINE_BUILD_DIR" .. "/tests/refuse"

local function shell(command)
  local pipe <close> = assert(io.popen(("{ %s; } 2>&1; rc=$?; echo; echo rc $rc"):format(command)))
  local text = pipe:read "a"
  return tonumber(text:match "rc (%d+)\n$"), (text:gsub("\n*rc %d+\n$", ""))
end

local environments = {}
local function add(name, before, o)
  o = o or {}
  o.name, o.before = name, before
  environments[#environments + 1] = o
end

local root = "test $(id -u) = 0"
local function namespace(change) return ("unshare -m sh -c '%s; exec \"$@\"' sh"):format(change) end

add("nothing odd", "")
add("as nobody", "setpriv --reuid=65534 --regid=65534 --clear-groups", { needs = root .. " && setpriv --reuid=65534 "
  .. "--regid=65534 --clear-groups test -r tests/edges/smoke.lua" })
add("after setuid", "", { words = "become=65534", needs = root })
add("after chroot", "", { words = "chroot=/tmp", needs = root, may = "told" })
add("a root that is read only", namespace "mount -o remount,bind,ro / && mount -t tmpfs none /tmp",
    { needs = root .. " && unshare -m true && case $PWD in /tmp/*) false;; esac" }) -- which is empty there
add("no /proc", namespace "umount -l /proc", { needs = root .. " && unshare -m true" })
add("another /proc", namespace "unshare -pf mount -t proc proc /proc", { needs = root .. " && unshare -m true" })
add("no /dev/null", namespace "mount -t tmpfs none /dev", { needs = root .. " && unshare -m true" })
add("pid 1", "unshare -pf --mount-proc", { needs = root .. " && unshare -pf true" })
add("a user namespace", "unshare -Ur", { needs = "unshare -Ur true" })
for what, values in pairs { nofile = { 32, 64 }, as = { 300000000 }, fsize = { 100000, 8388608 }, stack = { 131072 },
                            data = { 100000000 } } do
  for _, value in ipairs(values) do
    add(("limit %s %d"):format(what, value), ("prlimit --%s=%d"):format(what, value),
        { may = "told or error", soak = value < 10000000 and value > 32 })
  end
end
-- as nobody, who may have processes elsewhere
add("limit nproc", "prlimit --nproc=3 setpriv --reuid=65533 --regid=65534 --clear-groups", { needs = root
  .. " && setpriv --reuid=65534 --regid=65534 --clear-groups test -r tests/edges/smoke.lua", may = "told or error" })
-- What can be done without, together and one by one; and what cannot, each of which must be told.
local spare = { "close_range", "pidfd_open", "pidfd_send_signal", "madvise", "epoll_create1", "prlimit64",
                "setpriority", "getpriority", "sched_getaffinity", "sched_setaffinity", "ioprio_get", "capget",
                "getgroups", "getrandom" }
add("all that is to spare refused", ("%s 1 %s"):format(refuse, table.concat(spare, ",")))
for _, call in ipairs(spare) do add(call .. " refused", ("%s 1 %s"):format(refuse, call), { soak = true }) end
for _, call in ipairs { "memfd_create", "socketpair", "pipe2", "ftruncate", "signalfd4", "dup3", "fchdir",
                        "sendmsg" } do
  add(call .. " refused", ("%s 1 %s"):format(refuse, call), { may = "told", soak = call ~= "memfd_create" })
end
add("close_range refused, many descriptors allowed", refuse .. " 38 close_range prlimit --nofile=1000000:1000000",
    { needs = root .. " && prlimit --nofile=1000000:1000000 true" })
for _, how in ipairs { "<&-", "2>&-", "<&- 2>&-" } do add("streams " .. how, "", { streams = how }) end
for _, how in ipairs { ">&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-" } do
  add("streams " .. how, "", { streams = how, silent = true })
end
add("ignored signals", "env --ignore-signal=HUP,PIPE,USR1,USR2,QUIT,INT,TERM,CHLD,ALRM")
add("blocked signals", "env --block-signal")
add("stopped and continued", "sh -c 'setsid \"$@\" & p=$!; for i in 1 2 3 4; do sleep 0.1; kill -STOP -$p; sleep 0.1; "
  .. "kill -CONT -$p; done 2>/dev/null; wait $p' sh")
add("strace", "strace -f -o /dev/null", { needs = "strace true", soak = true })
add("gdb", "gdb -q -batch -ex run --args", { needs = "gdb --version", soak = true, more = true })
add("valgrind", "valgrind -q --trace-children=no", { needs = "valgrind --version", soak = true, more = true })

local tried, bad, skipped = 0, 0, 0
local function judge(e, code, text)
  if e.silent then return code == 0 and "ok" end
  if code == 0 and text:find(e.more and "ok" or "^ok$") then return "ok" end
  if e.may and code == 0 and text:find "^told\t" then return text:match "^told\t[^\n]*" end
  -- the smoke program got a Tine error later on, and ended in good order
  if e.may == "told or error" and code == 1 and text:find "^lua5.4: " and not text:find "assertion failed" then
    return "error " .. text:match "^lua5.4: ([^\n]*)"
  end
end

for _, e in ipairs(environments) do
  local wanted = (soak or not e.soak) and (not only or e.name:find(only, 1, true))
  tried = tried + (wanted and 1 or 0)
  if wanted and e.needs and not os.execute("(" .. e.needs .. ") >/dev/null 2>&1") then
    skipped = skipped + 1
    print(("skipped  %s: needs %s"):format(e.name, e.needs))
  elseif wanted then
    local command = ("timeout -k 5 60 %s lua5.4 %s/smoke.lua %s %s"):format(e.before, here, e.words or "",
                                                                           e.streams or "")
    local code, text = shell(command)
    local good = judge(e, code, text)
    bad = bad + (good and 0 or 1)
    print(("%-8s %s%s"):format(good and "ok" or "FAIL", e.name,
      good == "ok" and "" or ": " .. (good or ("exit code %s: %s"):format(code, text:sub(-600)))))
  end
end
print(("%d tried, %d failed, %d skipped"):format(tried, bad, skipped))
os.exit(tried > 0 and bad == 0, true)
