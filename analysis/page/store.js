/* What all charts share: the study's data, the selection, the measure that trials are compared by. */
const page = JSON.parse(document.getElementById("data").textContent);
const S = { index: 0, data: null, n: 0, measure: null, side: "all", filters: new Map(), mask: null, count: 0, open: null, listeners: new Map() };

function on(names, listener) {
  for (const name of names.split(" ")) {
    if (!S.listeners.has(name)) S.listeners.set(name, new Set());
    S.listeners.get(name).add(listener);
  }
}
function emit(name) {
  for (const listener of [...(S.listeners.get(name) || [])]) listener();
}

/* Data: one study at a time; `axes` are those that vary, constants aside. */
function useStudy(data) {
  S.data = data;
  S.n = data.trials.trial.length;
  S.row = new Map(data.trials.trial.map((trial, row) => [trial, row]));
  S.axes = data.axes.filter((axis) => axis.kind !== "constant").map((axis) => ({
    ...axis, values: data.params[axis.name] || new Array(S.n).fill(null), choices: axis.choices?.map(String),
  }));
  S.varied = S.axes.filter((axis) => axis.levels > 1);
  S.axis = new Map(S.axes.map((axis) => [axis.name, axis]));
  if (!data.measures.some((one) => one.key === S.measure)) S.measure = data.measures[0].key;
  S.rank = new Array(S.n).fill(null);
  data.order.forEach((row, place) => {
    const before = data.order[place - 1];
    S.rank[row] = place && data.trials.value[row] === data.trials.value[before] ? S.rank[before] : place + 1;
  });
  score();
  select(false);
}

/* How good each trial is by the measure: 0 the worst, 1 the best, NaN without a number. */
function score() {
  const measure = S.by = S.data.measures.find((one) => one.key === S.measure);
  const sign = measure.direction === "maximize" ? 1 : -1;
  const rows = [];
  measure.values.forEach((value, row) => { if (value !== null) rows.push(row); });
  rows.sort((a, b) => sign * (measure.values[a] - measure.values[b]));
  S.good = new Float64Array(S.n).fill(NaN);
  for (let from = 0; from < rows.length;) {
    let to = from;
    while (to + 1 < rows.length && measure.values[rows[to + 1]] === measure.values[rows[from]]) to++;
    const share = rows.length > 1 ? (from + to) / 2 / (rows.length - 1) : 1;
    for (; from <= to; from++) S.good[rows[from]] = share;
  }
}
function setMeasure(key) { S.measure = key; score(); emit("measure"); }
function setSide(side) { S.side = side; emit("measure"); }

/* Selection: all filters must hold; each has a label and a test of a row. */
function select(tell = true) {
  const filters = [...S.filters.values()];
  S.mask = new Uint8Array(S.n);
  S.count = 0;
  for (let row = 0; row < S.n; row++) {
    S.mask[row] = filters.every((filter) => filter.test(row)) ? 1 : 0;
    S.count += S.mask[row];
  }
  if (!tell) return;
  emit("selection");
  clearTimeout(S.later);
  S.later = setTimeout(() => emit("rows"), 70); // the table follows a moment later
}
function setFilter(key, filter) {
  if (filter) S.filters.set(key, filter); else if (!S.filters.delete(key)) return;
  select();
}
function clearFilters() { S.filters.clear(); select(); emit("cleared"); }
function pickTrials(trials, label) {
  const wanted = new Set(trials);
  setFilter("trials", { label, test: (row) => wanted.has(S.data.trials.trial[row]) });
}
/* A range of places on an axis; of a categorical one, the choices whose places lie in it. */
function rangeFilter(axis, low, high) {
  if (axis.choices) {
    const chosen = axis.choices.filter((choice, at) => at + 0.5 > low && at - 0.5 < high);
    return { label: `${axis.name} ${chosen.length > 3 ? `${chosen.length} choices` : chosen.join(", ")}`, test: (row) => axisHas(axis.name, row) && chosen.includes(String(S.axis.get(axis.name).values[row])) };
  }
  const [from, to] = [low, high].map((place) => axis.log ? 10 ** place : place);
  return { label: `${axis.name} ${show(from, 3)} to ${show(to, 3)}`, test: (row) => { const at = placeOf(S.axis.get(axis.name), row); return at !== null && at >= low && at <= high; } };
}
const axisHas = (name, row) => { const value = S.axis.get(name).values[row]; return value !== null && value !== undefined; };
function openTrial(trial) {
  S.open = trial;
  emit("open");
  history.replaceState(null, "", trial === null ? "#" : `#trial=${trial}`);
}

/* Words in the box above the table: `state:complete learning_rate>0.1`; all must hold. */
function query(text) {
  const { trials, params, about } = S.data, tests = [];
  const column = (name) => name === about.metric ? trials.value : params[name] || trials[name];
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const parts = word.match(/^([\w.]+)(>=|<=|!=|>|<|=|:)(.+)$/);
    if (!parts) {
      const wanted = word.toLowerCase();
      const has = (value) => typeof value === "string" && value.toLowerCase().includes(wanted);
      tests.push((row) => { const { trials, params } = S.data; return String(trials.trial[row]) === wanted || has(trials.state[row]) || has(trials.error[row]) || Object.values(params).some((values) => has(values[row])); });
      continue;
    }
    const [, name, sign, raw] = parts;
    if (!column(name)) return { error: `no column “${name}”` };
    const numeric = raw.trim() !== "" && !isNaN(raw), wanted = numeric ? Number(raw) : raw.toLowerCase();
    tests.push((row) => {
      const value = (name === S.data.about.metric ? S.data.trials.value : S.data.params[name] || S.data.trials[name])[row];
      if (value === null || value === undefined) return false;
      const same = numeric && typeof value === "number" ? value === wanted : String(value).toLowerCase().startsWith(String(raw).toLowerCase());
      return { ":": same, "=": same, "!=": !same, ">": value > wanted, "<": value < wanted, ">=": value >= wanted, "<=": value <= wanted }[sign];
    });
  }
  return tests.length ? { label: `“${text.trim()}”`, test: (row) => tests.every((test) => test(row)) } : null;
}

/* Numbers as text. */
function show(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "number") return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}
function fixed(value) { // values of the metric, so that columns line up
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-4) ? show(value) : size >= 100 ? value.toFixed(1) : value.toFixed(4);
}
const percent = (share) => share > 0 && share < 0.01 ? "<1%" : `${Math.round(100 * share)}%`;
const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const measured = (value) => S.measure === "equal" ? (value === null ? "–" : percent(value)) : fixed(value);

/* Where a value lies on its axis: logarithms of a log axis, the number of a choice. */
function placeOf(axis, row) {
  const value = axis.values[row];
  if (value === null || value === undefined) return null;
  if (axis.choices) return axis.choices.indexOf(String(value));
  return axis.log ? Math.log10(value) : Number(value);
}
const rangeOf = (axis) => axis.choices ? [-0.5, axis.choices.length - 0.5] : axis.log ? [Math.log10(axis.low), Math.log10(axis.high)] : [axis.low, axis.high];

/* The metric of a trial by epoch, folds averaged: [epochs, values]. */
function curveOf(row, metric = 0) {
  const parts = S.data.curves[row] || [];
  if (!parts.length) return [[], []];
  if (parts.length === 1) return [epochsOf(parts[0]), parts[0].values[metric]];
  const sums = new Map();
  for (const part of parts) epochsOf(part).forEach((epoch, at) => {
    const value = part.values[metric][at], sum = sums.get(epoch) || [0, 0];
    if (value !== null) { sum[0] += value; sum[1]++; }
    sums.set(epoch, sum);
  });
  const epochs = [...sums.keys()].sort((a, b) => a - b);
  return [epochs, epochs.map((epoch) => sums.get(epoch)[1] ? sums.get(epoch)[0] / sums.get(epoch)[1] : null)];
}
const epochsOf = (part) => typeof part.epochs === "number" ? Array.from({ length: part.epochs }, (_, at) => at + 1) : part.epochs;

/* The range of a metric, without the long tail on its bad side: what lies beyond is drawn at the edge. */
function valueRange(values, direction) {
  const sorted = values.filter((value) => value !== null && isFinite(value)).sort((a, b) => a - b);
  if (!sorted.length) return [0, 1];
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  let low = sorted[0], high = sorted[sorted.length - 1];
  if (direction === "minimize") high = Math.min(high, at(0.5) + 8 * (at(0.75) - at(0.1) || at(0.5) - low || 1));
  else low = Math.max(low, at(0.5) - 8 * (at(0.9) - at(0.25) || high - at(0.5) || 1));
  const pad = (high - low) * 0.04 || Math.abs(low) * 0.05 || 0.5;
  return [low - pad, high + pad];
}

/* A DOM element: text is text, so that nothing a user named is ever read as HTML. */
function el(tag, attributes = {}, ...children) {
  const svg = ["svg", "rect", "line", "path", "circle"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}
const byId = (id) => document.getElementById(id);
