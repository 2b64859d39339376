-- What docs/machines.md shows for systemd, Slurm and Kubernetes is read by those that know the syntax, where these are.
local shell = require "spec.support.shell"

local root = os.getenv "TINE_SOURCE_DIR" or "."

-- The code block of the page that has this text.
local function block(text)
  local page = shell.contents(root .. "/docs/machines.md")
  for code in page:gmatch "```%l+\n(.-)```" do
    if code:find(text, 1, true) then return code end
  end
  error("no block has " .. text)
end

local function written(text, name)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  finally(function() os.execute("rm -r " .. folder) end)
  return path
end

local function has(program) return shell.run("command -v " .. program).code == 0 end

-- The options that a command line has are options of tine serve.
local function check_options(text)
  local help = shell.run(os.getenv "TINE_PROGRAM" .. " serve --help").out
  local n = 0
  for option in text:match("serve.*"):gmatch "%-%-[%l-]+" do
    assert(help:find(option, 1, true), option)
    n = n + 1
  end
  assert.is_true(n > 0)
end

describe("the launchers of docs/machines.md", function()
  it("have a unit that systemd reads", function()
    local unit = block "[Unit]"
    check_options(unit:match "ExecStart=[^\n]+")
    if not has "systemd-analyze" then return pending "systemd-analyze is not there" end
    local here = unit:gsub("/usr/bin/tine", "/bin/true"):gsub("User=[^\n]*\n", "")
    local s = shell.run("systemd-analyze verify " .. written(here, "tine.service"))
    assert.is_nil((s.out .. s.err):find "tine.service:%d+:", s.out .. s.err)
    assert.is_nil((s.out .. s.err):find("nknown", 1, true), s.out .. s.err)
  end)

  it("have a script for Slurm that a shell reads", function()
    local script = block "#SBATCH"
    check_options(script:match "srun.*")
    assert.equal("", shell.run("sh -n " .. written(script, "job.sh")).err)
    for line in script:gmatch "#SBATCH ([^\n]+)" do assert.matches("^%-%-[%l-]+=%d+ ?", line) end
  end)

  it("have a deployment for Kubernetes", function()
    local text = block "kind: Deployment"
    for line in text:gmatch "[^\n]+" do
      local indent, rest = line:match "^( *)(.*)$"
      assert(#indent % 2 == 0 and not line:find "\t" and rest:find "^%-? ?[%a][%w]*:", line)
    end
    check_options(text:match "exec tine (serve [^\"]*)")
    -- as the files of a secret are for others than root; a key for a group is refused
    assert.matches("umask 077; cp ", text, 1, true)
    local python = has "python3" and shell.run "python3 -c 'import yaml'".code == 0
    if not python then return pending "no reader of YAML is there" end
    local s = shell.run(("python3 -c 'import sys, yaml; d = yaml.safe_load(open(sys.argv[1])); " ..
      "print(d[\"kind\"], d[\"spec\"][\"template\"][\"spec\"][\"containers\"][0][\"command\"][0])' %s")
      :format(written(text, "tine.yaml")))
    assert.equal("Deployment sh\n", s.out, s.err)
  end)
end)
