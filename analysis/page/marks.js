/* Colours, shapes and what every chart has: drawn when it comes into sight, kept in step with the selection. */
const RAMPS = { light: ["#8794a3", "#6390bd", "#3f80b8", "#1d66a3", "#0b4a80", "#042a50"], dark: ["#66727e", "#5a88ad", "#4f93c4", "#6cb0e2", "#a3d2f8", "#e6f4ff"] };
const STATES = { COMPLETE: "complete", STOPPED: "stopped early", RUNNING: "running", DIVERGED: "diverged", FAILED: "failed" };
const STATE_COLOURS = { light: { COMPLETE: "#0b5fa5", STOPPED: "#6f7b87", RUNNING: "#00735e", DIVERGED: "#8f3a84", FAILED: "#b3261e" }, dark: { COMPLETE: "#6db6f2", STOPPED: "#98a4b1", RUNNING: "#45c9a5", DIVERGED: "#d68fcb", FAILED: "#ff9a90" } };
const SYMBOLS = { COMPLETE: "circle", STOPPED: "emptyCircle", RUNNING: "diamond", DIVERGED: "path://M-5,-4 L-4,-5 L0,-1 L4,-5 L5,-4 L1,0 L5,4 L4,5 L0,1 L-4,5 L-5,4 L-1,0 Z", FAILED: "triangle" };
const STAR = "path://M0,-10 L2.9,-3.4 L10,-3.1 L4.4,1.3 L6.2,8.1 L0,4.2 L-6.2,8.1 L-4.4,1.3 L-10,-3.1 L-2.9,-3.4 Z";
const MANY = 400; // trials from which points and lines are drawn by the group
const theme = () => document.documentElement.dataset.theme === "dark" ? "dark" : "light";
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
let INK = {};
function readTheme() { INK = Object.fromEntries(["ink", "soft-ink", "line", "faint", "best", "accent", "card", "grid"].map((name) => [name, token(name)])); }

const bucket = (row) => isNaN(S.good[row]) ? 0 : Math.min(5, Math.floor(S.good[row] * 6));
const isBad = (state) => state === "FAILED" || state === "DIVERGED";
function colourOf(row) {
  const state = S.data.trials.state[row];
  return isBad(state) ? STATE_COLOURS[theme()][state] : RAMPS[theme()][bucket(row)];
}
function icon(state) {
  const colour = STATE_COLOURS[theme()][state];
  const shapes = { COMPLETE: ["circle", { r: 4.4, fill: colour }], STOPPED: ["circle", { r: 3.9, fill: "none", stroke: colour, "stroke-width": 1.8 }], RUNNING: ["path", { d: "M0-5 5 0 0 5-5 0Z", fill: colour }], DIVERGED: ["path", { d: "M-4-4 4 4M4-4-4 4", stroke: colour, "stroke-width": 2.2 }], FAILED: ["path", { d: "M0-5 5 4H-5Z", fill: colour }] };
  return el("svg", { width: 12, height: 12, viewBox: "-6 -6 12 12", "aria-hidden": "true" }, el(...shapes[state]));
}

/* Rows in groups of one look: not selected, by state and colour, and the best one. */
let lastGroups = { key: [], groups: [] };
function grouped() {
  const key = [S.mask, S.good, INK];
  if (!key.every((one, at) => one === lastGroups.key[at])) lastGroups = { key, groups: groupsNow() };
  return lastGroups.groups;
}
function groupsNow() {
  const groups = new Map();
  for (let row = 0; row < S.n; row++) {
    if (row === S.data.best) continue;
    const state = S.data.trials.state[row];
    const key = S.mask[row] ? `1${state}${bucket(row)}` : "0";
    if (!groups.has(key)) groups.set(key, { rows: [], state, colour: S.mask[row] ? colourOf(row) : INK.faint, chosen: Boolean(S.mask[row]) });
    groups.get(key).rows.push(row);
  }
  const sorted = [...groups.entries()].sort(([a], [b]) => a < b ? -1 : 1).map(([, group]) => group);
  if (S.data.best !== null) sorted.push({ rows: [S.data.best], state: "best", colour: INK.best, chosen: Boolean(S.mask[S.data.best]) });
  return sorted;
}
/* Scatter series of all trials at `spot(row)` -> [x, y] or null. */
function points(spot, size = 8) {
  return grouped().map((group) => {
    const data = [];
    for (const row of group.rows) { const at = spot(row); if (at) data.push([at[0], at[1], row]); }
    const best = group.state === "best";
    return {
      type: "scatter", data, large: S.n > MANY && !best, largeThreshold: 1, silent: !group.chosen, animation: false, z: best ? 5 : group.chosen ? 3 : 2,
      symbol: best ? STAR : group.chosen && S.n <= MANY ? SYMBOLS[group.state] : isBad(group.state) ? SYMBOLS[group.state] : "circle",
      symbolSize: best ? size * 2 : S.n > MANY ? size * 0.6 : size, itemStyle: { color: group.colour, opacity: group.chosen ? 0.9 : 0.6 }, emphasis: { disabled: true },
    };
  });
}

const charts = new Map(); // element -> Chart
/* One chart: `option()` all of it, `series()` what follows the selection, `brush(low, high)` a filter. */
class Chart {
  constructor(place, parts) {
    Object.assign(this, { place, parts, stale: true, seen: false });
    charts.set(place, this);
    sight.observe(place);
    if (parts.brush) brushable(this);
  }
  draw() {
    if (!this.chart) {
      this.chart = echarts.init(this.place, null, { renderer: "canvas" });
      this.chart.on("click", (event) => { const row = this.rowOf(event); if (row !== undefined) (this.parts.press || ((row) => openTrial(S.data.trials.trial[row])))(row); });
      this.parts.made?.(this.chart);
    }
    this.chart.setOption({ animation: false, textStyle: { fontFamily: "inherit", color: INK["soft-ink"] }, tooltip: { confine: true, backgroundColor: INK.card, borderColor: INK.line, textStyle: { color: INK.ink, fontSize: 12 }, formatter: (event) => { const row = this.rowOf(event); return this.parts.tip ? this.parts.tip(row, event) : row === undefined ? "" : describe(row); } }, ...this.parts.option(), series: this.parts.series() }, { notMerge: true });
    this.stale = false;
    this.place.dataset.drawn = "yes";
  }
  rowOf(event) { return this.parts.row ? this.parts.row(event) : Array.isArray(event.value) ? event.value[2] : undefined; }
  follow() {
    if (!this.seen || !this.chart) { this.stale = true; return; }
    this.chart.setOption({ series: this.parts.series() }, { replaceMerge: ["series"], silent: true });
  }
  redraw() { if (this.seen) this.draw(); else this.stale = true; }
  drop() { sight.unobserve(this.place); sizes.unobserve(this.place); this.chart?.dispose(); charts.delete(this.place); }
}
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const chart = charts.get(entry.target);
    if (!chart) continue;
    chart.seen = entry.isIntersecting;
    if (chart.seen && chart.stale) { chart.draw(); sizes.observe(chart.place); }
  }
}, { rootMargin: "150px" });
const sizes = new ResizeObserver((entries) => { for (const entry of entries) charts.get(entry.target)?.chart?.resize(); });
/* Charts follow the selection in turns, so that no frame waits for all of them: in each, those that fit into TURN_MS, and at least one. */
const TURN_MS = 8, waiting = new Set();
let turn = 0;
function followAll() {
  for (const chart of charts.values()) waiting.add(chart); // one that waits already keeps its place
  if (!turn) takeTurn();
}
function takeTurn() {
  const until = performance.now() + TURN_MS;
  for (const chart of waiting) {
    waiting.delete(chart);
    if (charts.has(chart.place)) chart.follow();
    if (performance.now() > until) break;
  }
  turn = waiting.size ? requestAnimationFrame(takeTurn) : 0;
}
function drawAll() { for (const chart of charts.values()) { chart.seen = true; if (chart.stale) chart.draw(); } }

/* What a pointer learns of a trial. */
function describe(row) {
  const { trials, about, best } = S.data;
  const line = (name, value) => el("tr", {}, el("td", {}, name), el("td", {}, value));
  const rows = [line(about.metric, `${fixed(trials.value[row])} after ${count(trials.epochs[row] / about.cells, "epoch")}`)];
  if (S.measure === "equal") rows.push(line("beats", `${measured(S.by.values[row])} at equal epochs`));
  for (const axis of S.varied) if (axisHas(axis.name, row)) rows.push(line(axis.name, show(axis.values[row])));
  const said = trials.error[row] ? lastLine(trials.error[row]) : trials.why[row];
  return el("div", { class: "tip" }, el("b", {}, `Trial ${trials.trial[row]}${row === best ? " ★ best" : ""}`), ` ${STATES[trials.state[row]]}${S.rank[row] ? `, rank ${S.rank[row]}` : ""}`, el("table", {}, rows), said ? el("div", {}, said) : null);
}
const lastLine = (text) => text.trim().split("\n").filter((line) => line.trim()).pop()?.trim() || "";

/* Dragging a box, by mouse, pen or finger; a finger that moves up or down scrolls the page. */
function brushable(chart) {
  const place = chart.place;
  let from = null, box = null, frame = 0, last = null;
  const at = (event) => { const area = place.getBoundingClientRect(); return [event.clientX - area.left, event.clientY - area.top]; };
  const apply = () => {
    frame = 0;
    if (!from || !last) return;
    const corners = [from, last].map((pixel) => chart.chart.convertFromPixel({ gridIndex: 0 }, pixel));
    const low = [0, 1].map((k) => Math.min(corners[0][k], corners[1][k])), high = [0, 1].map((k) => Math.max(corners[0][k], corners[1][k]));
    chart.parts.brush(low, high);
  };
  place.style.touchAction = "pan-y";
  place.addEventListener("pointerdown", (event) => { if (event.button === 0 && chart.chart?.containPixel({ gridIndex: 0 }, at(event))) { from = at(event); last = null; } });
  place.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = at(event);
    if (!box && Math.hypot(to[0] - from[0], to[1] - from[1]) < 6) return;
    if (!box) { box = el("div", { class: "brush" }); place.append(box); place.setPointerCapture(event.pointerId); }
    last = to;
    const flat = chart.parts.brushed === "x";
    Object.assign(box.style, { left: `${Math.min(from[0], to[0])}px`, width: `${Math.abs(to[0] - from[0])}px`, top: flat ? "0" : `${Math.min(from[1], to[1])}px`, height: flat ? "100%" : `${Math.abs(to[1] - from[1])}px` });
    if (!frame) frame = requestAnimationFrame(apply);
  });
  const end = () => { if (box) { box.remove(); box = null; } from = null; };
  place.addEventListener("pointerup", () => { if (box) apply(); end(); });
  place.addEventListener("pointercancel", end);
}
