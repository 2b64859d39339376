-- The page of tine report, and a trace itself, in a real browser: Debian's chromium and chromium-driver.
-- timeout: 600
-- labels: soak
local browser = require "spec.support.browser"
local shell = require "spec.support.shell"
local tine = require "tine"

local TINE = shell.quote(os.getenv "TINE_PROGRAM")

describe("in a browser", function()
  if not browser.there() then
    return it("", function() pending "chromium, chromium-driver or curl is not installed" end)
  end
  local folder, b

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    shell.ok("mkdir %s", folder)
  end)
  teardown(function() shell.run("rm -rf " .. folder) end)
  before_each(function() b = nil end)
  after_each(function()
    if b then b:close() end
  end)

  -- The page of a trace that `f` makes with a pool.
  local function page(name, f)
    do
      local pool <close> = tine.pool { workers = 4, on_crash = "replace", trace = ("%s/%s.json"):format(folder, name) }
      f(pool)
    end
    shell.ok("%s report %s/%s.json -o %s/%s.html", TINE, folder, name, folder, name)
    return ("%s/%s.html"):format(folder, name)
  end

  local function small(pool)
    local function square(x) return x * x end
    for _ in pool:map(square, { 1, 2, 3, 4, 5, 6 }) do end -- luacheck: ignore
    pool:with { label = "broken one" }:submit(error, "no such thing"):pcall()
    pool:with { label = "crash" }:submit(os.exit, 7):pcall()
  end

  for _, dark in ipairs { false, true } do
    it(("the page is drawn, %s, and asks for nothing"):format(dark and "dark" or "light"), function()
      local file = page(dark and "dark" or "light", small)
      b = browser.open { width = 1400, height = 1000, dark = dark }
      b:go(file)
      assert.equal((dark and "dark" or "light") .. ".json · Tine", b:run "return document.title")
      assert.equal(8, b:run "return count")
      assert.is_true(b:run [[
        const c = document.getElementById("timeline");
        const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        const seen = new Set();
        for (let i = 0; i < p.length; i += 4) seen.add(p[i] << 16 | p[i + 1] << 8 | p[i + 2]);
        return c.width > 1000 && seen.size > 8]])
      assert.equal(dark, b:run 'return matchMedia("(prefers-color-scheme: dark)").matches')
      assert.same(0, b:run 'return performance.getEntriesByType("resource").length')
      assert.same({}, b:complaints())
      b:screenshot(("%s/%s.png"):format(folder, dark and "dark" or "light"))
    end)
  end

  it("the page is used by keyboard", function()
    b = browser.open { width = 1400, height = 1000 }
    b:go(page("keys", small))
    b:keys "/broken"
    assert.equal("1 found", b:run 'return document.getElementById("matches").textContent')
    b:run 'document.getElementById("timeline").focus()'
    b:keys "n"
    assert.truthy(b:run('return document.getElementById("details").textContent'):find "broken one.*no such thing")
    local before = b:run "return view.to - view.from"
    b:keys "+\u{e014}" -- arrow right
    assert.is_true(b:run "return view.to - view.from" < before)
    b:keys "0"
    assert.is_true(b:run "return view.to - view.from" >= before)
  end)

  it("the tables have captions, heads and names, and are sorted", function()
    b = browser.open { width = 1400, height = 1000 }
    b:go(page("tables", small))
    assert.same({ 4, true }, b:run [[
      const tables = [...document.querySelectorAll("table")];
      const rows = (t) => [...t.querySelectorAll("tbody tr")];
      return [tables.length, tables.every((t) => t.caption.textContent && rows(t).length
        && t.querySelectorAll("thead th[scope=col]").length > 2 && rows(t).every((r) => r.cells[0].textContent))] ]])
    assert.equal("descending", b:run [[
      const th = document.querySelector("thead th:nth-child(2)");
      th.querySelector("button").click();
      return th.getAttribute("aria-sort")]])
    assert.equal(0, b:run [[return [...document.querySelectorAll("button, input, [role=application]")].filter((e) =>
      !(e.textContent.trim() || e.getAttribute("aria-label") || e.closest("label"))).length]])
  end)

  it("a hundred thousand tasks are moved at 30 frames a second", function()
    b = browser.open { width = 1400, height = 1000 }
    b:go(page("large", function(pool)
      local items = {}
      for i = 1, 100000 do items[i] = i end
      local function some(x) return x end
      for _ in pool:map(some, items) do end -- luacheck: ignore
      for _ = 1, 100 do pool:submit(error, "unlucky"):pcall() end
    end))
    assert.is_true(b:run "return count" >= 100000)
    for _, part in ipairs { 1, 0.3, 0.01 } do
      local rate = b:run(([[
        const size = span * %g, began = performance.now();
        let n = 0;
        show(span / 2 - size / 2, span / 2 + size / 2);
        for (; n < 20 || performance.now() - began < 1000; n++) {
          move(n %% 2 ? 0.03 : -0.03);
          drawTimeline();
          drawOverview();
        }
        return n * 1000 / (performance.now() - began)]]):format(part))
      print(("%d tasks, %g of the time: drawn %.0f times a second"):format(100000, part, rate))
      assert.is_true(rate >= 30, ("%.1f frames a second"):format(rate))
    end
  end)

  it("a trace is what a browser reads as JSON, each event with a name and a phase", function()
    page("json", small)
    local f <close> = assert(io.open(folder .. "/raw.html", "w"))
    f:write('<script type="application/json" id="data">', shell.contents(folder .. "/json.json"), "</script>")
    f:close()
    b = browser.open { width = 800, height = 600 }
    b:go(folder .. "/raw.html")
    assert.is_true(b:run [[
      const events = JSON.parse(document.getElementById("data").textContent);
      return events.length > 8 && events.every((e) => e.ph && typeof e.name === "string" && e.pid && e.tid)]])
  end)
end)
