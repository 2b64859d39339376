// The trace, made ready for drawing: columns of tasks, lanes in which they do not overlap, sums by which any stretch of
// time is answered for without looking at each task in it.
const trace = JSON.parse(document.getElementById("data").textContent);
const count = trace.tasks.row.length;

const tasks = (() => {
  const t = trace.tasks, start = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) start[i] = at += t.step[i];
  return {
    start, dur: Float64Array.from(t.dur), end: Float64Array.from(t.dur, (d, i) => start[i] + d),
    row: Uint16Array.from(t.row), name: Uint32Array.from(t.name), how: Uint8Array.from(t.how),
    id: t.id, wait: Float64Array.from(t.wait),
  };
})();
const attempt = (i) => trace.tasks.attempt[i] ?? 1;
const errorOf = (i) => trace.tasks.error[i];
const hows = trace.hows;
const FINISHED = 0;
const failed = (i) => hows[tasks.how[i]] !== "finished" && hows[tasks.how[i]] !== "cancelled";
const ran = (i) => attempt(i) > 0;

// "fib[] (a.lua:3)" stands for all items of that map, and labels that differ in numbers only are of one kind.
const functionName = (n) => (trace.numbered[n] ? trace.names[n].replace("[]", "")
  : trace.names[n].replace("[]", "").replace(/\d+/g, "…")) || "(no label)";

function label(i) {
  const n = tasks.name[i], index = trace.tasks.index[i];
  const name = index === undefined ? trace.names[n] : trace.names[n].replace("[]", "[" + index + "]");
  return trace.numbered[n] ? name + " #" + tasks.id[i] : name || "(no label)";
}

// --- time ---

function duration(ns) {
  const a = Math.abs(ns);
  const [unit, by] = a >= 6e10 ? ["min", 6e10] : a >= 1e9 ? ["s", 1e9] : a >= 1e6 ? ["ms", 1e6] : ["µs", 1e3];
  const x = ns / by;
  return (Math.abs(x) >= 100 ? x.toFixed(0) : Math.abs(x) >= 10 ? x.toFixed(1) : x.toFixed(2)) + " " + unit;
}
const whole = (n) => n.toLocaleString("en-US");
const share = (x) => (100 * x).toFixed(x > 0 && x < 0.1 ? 1 : 0) + " %";

// --- searching ---

// The first place in [low, list.length) at which list[i] > x.
function after(list, x, low = 0) {
  let high = list.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (list[mid] > x) high = mid; else low = mid + 1;
  }
  return low;
}

// --- lanes ---

// Tasks that overlap (one on top of another) lie in lanes of their own.
function lanesOf(members) {
  const lanes = [];
  for (const i of members) {
    const lane = lanes.find((l) => l.last <= tasks.start[i]) ?? lanes[lanes.push({ list: [], last: 0 }) - 1];
    lane.list.push(i);
    lane.last = tasks.end[i];
  }
  return lanes.map((l) => {
    const n = l.list.length, lane = {
      tasks: Uint32Array.from(l.list), start: new Float64Array(n), end: new Float64Array(n),
      busy: new Float64Array(n + 1), failed: new Uint32Array(n + 1), found: new Uint32Array(n + 1),
    };
    l.list.forEach((i, k) => {
      lane.start[k] = tasks.start[i];
      lane.end[k] = tasks.end[i];
      lane.busy[k + 1] = lane.busy[k] + tasks.dur[i];
      lane.failed[k + 1] = lane.failed[k] + (failed(i) ? 1 : 0);
    });
    return lane;
  });
}

// How many words all names have in front: they tell no row from another.
function wordsInFront(names) {
  const [first, ...others] = names.map((name) => name.split(" "));
  let k = 0;
  while (k < first.length - 1 && first[k] !== "worker" && others.every((words) => words[k] === first[k])) k++;
  return k;
}

const rows = (() => {
  const front = trace.rows.length ? wordsInFront(trace.rows) : 0;
  const members = trace.rows.map(() => []);
  for (let i = 0; i < count; i++) members[tasks.row[i]].push(i);
  return trace.rows.map((name, r) => {
    const lanes = lanesOf(members[r]);
    return {
      name, short: name.split(" ").slice(front).join(" "), number: r,
      lanes, queue: /(^| )queue$/.test(name), tasks: members[r].length,
      busy: lanes.reduce((most, l) => Math.max(most, l.busy[l.busy.length - 1]), 0),
      starts: trace.starts.filter((s) => s.row === r), marks: trace.marks.filter((m) => m.row === r),
    };
  });
})();
const workers = rows.filter((r) => !r.queue);

// --- how many at a time ---

// A step function from its changes, [time, by] each.
function steps(changes) {
  changes.sort((a, b) => a[0] - b[0]);
  const n = changes.length, at = new Float64Array(n + 1), value = new Float64Array(n + 1), sum = new Float64Array(n + 1);
  let most = 0;
  changes.forEach(([time, by], k) => {
    sum[k + 1] = sum[k] + value[k] * (time - at[k]);
    at[k + 1] = time;
    value[k + 1] = value[k] + by;
    most = Math.max(most, value[k + 1]);
  });
  const until = (t) => {
    const k = after(at, t) - 1;
    return k < 0 ? 0 : sum[k] + value[k] * (t - at[k]);
  };
  return { most, mean: (from, to) => (until(to) - until(from)) / (to - from) };
}

const running = (() => {
  const changes = [];
  for (const row of workers) for (const k of row.lanes[0]?.tasks ?? []) {
    if (tasks.dur[k] > 0) changes.push([tasks.start[k], 1], [tasks.end[k], -1]);
  }
  return steps(changes);
})();
const pending = (() => {
  const changes = [];
  for (let i = 0; i < count; i++) {
    if (tasks.wait[i] > 0) changes.push([tasks.start[i] - tasks.wait[i], 1], [tasks.start[i], -1]);
  }
  return steps(changes);
})();

// --- figures ---

function spread(values) {
  const list = Float64Array.from(values).sort(), n = list.length;
  const at = (p) => n ? list[Math.min(n - 1, Math.ceil(p * n) - 1)] : NaN;
  const total = list.reduce((a, b) => a + b, 0);
  return { n, total, mean: n ? total / n : NaN, p50: at(.5), p90: at(.9), p99: at(.99), p999: at(.999), max: n ? list[n - 1] : NaN };
}

const byFunction = (() => {
  const groups = new Map();
  for (let i = 0; i < count; i++) {
    const key = functionName(tasks.name[i]);
    if (!groups.has(key)) groups.set(key, { key, name: tasks.name[i], list: [], failed: 0, cancelled: 0 });
    const g = groups.get(key);
    g.list.push(i);
    if (failed(i)) g.failed++;
    if (hows[tasks.how[i]] === "cancelled") g.cancelled++;
  }
  for (const g of groups.values()) {
    g.run = spread(g.list.filter(ran).map((i) => tasks.dur[i]));
    g.waited = spread(g.list.filter((i) => ran(i) && tasks.wait[i] >= 0).map((i) => tasks.wait[i]));
  }
  return [...groups.values()].sort((a, b) => b.run.total - a.run.total);
})();
const functionNumber = (() => {
  const of = new Map(byFunction.map((g, k) => [g.key, k]));
  return trace.names.map((_, n) => of.get(functionName(n)) ?? 0);
})();
