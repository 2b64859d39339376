-- Every example in the documents runs, and prints what the page says.
-- timeout: 180
local markdown = require "spec.support.markdown"
local shell = require "spec.support.shell"
local quote = shell.quote

local root = os.getenv "TINE_SOURCE_DIR" or "."

local function lines_of(command)
  local pipe, list = assert(io.popen(command)), {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function exists(path)
  local file <close> = io.open(root .. "/" .. path)
  return file ~= nil
end

local interpreter = lines_of "readlink /proc/$PPID/exe"[1]

local function compare(expected, got, where)
  if not markdown.matches(expected, got.out) or got.code ~= 0 then
    error(("%s\n--- expected\n%s\n--- printed\n%s\n--- stderr, exit code %d\n%s"):format(where, expected, got.out,
      got.code, got.err), 2)
  end
end

local function run_program(folder, block, following, where)
  markdown.write(folder, "example.lua", block.text)
  local got = markdown.run(folder, "timeout 20 " .. quote(interpreter) .. " example.lua")
  compare(markdown.expected(block, following), got, where)
end

local function run_session(folder, block, where)
  for _, part in ipairs(markdown.session(block.text)) do
    local command = part.command:gsub("^scripts/run", "tine") -- that one would set up and build first
    local got = markdown.run(folder, ("PATH=%s/bin:$PATH; { %s\n} 2>&1"):format(quote(os.getenv "TINE_TREE"),
      command))
    got.code = 0 -- the page shows it where it matters
    compare(part.expected, got, where .. ": " .. part.command)
  end
end

local pages = lines_of("ls " .. quote(root) .. "/docs/*.md")
pages[#pages + 1] = root .. "/README.md"
pages[#pages + 1] = root .. "/examples/recipes/README.md"

for _, page in ipairs(pages) do
  local name = page:sub(#root + 2)
  describe("the page " .. name, function()
    local folder = os.tmpname()
    setup(function()
      os.remove(folder)
      assert(os.execute("mkdir " .. folder))
    end)
    teardown(function() os.execute("rm -r " .. folder) end)

    local blocks = markdown.blocks(page)
    for i, block in ipairs(blocks) do
      local where = ("%s:%d"):format(name, block.line)
      local file = block.info:match "^lua file=(%S+)$"
      if file then
        it("has a file at line " .. block.line, function()
          assert(load(block.text, "@" .. where))
          markdown.write(folder, file, block.text)
        end)
      elseif block.info == "lua" then
        it("has an example at line " .. block.line, function() run_program(folder, block, blocks[i + 1], where) end)
      elseif block.info == "console" then
        it("has a session at line " .. block.line, function() run_session(folder, block, where) end)
      elseif block.info:find "^lua" then
        it("says why the example at line " .. block.line .. " is not run", function()
          assert.matches("^lua no%-run: %S+ %S+", block.info)
        end)
      end
    end
  end)
end

describe("the documents", function()
  local function contents(page)
    return shell.contents(("%s/docs/%s.md"):format(root, page))
  end

  it("say something about every function and option", function()
    local tine = require "tine"
    local futures, pools = contents "future", contents "pool"
    local missing = {}
    local function need(text, what)
      if not text:find(what, 1, true) then missing[#missing + 1] = what end
    end
    for method in pairs(debug.getmetatable(tine.future()).__index) do need(futures, "future:" .. method .. "(") end
    local pool <close> = tine.pool(1)
    for method in pairs(debug.getmetatable(pool).__index) do need(pools, "pool:" .. method) end
    local all = table.concat { pools, futures, contents "wait", contents "errors", contents "travel",
                               contents "writing_tasks", contents "data" }
    for field in pairs(tine) do
      if not field:find "^_" then need(all .. "tine.worker", "tine." .. field) end
    end
    for _, option in ipairs { "workers", "initializer", "initargs", "max_tasks_per_worker", "task_timeout",
                              "start_method", "preload", "on_crash", "globals", "max_pending", "on_callback_error",
                              "spin", "name" } do
      need(pools, "| `" .. option .. "`")
    end
    assert.same({}, missing)
  end)

  it("name no function that there is not", function()
    local tine = require "tine"
    local pool <close> = tine.pool(1)
    local objects = {
      pool = debug.getmetatable(pool).__index,
      future = debug.getmetatable(tine.future()).__index,
      iterator = debug.getmetatable(pool:map(math.abs, {})).__index,
    }
    for _, page in ipairs(pages) do
      local text = shell.contents(page):gsub("```.-```", "")
      for object, method in text:gmatch "%f[%w](%a+):([%a_]+)" do
        local methods = objects[object]
        assert(not methods or methods[method], ("%s names %s:%s"):format(page, object, method))
      end
      for field in text:gmatch "%f[%w]tine%.([%a_]+)" do
        local known = tine[field] ~= nil or field == "worker" or field == "h" or field == "bash" or field == "lua"
          or package.searchpath("tine." .. field, package.path)
        assert(known, ("%s names tine.%s"):format(page, field))
      end
    end
  end)

  it("name files of the source that exist", function()
    for _, page in ipairs(pages) do
      for text in shell.contents(page):gmatch "`([^`\n]+)`" do
        local path = text:match "^(%a+/[%w_./-]*)$"
        local top = path and path:match "^%a+"
        if top and top ~= "build" and exists(top) then assert(exists(path), page .. " names " .. path) end
      end
    end
  end)

  it("tour all folders of the source, by files that they have", function()
    local toured = {}
    for line in io.lines(root .. "/README.md") do
      local folder, files = line:match "^|[^|]*| `(%a+/%a+)` |[^|]*|(.*)|$"
      if folder then
        toured[folder] = true
        assert(files:find "`", folder)
        for file in files:gmatch "`([^`]+)`" do
          assert(exists(folder .. "/" .. file), folder .. "/" .. file)
        end
      end
    end
    for _, folder in ipairs(lines_of(("cd %s && ls -d src/*"):format(quote(root)))) do
      assert(toured[folder], folder .. " is not on the tour")
    end
  end)

  it("link to pages that exist", function()
    for _, page in ipairs(pages) do
      local folder = page:match "^(.*)/"
      for target in shell.contents(page):gmatch "%]%(([^)]+)%)" do
        local path = not target:find "://" and target:match "^[^#]+"
        local file = not path or io.open(folder .. "/" .. path)
        assert(file, page .. " links to " .. target)
      end
    end
  end)
end)
