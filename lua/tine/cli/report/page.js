// The page: what its parts do when somebody uses them.
const byId = (id) => document.getElementById(id);

// --- the top ---

function fillHead() {
  const all = spread(Array.from({ length: count }, (_, i) => i).filter(ran).map((i) => tasks.dur[i]));
  const bad = byFunction.reduce((n, g) => n + g.failed, 0), busy = workers.reduce((t, r) => t + r.busy, 0);
  byId("subtitle").append(`${trace.program}, ${whole(workers.length)} worker${workers.length === 1 ? "" : "s"}`);
  if (trace.cut) byId("subtitle").append(" · ", element("b", {}, "cut off: the program was killed, or runs still"));
  const cards = [
    ["duration", duration(trace.length)], ["tasks", whole(count)], ["failed", whole(bad), bad ? "bad" : undefined],
    ["of workers' time busy", workers.length && trace.length ? share(busy / (workers.length * span)) : "–"],
    ["tasks a second", trace.length ? whole(Math.round(count / (span / 1e9))) : "–"],
    ["median", isNaN(all.p50) ? "–" : duration(all.p50)], ["99 % within", isNaN(all.p99) ? "–" : duration(all.p99)],
  ];
  byId("cards").replaceChildren(...cards.map(([name, value, kind]) =>
    element("div", { class: kind }, element("dt", {}, name), element("dd", {}, value))));
  canvas.setAttribute("aria-label", `Timeline of ${whole(count)} tasks on ${whole(workers.length)} workers, ${duration(trace.length)}; ` +
    `${whole(bad)} failed. The tables below have the same figures.`);
}

function fillLegend() {
  const entries = view.colour === "name"
    ? byFunction.slice(0, 12).map((g) => [g.key, nameColour(g.name)])
    : [];
  const used = new Set(tasks.how);
  hows.forEach((how, k) => {
    if (used.has(k) && (view.colour === "how" || how !== "finished")) entries.push([how, howColour(how)]);
  });
  byId("legend").replaceChildren(...entries.map(([name, colour]) =>
    element("li", {}, element("i", { style: "background:" + colour, "aria-hidden": "true" }), name)));
}
themed.push(fillLegend);

// --- one task ---

function describe(i) {
  const facts = [rows[tasks.row[i]].name, ran(i) ? duration(tasks.dur[i]) : "never ran", hows[tasks.how[i]]];
  if (attempt(i) > 1) facts.push("attempt " + attempt(i));
  if (tasks.wait[i] >= 0) facts.push("waited " + duration(tasks.wait[i]));
  facts.push("at " + duration(tasks.start[i]));
  return facts.join(" · ");
}

function choose(i) {
  view.chosen = i;
  const details = byId("details");
  details.replaceChildren();
  if (i >= 0) {
    details.append(element("b", {}, label(i)), element("div", {}, describe(i)));
    if (errorOf(i)) details.append(element("pre", {}, errorOf(i)));
    const y = rows[tasks.row[i]].y, seen = height - HEAD;
    if (y < scroller.scrollTop || y + ROW > scroller.scrollTop + seen) scroller.scrollTop = y - seen / 2;
    if (tasks.end[i] < view.from || tasks.start[i] > view.to) {
      const half = (view.to - view.from) / 2;
      show(tasks.start[i] - half, tasks.start[i] + half);
    }
  }
  redraw();
}

function hover(e, i) {
  tip.hidden = i < 0;
  if (i < 0) return;
  tip.replaceChildren(element("b", {}, label(i)), element("span", {}, describe(i)));
  if (errorOf(i)) tip.append(element("em", {}, errorOf(i).split("\n")[0]));
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(e.clientX + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = (e.clientY + 18 + box.height > innerHeight ? e.clientY - box.height - 12 : e.clientY + 18) + "px";
}

// --- the pointer ---

let drag = null;
canvas.addEventListener("pointerdown", (e) => {
  drag = { x: e.offsetX, from: view.from, to: view.to, moved: false };
  canvas.setPointerCapture(e.pointerId);
});
canvas.addEventListener("pointermove", (e) => {
  if (!drag) return hover(e, taskAt(e.offsetX, e.offsetY));
  if (Math.abs(e.offsetX - drag.x) > 3) drag.moved = true;
  if (!drag.moved) return;
  canvas.classList.add("drag");
  tip.hidden = true;
  const by = (drag.x - e.offsetX) * (drag.to - drag.from) / (width - GUTTER);
  show(drag.from + by, drag.to + by);
});
canvas.addEventListener("pointerup", (e) => {
  if (drag && !drag.moved) choose(taskAt(e.offsetX, e.offsetY));
  drag = null;
  canvas.classList.remove("drag");
});
canvas.addEventListener("pointercancel", () => { drag = null; });
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("dblclick", (e) => {
  const i = taskAt(e.offsetX, e.offsetY);
  if (i >= 0) zoomTo(i); else zoom(0.4, timeOf(e.offsetX));
});
canvas.addEventListener("wheel", (e) => {
  const sideways = e.shiftKey ? e.deltaY || e.deltaX : e.deltaX;
  if (e.ctrlKey || e.metaKey) zoom(Math.exp(Math.max(-0.6, Math.min(0.6, e.deltaY * 0.004))), timeOf(e.offsetX));
  else if (Math.abs(sideways) > Math.abs(e.shiftKey ? 0 : e.deltaY)) move(sideways / (width - GUTTER));
  else return;
  e.preventDefault();
}, { passive: false });
scroller.addEventListener("scroll", redraw);

const brush = (e) => {
  const t = (e.offsetX - GUTTER) / (overview.clientWidth - GUTTER) * (span + 2 * MARGIN) - MARGIN;
  const half = (view.to - view.from) / 2;
  show(t - half, t + half);
};
overview.addEventListener("pointerdown", (e) => { overview.setPointerCapture(e.pointerId); brush(e); });
overview.addEventListener("pointermove", (e) => { if (e.buttons) brush(e); });

// --- keys ---

// To the task of the next row that has one near this time.
function otherRow(by) {
  const i = view.chosen, t = i < 0 ? (view.from + view.to) / 2 : tasks.start[i];
  for (let r = (i < 0 ? (by > 0 ? -1 : rows.length) : tasks.row[i]) + by; r >= 0 && r < rows.length; r += by) {
    const lane = rows[r].lanes[0];
    if (lane) return choose(lane.tasks[Math.max(0, after(lane.start, t) - 1)]);
  }
}

const KEYS = {
  ArrowLeft: () => move(-0.15), ArrowRight: () => move(0.15), a: () => move(-0.15), d: () => move(0.15),
  ArrowUp: () => otherRow(-1), ArrowDown: () => otherRow(1),
  "+": () => zoom(0.7), "=": () => zoom(0.7), w: () => zoom(0.7), "-": () => zoom(1 / 0.7), s: () => zoom(1 / 0.7),
  0: fit, Home: fit, n: () => choose(step(1)), N: () => choose(step(-1)),
  Enter: () => { if (view.chosen >= 0) zoomTo(view.chosen); }, Escape: () => choose(-1),
};
canvas.addEventListener("keydown", (e) => {
  const f = !e.ctrlKey && !e.metaKey && !e.altKey && KEYS[e.key];
  if (!f) return;
  e.preventDefault();
  f();
});
addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.ctrlKey || e.metaKey || e.target.matches("input")) return;
  e.preventDefault();
  byId("query").focus();
});

// --- what stands above ---

function searched() {
  search(byId("query").value);
  byId("matches").textContent = view.query ? `${whole(view.found)} found` : "";
  byId("next").disabled = byId("previous").disabled = !view.found;
}
byId("query").addEventListener("input", searched);
byId("query").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && view.found) choose(step(e.shiftKey ? -1 : 1));
});
byId("next").addEventListener("click", () => choose(step(1)));
byId("previous").addEventListener("click", () => choose(step(-1)));
byId("in").addEventListener("click", () => zoom(0.6));
byId("out").addEventListener("click", () => zoom(1 / 0.6));
byId("fit").addEventListener("click", fit);
for (const input of document.querySelectorAll("input[name=colour]")) {
  input.addEventListener("change", () => { view.colour = input.value; fillLegend(); redraw(); });
}

// --- go ---

byId("spacer").style.height = "0px";
function layOut() {
  byId("spacer").style.height = "0px";
  height = Math.min(CONTENT, Math.max(Math.min(innerHeight * 0.72, 900), HEAD + 60));
  canvas.style.height = height + "px";
  byId("spacer").style.height = Math.max(CONTENT - height, 0) + "px";
  width = canvas.clientWidth;
  redraw();
}
addEventListener("resize", layOut);
fillHead();
fillLegend();
drawSpread();
fillTables();
searched();
layOut();
fit();
