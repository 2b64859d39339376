// What is seen: from when until when, in which colours, and what is looked for.
const view = { from: 0, to: 1, colour: "name", chosen: -1, query: "", found: 0 };
const span = Math.max(trace.length, 1000);
const MARGIN = 0.01 * span, LEAST = 50;

const drawers = [];
let asked = false;
// Draw anew, once for all changes until the next frame.
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    for (const draw of drawers) draw();
  });
}

function show(from, to) {
  const low = -MARGIN, high = span + MARGIN, size = Math.min(Math.max(to - from, LEAST), high - low);
  from += (to - from - size) / 2;
  view.from = Math.min(Math.max(from, low), high - size);
  view.to = view.from + size;
  redraw();
}
const fit = () => show(-MARGIN, span + MARGIN);
// Around a time that stays where it is.
function zoom(factor, at = (view.from + view.to) / 2) {
  show(at - (at - view.from) * factor, at + (view.to - at) * factor);
}
const move = (part) => show(view.from + part * (view.to - view.from), view.to + part * (view.to - view.from));
function zoomTo(i) {
  const size = Math.max(tasks.dur[i] * 4, span / 2000, LEAST * 4);
  show((tasks.start[i] + tasks.end[i] - size) / 2, (tasks.start[i] + tasks.end[i] + size) / 2);
}

// --- colours ---

const dark = matchMedia("(prefers-color-scheme: dark)");
const PALETTES = {
  light: ["#4f7fd6", "#3aa58f", "#8a6fd1", "#5aa9d6", "#c47aa8", "#6b8e3d", "#a9805b", "#2f8fa8", "#b59a3e", "#7d8ba3"],
  dark: ["#6b9bf0", "#4fc3ab", "#a58cf0", "#72c0ec", "#de96c2", "#93ba5c", "#c9a07a", "#52b3cc", "#d1b860", "#9aa8c0"],
};
const HOWS = {
  light: { finished: "#3aa57a", error: "#d92d3a", crashed: "#8f0f2e", timeout: "#e8a20c", cancelled: "#a3abb8",
           memory: "#c0469b", serialization: "#b35a00", broken: "#5a0f1f", lost: "#7a1f5c" },
  dark: { finished: "#4cc38a", error: "#ff6369", crashed: "#d6335c", timeout: "#f2c14e", cancelled: "#717b8c",
          memory: "#e27cc3", serialization: "#e08a3c", broken: "#a8324a", lost: "#c25aa0" },
};
let theme;
function readTheme() {
  const style = getComputedStyle(document.documentElement), v = (name) => style.getPropertyValue("--" + name).trim();
  const kind = dark.matches ? "dark" : "light";
  theme = {
    palette: PALETTES[kind], hows: HOWS[kind], card: v("card"), ink: v("ink"), soft: v("soft"), faint: v("faint"),
    line: v("line"), row: v("row"), accent: v("accent"), good: v("good"), bad: v("bad"),
    text: dark.matches ? "#10141b" : "#fff",
  };
}
readTheme();
dark.addEventListener("change", () => { readTheme(); for (const f of themed) f(); redraw(); });
const themed = [];
const howColour = (how) => theme.hows[how] ?? theme.bad;
const nameColour = (n) => theme.palette[functionNumber[n] % theme.palette.length];
const colourOf = (i) => view.colour === "name" ? nameColour(tasks.name[i]) : howColour(hows[tasks.how[i]]);

// --- search ---

const found = new Uint8Array(count);
function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  view.query = query.trim();
  view.found = 0;
  for (let i = 0; i < count; i++) {
    const text = words.length ? label(i).toLowerCase() : "";
    view.found += found[i] = words.length && words.every((w) => text.includes(w)) ? 1 : 0;
  }
  for (const row of rows) for (const lane of row.lanes) {
    for (let k = 0; k < lane.tasks.length; k++) lane.found[k + 1] = lane.found[k] + found[lane.tasks[k]];
  }
  redraw();
}

// The next task (one that was found, if anything is looked for) behind the chosen one, or (-1) before it.
function step(by) {
  let i = view.chosen;
  if (i < 0) i = by > 0 ? after(tasks.start, view.from) - 1 : after(tasks.start, view.to);
  for (let n = 0; n < count; n++) {
    i = (i + by + count) % count;
    if (!view.query || found[i]) return i;
  }
  return -1;
}
