// The timeline: two tracks (workers that are busy, tasks that wait), an axis, and a row for each worker, on a canvas that
// is as large as what is seen of it. What is smaller than a pixel is not drawn one by one: each pixel asks the lane's sums.
const canvas = document.getElementById("timeline"), scroller = document.getElementById("scroll");
const overview = document.getElementById("overview"), tip = document.getElementById("tip");
const GUTTER = 128, AXIS = 26, TRACK = 54, HEAD = AXIS + 2 * TRACK + 8;
const ROW = rows.length > 64 ? 14 : rows.length > 24 ? 20 : 28, GAP = ROW > 16 ? 4 : 2;

let width = 0, height = 0, top_ = 0;
for (const row of rows) {
  row.y = top_;
  row.height = ROW + (row.lanes.length > 1 ? (row.lanes.length - 1) * Math.round(ROW * 0.6) : 0);
  top_ += row.height + GAP;
}
const CONTENT = HEAD + top_ + 4;

const xOf = (t) => GUTTER + (t - view.from) * (width - GUTTER) / (view.to - view.from);
const timeOf = (x) => view.from + (x - GUTTER) * (view.to - view.from) / (width - GUTTER);

function prepare(element, w, h) {
  const scale = devicePixelRatio || 1, context = element.getContext("2d");
  if (element.width !== Math.round(w * scale) || element.height !== Math.round(h * scale)) {
    element.width = Math.round(w * scale);
    element.height = Math.round(h * scale);
    element.style.height = h + "px";
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, w, h);
  context.font = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
  context.textBaseline = "middle";
  return context;
}

// --- axis and tracks ---

function ticks() {
  const about = (view.to - view.from) / Math.max((width - GUTTER) / 110, 2);
  const ten = 10 ** Math.floor(Math.log10(about)), by = [1, 2, 5, 10].find((k) => k * ten >= about) * ten;
  const list = [];
  for (let k = Math.ceil(Math.max(view.from, 0) / by); k * by <= view.to; k++) list.push(k * by);
  return { list, by };
}

function tickText(t, by) {
  const [unit, ns] = by >= 1e9 ? ["s", 1e9] : by >= 1e6 ? (t >= 1e9 ? ["s", 1e9] : ["ms", 1e6]) : by >= 1e3 ? ["ms", 1e6] : ["µs", 1e3];
  return (t / ns).toFixed(Math.max(0, Math.min(6, -Math.floor(Math.log10(by / ns) + 1e-9)))) + " " + unit;
}

function drawAxis(c) {
  const { list, by } = ticks();
  c.fillStyle = theme.line;
  for (const t of list) c.fillRect(Math.round(xOf(t)), AXIS - 6, 1, height);
  c.fillStyle = theme.card;
  c.fillRect(0, 0, width, AXIS);
  c.fillStyle = theme.soft;
  c.textAlign = "center";
  for (const t of list) if (xOf(t) > GUTTER + 24 && xOf(t) < width - 24) c.fillText(tickText(t, by), xOf(t), AXIS / 2 + 1);
}

function drawTrack(c, y, name, what, most, colour, unit) {
  const base = y + TRACK - 6, tall = TRACK - 16, step = (view.to - view.from) / (width - GUTTER);
  c.beginPath();
  for (let x = 0; x < width - GUTTER; x++) {
    const mean = what.mean(view.from + x * step, view.from + (x + 1) * step);
    c.lineTo(GUTTER + x + 0.5, base - tall * Math.min(mean / Math.max(most, 1), 1));
  }
  c.strokeStyle = c.fillStyle = colour;
  c.lineWidth = 1.2;
  c.stroke();
  c.lineTo(width, base);
  c.lineTo(GUTTER, base);
  c.globalAlpha = 0.22;
  c.fill();
  c.globalAlpha = 1;
  c.fillStyle = theme.card;
  c.fillRect(0, y, GUTTER, TRACK);
  c.textAlign = "left";
  c.fillStyle = theme.ink;
  c.fillText(name, 12, y + TRACK / 2 - 6);
  c.fillStyle = theme.faint;
  c.fillText("of " + whole(most) + unit, 12, y + TRACK / 2 + 10);
}

// --- rows ---

// One that is wide enough to be seen by itself.
function drawTask(c, i, x0, x1, y, h) {
  const x = Math.max(x0, GUTTER - 2), w = Math.max(Math.min(x1, width + 2) - x, 1);
  const dim = view.query && !found[i];
  c.globalAlpha = dim ? 0.18 : 1;
  c.fillStyle = colourOf(i);
  const gap = w > 3 ? 0.7 : 0;
  if (w > 6 && h > 10) {
    c.beginPath();
    c.roundRect(x, y, w - gap, h, 3);
    c.fill();
  } else {
    c.fillRect(x, y, w - gap, h);
  }
  if (tasks.how[i] !== FINISHED && view.colour === "name") {
    c.fillStyle = howColour(hows[tasks.how[i]]);
    c.fillRect(x, y + h - Math.max(3, h / 5), w - gap, Math.max(3, h / 5));
  }
  if (w > 44 && h > 13) {
    const text = label(i), fits = Math.floor((w - 12) / 6.6);
    c.fillStyle = theme.text;
    c.textAlign = "left";
    c.fillText(text.length > fits ? text.slice(0, Math.max(fits - 1, 1)) + "…" : text, x + 6, y + h / 2 + 0.5);
  }
  c.globalAlpha = 1;
}

// Tasks [k, to) of the lane that lie in one pixel.
function drawPixel(c, lane, k, to, x, y, h, step) {
  const bad = lane.failed[to] - lane.failed[k], hit = lane.found[to] - lane.found[k];
  const cover = Math.min((lane.busy[to] - lane.busy[k]) / step, 1);
  c.globalAlpha = view.query && !hit ? 0.12 : 0.35 + 0.65 * cover;
  const some = lane.tasks[(k + to) >> 1];
  c.fillStyle = view.colour === "how" && bad ? theme.hows.error : colourOf(some);
  c.fillRect(x, y, 1, h);
  if (bad && view.colour === "name") {
    c.globalAlpha = view.query && !hit ? 0.12 : 1;
    c.fillStyle = theme.hows.error;
    c.fillRect(x, y + h - Math.max(3, h / 5), 1, Math.max(3, h / 5));
  }
}

function drawLane(c, lane, y, h) {
  const n = lane.tasks.length, step = (view.to - view.from) / (width - GUTTER);
  let k = after(lane.end, view.from);
  while (k < n && lane.start[k] <= view.to) {
    const x0 = xOf(lane.start[k]), x1 = xOf(lane.end[k]);
    if (x1 - x0 >= 1.5) {
      drawTask(c, lane.tasks[k], x0, x1, y, h);
      k++;
    } else {
      const x = Math.floor(x0), to = after(lane.start, timeOf(x + 1), k + 1);
      drawPixel(c, lane, k, to, x, y, h, step);
      k = Math.max(to, k + 1);
    }
  }
  c.globalAlpha = 1;
}

function drawStarts(c, row, y) {
  c.globalAlpha = 0.5;
  c.fillStyle = theme.faint;
  for (const s of row.starts) {
    const x0 = Math.max(xOf(s.at), GUTTER), x1 = Math.min(xOf(s.at + s.dur), width);
    if (x1 > x0) c.fillRect(x0, y + ROW / 2 - 1, Math.max(x1 - x0, 1), 2);
  }
  c.globalAlpha = 1;
}

// Workers that ended: a crash is to be seen.
function drawMarks(c, row, y) {
  for (const m of row.marks) {
    const x = xOf(m.at), crash = /crash|killed|stopped/.test(m.name);
    if (x < GUTTER || x > width) continue;
    c.fillStyle = crash ? theme.bad : theme.faint;
    c.fillRect(x - (crash ? 1 : 0.5), y - 1, crash ? 2 : 1, ROW + 2);
    if (!crash) continue;
    c.beginPath();
    c.moveTo(x - 5, y - 2);
    c.lineTo(x + 5, y - 2);
    c.lineTo(x, y + 5);
    c.fill();
  }
}

function drawRow(c, row, y) {
  c.fillStyle = theme.row;
  c.fillRect(GUTTER, y, width - GUTTER, row.height);
  drawStarts(c, row, y);
  row.lanes.forEach((lane, d) => {
    const inset = d && ROW + (d - 1) * Math.round(ROW * 0.6) + 1;
    drawLane(c, lane, y + inset, d ? Math.round(ROW * 0.6) - 2 : ROW);
  });
  drawMarks(c, row, y);
  c.fillStyle = theme.card;
  c.fillRect(0, y - GAP, GUTTER, row.height + 2 * GAP);
  c.fillStyle = theme.ink;
  c.textAlign = "left";
  c.fillText(row.short.length > 17 ? "…" + row.short.slice(-16) : row.short, 12, y + ROW / 2 + 0.5);
}

function drawChosen(c, shift) {
  const i = view.chosen;
  if (i < 0) return;
  const row = rows[tasks.row[i]], x0 = xOf(tasks.start[i]), x1 = xOf(tasks.end[i]);
  const d = row.lanes.findIndex((l) => l.start[after(l.start, tasks.start[i]) - 1] === tasks.start[i]);
  const y = HEAD + row.y - shift + (d > 0 ? ROW + (d - 1) * Math.round(ROW * 0.6) + 1 : 0);
  c.strokeStyle = theme.ink;
  c.lineWidth = 2;
  c.strokeRect(Math.max(x0, GUTTER) - 1, y - 1, Math.max(Math.min(x1, width + 4) - Math.max(x0, GUTTER), 1) + 2, (d > 0 ? ROW * 0.6 : ROW) + 2);
}

function drawTimeline() {
  const c = prepare(canvas, width, height), shift = scroller.scrollTop;
  drawAxis(c);
  c.save();
  c.beginPath();
  c.rect(0, HEAD, width, height - HEAD);
  c.clip();
  for (const row of rows) {
    const y = HEAD + row.y - shift;
    if (y + row.height > HEAD && y < height) drawRow(c, row, y);
  }
  drawChosen(c, shift);
  c.restore();
  drawTrack(c, AXIS, "busy workers", running, Math.max(workers.length, 1), theme.good, "");
  drawTrack(c, AXIS + TRACK, "waiting tasks", pending, pending.most, theme.accent, " at most");
}

// --- overview ---

function drawOverview() {
  const w = overview.clientWidth, c = prepare(overview, w, 52), wide = w - GUTTER, step = (span + 2 * MARGIN) / wide;
  c.fillStyle = theme.soft;
  c.textAlign = "left";
  c.fillText(duration(span), 12, 26);
  for (const [what, most, colour, alpha] of [[pending, pending.most, theme.accent, 0.3], [running, workers.length, theme.good, 0.75]]) {
    c.fillStyle = colour;
    c.globalAlpha = alpha;
    for (let x = 0; x < wide; x++) {
      const h = 40 * Math.min(what.mean(x * step - MARGIN, (x + 1) * step - MARGIN) / Math.max(most, 1), 1);
      c.fillRect(GUTTER + x, 46 - h, 1, h);
    }
  }
  const x0 = GUTTER + (view.from + MARGIN) / step, x1 = GUTTER + (view.to + MARGIN) / step;
  c.globalAlpha = 0.55;
  c.fillStyle = theme.row;
  c.fillRect(GUTTER, 0, x0 - GUTTER, 52);
  c.fillRect(x1, 0, w - x1, 52);
  c.globalAlpha = 1;
  c.strokeStyle = theme.accent;
  c.lineWidth = 1.5;
  c.strokeRect(Math.max(x0, GUTTER) + 0.75, 0.75, Math.max(x1 - x0, 3) - 1.5, 50.5);
}
drawers.push(drawTimeline, drawOverview);

// --- what is under the pointer ---

function taskAt(x, y) {
  if (x < GUTTER || y < HEAD) return -1;
  const t = timeOf(x), slack = 2 * (view.to - view.from) / (width - GUTTER), at = y - HEAD + scroller.scrollTop;
  const row = rows.find((r) => at >= r.y && at < r.y + r.height);
  if (!row) return -1;
  const deep = at - row.y < ROW ? 0 : 1 + Math.floor((at - row.y - ROW) / Math.round(ROW * 0.6));
  const lane = row.lanes[Math.min(deep, row.lanes.length - 1)];
  if (!lane) return -1;
  const k = after(lane.start, t + slack) - 1;
  return k >= 0 && lane.end[k] >= t - slack ? lane.tasks[k] : -1;
}
