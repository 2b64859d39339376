-- A real browser, headless: Debian's chromium by its chromium-driver (W3C WebDriver).
--
--   local browser = require "spec.support.browser"
--   if not browser.there() then ... end
--   local b = browser.open { width = 1400, height = 900, dark = true }
--   b:go "/tmp/page.html"
--   b:run "return document.title"          -- a script's value
--   b:screenshot "/tmp/page.png"
--   b:close()
local json = require "dkjson"
local eventually = require "spec.support.eventually"
local shell = require "spec.support.shell"

local M = {}
local Browser = {}
Browser.__index = Browser

local STARTS <const> = 60 -- seconds

function M.there()
  return os.execute "command -v chromedriver >/dev/null && command -v chromium >/dev/null && command -v curl >/dev/null"
    == true
end

local function encode(value)
  if type(value) == "string" then
    return '"' .. value:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if #value > 0 or next(value) == nil then
    for i, v in ipairs(value) do parts[i] = encode(v) end
    return value.object and "{}" or "[" .. table.concat(parts, ",") .. "]"
  end
  for k, v in pairs(value) do parts[#parts + 1] = encode(k) .. ":" .. encode(v) end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- One command of the driver; its value.
function Browser:call(method, path, body)
  local command = ("curl -s --max-time 120 -X %s http://127.0.0.1:%d%s"):format(method, self.port, path)
  if body then
    local file = assert(io.open(self.folder .. "/body", "w"))
    file:write(encode(body))
    file:close()
    command = command .. " -H 'Content-Type: application/json' --data-binary @" .. self.folder .. "/body"
  end
  local text = shell.run(command).out
  local answer = json.decode(text)
  if not answer then return nil, text end
  local value = answer.value
  if type(value) == "table" and value.error then error(value.error .. ": " .. tostring(value.message), 0) end
  return value
end

local function free_port() return 20000 + (os.time() * 7 + math.random(0, 9999)) % 30000 end

function M.open(how)
  local self = setmetatable({ port = free_port(), folder = os.tmpname() }, Browser)
  os.remove(self.folder)
  shell.ok("mkdir %s", self.folder)
  local pipe <close> = assert(io.popen(("HOME=%s chromedriver --port=%d >%s/log 2>&1 & echo $!"):format(
    self.folder, self.port, self.folder)))
  self.driver = pipe:read "n"
  eventually(function() return (self:call("GET", "/status") or {}).ready end, "the driver", STARTS)
  local arguments = { "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                      ("--window-size=%d,%d"):format(how.width or 1400, how.height or 900),
                      "--user-data-dir=" .. self.folder .. "/profile" }
  if how.dark then arguments[#arguments + 1] = "--blink-settings=preferredColorScheme=0" end
  local session = self:call("POST", "/session", { capabilities = { alwaysMatch = {
    browserName = "chrome", ["goog:chromeOptions"] = { args = arguments },
    ["goog:loggingPrefs"] = { browser = "ALL" } } } })
  self.session = "/session/" .. session.sessionId
  return self
end

function Browser:go(file)
  self:call("POST", self.session .. "/url", { url = file:find "^%w+:" and file or "file://" .. file })
end

function Browser:run(script)
  return self:call("POST", self.session .. "/execute/sync", { script = script, args = {} })
end

-- A script that calls its last argument with its value.
function Browser:run_async(script)
  return self:call("POST", self.session .. "/execute/async", { script = script, args = {} })
end

-- Keys as text, to what has the focus.
function Browser:keys(text)
  local actions = {}
  for _, code in utf8.codes(text) do
    for _, kind in ipairs { "keyDown", "keyUp" } do actions[#actions + 1] = { type = kind, value = utf8.char(code) } end
  end
  self:call("POST", self.session .. "/actions", { actions = { { type = "key", id = "keys", actions = actions } } })
end

-- What it has complained about: scripts that failed, files that it wanted.
function Browser:complaints()
  local list = {}
  for _, entry in ipairs(self:call("POST", self.session .. "/se/log", { type = "browser" }) or {}) do
    list[#list + 1] = entry.message
  end
  return list
end

function Browser:screenshot(file)
  local text = self:call("GET", self.session .. "/screenshot")
  local pipe = assert(io.popen("base64 -d >" .. file, "w"))
  pipe:write(text)
  pipe:close()
end

function Browser:close()
  pcall(self.call, self, "DELETE", self.session or "")
  shell.run("kill " .. self.driver)
  eventually(function() return shell.run("kill -0 " .. self.driver .. " 2>/dev/null").code ~= 0 end, "its end", STARTS)
  shell.run("rm -rf " .. self.folder)
end

return M
