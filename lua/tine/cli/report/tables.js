// Tables: what the pictures show, for eyes, keyboards and screen readers.
function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined) e.setAttribute(k, v);
  e.append(...children);
  return e;
}
const dot = (colour) => element("i", { class: "dot", style: "background:" + colour, "aria-hidden": "true" });

// A task by its label; shows it in the timeline.
function link(i) {
  const b = element("button", { class: "link", type: "button", title: "Show it in the timeline" }, label(i));
  b.addEventListener("click", () => {
    choose(i);
    zoomTo(i);
    canvas.scrollIntoView({ block: "center" });
    canvas.focus({ preventScroll: true });
  });
  return b;
}

// columns: { name, text (aligned left), of(row) -> node or text, by(row) -> what it is sorted by }
function table(caption, columns, list) {
  const body = element("tbody"), heads = columns.map((column) => {
    const th = element("th", { scope: "col", class: column.text ? "text" : undefined });
    if (!column.by) return th.append(column.name), th;
    const b = element("button", { type: "button" }, column.name);
    th.append(b);
    b.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") !== "descending";
      for (const h of heads) h.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const by = (a, b) => { const x = column.by(a), y = column.by(b); return x < y ? -1 : x > y ? 1 : 0; };
      fill([...list].sort((a, b) => down ? by(b, a) : by(a, b)));
    });
    return th;
  });
  function fill(rows) {
    body.replaceChildren(...rows.map((row) => element("tr", {}, ...columns.map((column, k) =>
      element(k ? "td" : "th", { class: column.text ? "text" : undefined, scope: k ? undefined : "row" }, column.of(row) ?? "")))));
  }
  fill(list);
  return element("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": caption },
    element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...heads)), body));
}

let sections = 0;
function section(title, ...content) {
  const id = "section-" + ++sections;
  return element("section", { "aria-labelledby": id }, element("h2", { id }, title), ...content);
}
const none = (text) => element("p", { class: "none" }, text);

// --- which ---

const time = (name, of) => ({ name, of: (g) => isNaN(of(g)) ? "–" : duration(of(g)), by: (g) => of(g) || 0 });
const number = (name, of) => ({ name, of: (g) => whole(of(g)), by: of });

function functions() {
  const columns = [
    { name: "Function", text: true, by: (g) => g.key, of: (g) => { const s = element("span", {}, dot(nameColour(g.name)), g.key); return s; } },
    number("Tasks", (g) => g.list.length), number("Failed", (g) => g.failed),
    time("Total", (g) => g.run.total), time("Mean", (g) => g.run.mean), time("p50", (g) => g.run.p50), time("p90", (g) => g.run.p90),
    time("p99", (g) => g.run.p99), time("Longest", (g) => g.run.max), time("Wait p50", (g) => g.waited.p50), time("Wait p99", (g) => g.waited.p99),
  ];
  return section("Functions", table("Run times and waiting times of each function" + more(byFunction.length, 200), columns, byFunction.slice(0, 200)));
}

function workerTable() {
  const bar = (x) => element("span", {}, share(x), element("span", { class: "meter", "aria-hidden": "true" }, element("i", { style: `width:${100 * Math.min(x, 1)}%` })));
  const columns = [
    { name: "Worker", text: true, of: (r) => r.name, by: (r) => r.number }, number("Tasks", (r) => r.tasks),
    { name: "Busy", of: (r) => bar(r.busy / span), by: (r) => r.busy }, number("Processes", (r) => Math.max(r.starts.length, r.tasks ? 1 : 0)),
    number("Crashes", (r) => r.marks.filter((m) => /crash/.test(m.name)).length),
  ];
  return section("Workers", workers.length ? table("What each worker did" + more(workers.length, 500), columns, workers.slice(0, 500)) : none("There were none."));
}

const more = (n, most) => n > most ? ` (the first ${whole(most)} of ${whole(n)})` : "";
const taskColumn = { name: "Task", text: true, of: (i) => link(i), by: (i) => label(i) };
const howColumn = { name: "Ended", text: true, by: (i) => hows[tasks.how[i]], of: (i) => element("span", {}, dot(howColour(hows[tasks.how[i]])), hows[tasks.how[i]]) };

function slowest() {
  const list = [];
  for (let i = 0; i < count; i++) if (ran(i)) list.push(i);
  list.sort((a, b) => tasks.dur[b] - tasks.dur[a]);
  const columns = [
    taskColumn, time("Took", (i) => tasks.dur[i]), time("Waited", (i) => tasks.wait[i] < 0 ? NaN : tasks.wait[i]), time("Began at", (i) => tasks.start[i]),
    { name: "Where", text: true, of: (i) => rows[tasks.row[i]].name, by: (i) => tasks.row[i] }, howColumn,
  ];
  return section("Slowest tasks", list.length ? table("The tasks that took longest" + more(list.length, 25), columns, list.slice(0, 25)) : none("No task has run."));
}

function failures() {
  const list = [];
  for (let i = 0; i < count; i++) if (failed(i)) list.push(i);
  const columns = [
    taskColumn, howColumn, number("Attempt", attempt), time("Took", (i) => tasks.dur[i]), time("At", (i) => tasks.end[i]),
    { name: "Where", text: true, of: (i) => rows[tasks.row[i]].name, by: (i) => tasks.row[i] },
    { name: "Error", text: true, by: (i) => errorOf(i) ?? "", of: (i) => element("pre", {}, errorOf(i) ?? "") },
  ];
  return section("Failed tasks", list.length ? table("Attempts that failed, in order" + more(list.length, 500), columns, list.slice(0, 500)) : none("No task has failed."));
}

function fillTables() {
  document.getElementById("tables").replaceChildren(functions(), workerTable(), slowest(), failures());
}
themed.push(fillTables);
