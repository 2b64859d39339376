// How long tasks took: a histogram over a logarithmic axis, by how they ended, with the percentiles as lines.
function svg(name, attributes, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

const BINS = 60, SPREAD = { width: 1000, height: 210, left: 8, right: 8, top: 34, bottom: 26 };

function binsOf(members) {
  const low = Math.max(Math.min(...percentOf(members, [0.001])) / 1.5, 100), high = Math.max(...percentOf(members, [1]), low * 10) * 1.2;
  const from = Math.log10(low), by = (Math.log10(high) - from) / BINS;
  const bins = Array.from({ length: BINS }, () => new Map());
  for (const i of members) {
    const k = Math.min(BINS - 1, Math.max(0, Math.floor((Math.log10(Math.max(tasks.dur[i], 1)) - from) / by)));
    const how = hows[tasks.how[i]];
    bins[k].set(how, (bins[k].get(how) ?? 0) + 1);
  }
  return { bins, from, by };
}

function percentOf(members, parts) {
  const list = Float64Array.from(members, (i) => tasks.dur[i]).sort();
  return parts.map((p) => list[Math.max(0, Math.ceil(p * list.length) - 1)]);
}

function decades(from, to) {
  const list = [];
  for (let d = Math.ceil(from); d <= to; d++) list.push(d);
  return list;
}

function drawSpread() {
  const members = [];
  for (let i = 0; i < count; i++) if (ran(i)) members.push(i);
  const place = document.getElementById("spread");
  place.replaceChildren();
  if (!members.length) return place.append(Object.assign(document.createElement("p"), { className: "none", textContent: "No task has run." }));
  const { bins, from, by } = binsOf(members), { width: w, height: h, left, right, top, bottom } = SPREAD;
  const most = Math.max(...bins.map((b) => [...b.values()].reduce((a, n) => a + n, 0)));
  const step = (w - left - right) / BINS, tall = h - top - bottom, x = (ns) => left + (Math.log10(ns) - from) / by * step;
  const root = svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "Histogram of run times; the table below has the figures" });
  for (const d of decades(from, from + BINS * by)) {
    root.append(svg("line", { x1: x(10 ** d), x2: x(10 ** d), y1: top, y2: h - bottom, stroke: theme.line }),
      svg("text", { x: x(10 ** d), y: h - 8, "text-anchor": "middle" }, duration(10 ** d).replace(/\.0+ /, " ")));
  }
  bins.forEach((bin, k) => {
    let y = h - bottom;
    for (const how of hows.filter((o) => bin.has(o))) {
      const n = bin.get(how), size = Math.max(tall * n / most, 1);
      y -= size;
      root.append(svg("rect", { x: left + k * step + 0.6, y, width: step - 1.2, height: size, rx: 1, fill: howColour(how) },
        svg("title", {}, `${whole(n)} ${how}, ${duration(10 ** (from + k * by))} to ${duration(10 ** (from + (k + 1) * by))}`)));
    }
  });
  percentOf(members, [0.5, 0.9, 0.99]).forEach((ns, k) => {
    const at = x(Math.max(ns, 1));
    root.append(svg("line", { x1: at, x2: at, y1: top - 6, y2: h - bottom, stroke: theme.ink, "stroke-dasharray": "3 3", opacity: 0.6 }),
      svg("text", { x: at + 4, y: 12 + (k % 2) * 14 }, `p${[50, 90, 99][k]} ${duration(ns)}`));
  });
  root.append(svg("line", { x1: left, x2: w - right, y1: h - bottom, y2: h - bottom, stroke: theme.faint }));
  place.append(root);
}
themed.push(drawSpread);
