/* The charts of a study: what each draws, and what a box in it selects. */
const axisLabel = (axis) => (value) => axis.choices ? (Number.isInteger(value) && axis.choices[value] !== undefined ? clip(axis.choices[value], 12) : "") : show(axis.log ? 10 ** value : value, 3);
const clip = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
const ruled = () => ({ axisLine: { onZero: false, lineStyle: { color: INK.line } }, axisTick: { show: false }, splitLine: { lineStyle: { color: INK.grid } }, axisLabel: { color: INK["soft-ink"], fontSize: 11.5, hideOverlap: true }, nameTextStyle: { color: INK["soft-ink"], fontSize: 12 } });
/* Where labels stand: at every choice, and at round values of a log axis; elsewhere ECharts chooses. */
function marksOf(axis) {
  const [low, high] = rangeOf(axis);
  if (axis.choices) return axis.choices.map((_, at) => at);
  if (!axis.log) return undefined;
  const steps = high - low > 5 ? [1] : high - low >= 2 ? [1] : [1, 2, 5], found = [];
  for (let decade = Math.floor(low); decade <= high; decade++) for (const step of steps) found.push(decade + Math.log10(step));
  return found.filter((at) => at >= low - 1e-9 && at <= high + 1e-9);
}
function valueAxis(axis, named = true) {
  const [min, max] = rangeOf(axis), own = ruled();
  return { ...own, type: "value", min, max, name: named ? axis.name : undefined, nameLocation: "middle", nameGap: 26, axisLabel: { ...own.axisLabel, formatter: axisLabel(axis), customValues: marksOf(axis) }, splitLine: { show: false } };
}
/* Points with the same choice are set apart, the same way each time. */
const jitter = (row) => ((row * 0.6180339887) % 1 - 0.5) * 0.55;
function spotOn(axis, row) { const at = placeOf(axis, row); return at === null ? null : axis.choices ? at + jitter(row) : at; }
const metricAxis = (range, name) => ({ ...ruled(), type: "value", name, nameLocation: "end", nameGap: 8, min: range[0], max: range[1], axisLabel: { ...ruled().axisLabel, formatter: (value) => show(value, 3), showMinLabel: false, showMaxLabel: false } });
const clamp = (value, [low, high]) => Math.max(low, Math.min(high, value));

function strip(place, name) {
  const axis = () => S.axis.get(name);
  return new Chart(place, {
    option: () => ({ grid: { left: 6, right: 6, top: 4, bottom: 20, show: true, backgroundColor: INK.grid, borderWidth: 0 }, xAxis: { ...valueAxis(axis(), false), axisLine: { show: false } }, yAxis: { type: "value", min: -0.12, max: 1.12, show: false } }),
    series: () => points((row) => { const x = spotOn(axis(), row); return x === null || isNaN(S.good[row]) ? null : [x, S.good[row]]; }, 7),
    brush: (low, high) => setFilter(`param ${name}`, rangeFilter(axis(), low[0], high[0])), brushed: "x",
  });
}

function curves(place, choice) {
  const metric = () => Math.max(0, S.data.metrics.indexOf(choice.metric));
  let range = [0, 1], longest = 1;
  const measure = () => {
    const values = [];
    longest = 2;
    for (let row = 0; row < S.n; row++) { const [epochs, found] = curveOf(row, metric()); for (const value of found) values.push(value); longest = Math.max(longest, epochs[epochs.length - 1] || 1); }
    const lower = /loss|error|mae|mse/.test(S.data.metrics[metric()] || "");
    range = valueRange(values, metric() === 0 ? S.data.about.direction : lower ? "minimize" : "maximize");
    if (choice.zoom && S.data.best !== null) { const found = curveOf(S.data.best, metric())[1].filter((v) => v !== null); const end = found[found.length - 1], span = (range[1] - range[0]) * 0.12; range = [end - span, Math.min(range[1], end + span)]; }
  };
  const x = (epoch) => choice.log ? Math.log10(epoch) : epoch;
  const paths = new Map(); // by row: they stay as they are while trials are selected
  const path = (row) => { if (!paths.has(row)) paths.set(row, pathNow(row)); return paths.get(row); };
  const pathNow = (row) => { const [epochs, values] = curveOf(row, metric()); const found = []; epochs.forEach((epoch, at) => { if (values[at] !== null) found.push([x(epoch), clamp(values[at], range)]); }); return found; };
  const flats = new Map();
  const flatOf = (row) => { if (!flats.has(row)) { const found = path(row); flats.set(row, Float64Array.from([found.length, ...found.flat()])); } return flats.get(row); };
  const joined = (rows) => { const parts = rows.map(flatOf), all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0)); let at = 0; for (const part of parts) { all.set(part, at); at += part.length; } return all; };
  return new Chart(place, {
    option: () => { measure(); paths.clear(); flats.clear(); return { grid: { left: 50, right: 22, top: 26, bottom: 38 }, xAxis: { ...ruled(), type: "value", name: "epoch", nameLocation: "middle", nameGap: 24, min: x(1), max: x(longest), splitLine: { show: false }, minInterval: choice.log ? undefined : 1, axisLabel: { ...ruled().axisLabel, formatter: (value) => choice.log ? show(10 ** value, 2) : show(value) } }, yAxis: metricAxis(range, S.data.metrics[metric()]) }; },
    series: () => {
      const made = [], ends = [];
      for (const group of grouped()) {
        const drawn = group.rows.map((row) => [row, path(row)]).filter(([, found]) => found.length);
        const best = group.state === "best";
        if (best) made.push({ type: "line", data: (drawn[0] || [0, []])[1], lineStyle: { color: INK.best, width: 3 }, showSymbol: false, z: 6, silent: true });
        else {
          const large = S.n > MANY, lines = drawn.filter(([, found]) => found.length > 1);
          const flat = large ? joined(lines.map(([row]) => row)) : null;
          made.push({ type: "lines", coordinateSystem: "cartesian2d", polyline: true, large, largeThreshold: 1, silent: !group.chosen, z: group.chosen ? 3 : 2, progressive: 0, data: large ? flat : lines.map(([row, coords]) => ({ coords, row })), lineStyle: { color: group.colour, width: group.chosen ? 1.3 : 1, opacity: group.chosen ? 0.75 : 0.4, type: group.state === "DIVERGED" ? "dashed" : "solid" }, emphasis: { lineStyle: { width: 3 } } });
        }
        if (S.n <= MANY || best) ends.push(...drawn.filter(([row, found]) => best || found.length === 1 || S.data.trials.state[row] !== "COMPLETE").map(([row, found]) => ({ value: [...found[found.length - 1], row], symbol: best ? STAR : SYMBOLS[S.data.trials.state[row]], symbolSize: best ? 16 : 6, itemStyle: { color: group.colour } })));
      }
      made.push({ type: "scatter", data: ends, z: 7, emphasis: { disabled: true }, markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: INK["soft-ink"], type: "dotted" }, data: S.data.about.rungs.filter((rung) => rung <= longest).map((rung) => ({ xAxis: x(rung) })) } });
      return made;
    },
    row: (event) => event.data?.row ?? event.value?.[2],
    brush: (low, high) => setFilter("curves", { label: `curves through ${show(low[1], 3)} to ${show(high[1], 3)}`, test: (row) => path(row).some(([epoch, value]) => epoch >= low[0] && epoch <= high[0] && value >= low[1] && value <= high[1]) }),
  });
}

function parallel(place) {
  const narrow = () => place.clientWidth < 620;
  const ends = () => [...S.varied.map((axis) => ({ name: axis.name, at: (row) => placeOf(axis, row), range: rangeOf(axis), label: axisLabel(axis), marks: marksOf(axis), axis })), { name: S.by.label, at: (row) => S.by.values[row], range: S.measure === "equal" ? [0, 1] : valueRange(S.by.values, S.by.direction), label: (value) => S.measure === "equal" ? percent(value) : show(value, 3) }];
  return new Chart(place, {
    option: () => ({
      parallel: { left: 44, right: 60, top: 40, bottom: 24, layout: narrow() ? "vertical" : "horizontal" },
      parallelAxis: ends().map((end, dim) => ({ dim, type: "value", min: end.range[0], max: end.range[1], name: clip(end.name, 16), nameLocation: narrow() ? "start" : "end", nameTextStyle: { color: INK.ink, fontSize: 12, fontWeight: 600 }, axisLine: { lineStyle: { color: INK["soft-ink"] } }, axisTick: { show: false }, axisLabel: { color: INK["soft-ink"], fontSize: 11.5, formatter: end.label, customValues: end.marks, hideOverlap: true }, areaSelectStyle: { width: 22, color: INK.accent, borderColor: INK.accent, opacity: 0.25 }, realtime: true })),
    }),
    series: () => grouped().map((group) => {
      const axes = ends();
      return { type: "parallel", data: group.rows.filter((row) => S.by.values[row] !== null).map((row) => ({ value: axes.map((end) => { const at = end.at(row); return at === null || at === undefined ? "-" : clamp(at, end.range); }), row })), lineStyle: { color: group.colour, width: group.state === "best" ? 3 : 1, opacity: group.state === "best" ? 1 : group.chosen ? 0.5 : 0.12 }, inactiveOpacity: 0.04, activeOpacity: group.chosen ? 0.6 : 0.12, silent: !group.chosen, z: group.state === "best" ? 5 : group.chosen ? 3 : 2, progressive: 0, emphasis: { disabled: true } };
    }),
    row: (event) => event.data?.row,
    made: (chart) => {
      let frame = 0;
      chart.on("axisareaselected", () => { if (!frame) frame = requestAnimationFrame(() => {
        frame = 0;
        ends().forEach((end, dim) => {
          const areas = chart.getModel().getComponent("parallelAxis", dim).activeIntervals || [];
          const key = end.axis ? `param ${end.name}` : "measure", known = S.filters.get(key);
          if (!areas.length) { if (known?.parallel) setFilter(key, null); return; }
          const [low, high] = [Math.min(...areas.flat()), Math.max(...areas.flat())];
          if (known?.parallel === `${low} ${high}`) return;
          const filter = end.axis ? rangeFilter(end.axis, low, high) : { label: `${S.by.label} ${end.label(low)} to ${end.label(high)}`, test: (row) => S.by.values[row] !== null && S.by.values[row] >= low && S.by.values[row] <= high };
          setFilter(key, { ...filter, parallel: `${low} ${high}` });
        });
      }); });
      on("cleared", () => ends().forEach((end, dim) => chart.dispatchAction({ type: "axisAreaSelect", parallelAxisIndex: dim, intervals: [] })));
    },
  });
}

function map(place, choice) {
  const axes = () => [S.axis.get(choice.x), choice.y === "" ? null : S.axis.get(choice.y)];
  const range = () => S.measure === "equal" ? [-0.03, 1.03] : valueRange(S.by.values, S.by.direction);
  return new Chart(place, {
    option: () => { const [x, y] = axes(); return { grid: { left: 58, right: 18, top: 26, bottom: 40 }, xAxis: valueAxis(x), yAxis: y ? { ...valueAxis(y), nameLocation: "end", nameGap: 8 } : metricAxis(range(), S.by.label) }; },
    series: () => { const [x, y] = axes(), ends = range(); return points((row) => { const a = spotOn(x, row), b = y ? spotOn(y, row) : S.by.values[row]; return a === null || b === null || b === undefined ? null : [a, y ? b : clamp(b, ends)]; }, 10); },
    brush: (low, high) => { const [x, y] = axes(); S.filters.set(`param ${x.name}`, rangeFilter(x, low[0], high[0])); setFilter(y ? `param ${y.name}` : "measure", y ? rangeFilter(y, low[1], high[1]) : { label: `${S.by.label} ${show(low[1], 3)} to ${show(high[1], 3)}`, test: (row) => S.by.values[row] !== null && S.by.values[row] >= low[1] && S.by.values[row] <= high[1] }); },
  });
}

function history_(place) {
  const value = (row) => S.data.trials.value[row];
  const range = () => valueRange(S.data.trials.value, S.data.about.direction);
  const best = () => { const found = []; let top = null; const better = S.data.about.direction === "maximize" ? (a, b) => a > b : (a, b) => a < b; for (let row = 0; row < S.n; row++) { if (S.rank[row] && (top === null || better(value(row), top))) top = value(row); if (top !== null) found.push([S.data.trials.trial[row], clamp(top, range())]); } return found; };
  return new Chart(place, {
    option: () => ({ grid: { left: 50, right: 18, top: 26, bottom: 38 }, xAxis: { ...ruled(), type: "value", name: "trial", nameLocation: "middle", nameGap: 24, min: 0, max: Math.max(1, S.data.trials.trial[S.n - 1] || 1), minInterval: 1, splitLine: { show: false } }, yAxis: metricAxis(range(), S.data.about.metric) }),
    series: () => { const ends = range(); return [{ type: "line", step: "end", data: best(), showSymbol: false, silent: true, z: 1, lineStyle: { color: INK.best, width: 2 } }, ...points((row) => value(row) === null ? null : [S.data.trials.trial[row], clamp(value(row), ends)])]; },
    brush: (low, high) => setFilter("history", { label: `trials ${Math.ceil(low[0])} to ${Math.floor(high[0])}, ${show(low[1], 3)} to ${show(high[1], 3)}`, test: (row) => { const trial = S.data.trials.trial[row]; return value(row) !== null && trial >= low[0] && trial <= high[0] && value(row) >= low[1] && value(row) <= high[1]; } }),
  });
}

/* The trials by the first two goals; those of the front are joined. */
function front(place) {
  const goals = () => S.data.goals.slice(0, 2), several = () => goals().length === 2;
  const ends = () => goals().map((goal) => valueRange(goal.values, goal.direction));
  const spot = (row) => { const at = goals().map((goal) => goal.values[row]); return at.includes(null) ? null : at.map((value, k) => clamp(value, ends()[k])); };
  const joined = () => S.data.about.front.map((trial) => spot(S.row.get(trial))).filter(Boolean).sort((a, b) => a[0] - b[0]);
  return new Chart(place, {
    option: () => { if (!several()) return {}; const [x, y] = goals(), range = ends(); return { grid: { left: 58, right: 18, top: 26, bottom: 40 }, xAxis: { ...metricAxis(range[0], x.metric), nameLocation: "middle", nameGap: 26 }, yAxis: metricAxis(range[1], y.metric) }; },
    series: () => several() ? [{ type: "line", data: joined(), showSymbol: false, silent: true, z: 1, lineStyle: { color: INK.best, width: 2 } }, ...points(spot, 10)] : [],
    brush: (low, high) => setFilter("front", { label: goals().map((goal, k) => `${goal.metric} ${show(low[k], 3)} to ${show(high[k], 3)}`).join(", "), test: (row) => { const at = spot(row); return at !== null && at.every((value, k) => value >= low[k] && value <= high[k]); } }),
  });
}

/* Values on each fold of the best configurations, the best on top; a bar at the mean. */
function folds(place) {
  const rows = () => S.data.fold_rows;
  return new Chart(place, {
    option: () => ({ grid: { left: 92, right: 22, top: 8, bottom: 40 }, xAxis: { ...metricAxis(valueRange(S.data.folds.flat(), S.data.about.direction), S.data.about.metric), nameLocation: "middle", nameGap: 26 }, yAxis: { ...ruled(), type: "category", inverse: true, data: rows().map((row) => `${row === S.data.best ? "★ " : ""}trial ${S.data.trials.trial[row]}${S.data.ties.includes(row) ? " tied" : ""}`) } }),
    series: () => [
      { type: "scatter", symbol: "emptyCircle", symbolSize: 9, itemStyle: { color: INK.accent }, data: rows().flatMap((row, at) => S.data.folds[at].map((value, fold) => ({ value: [value, at, row], fold })).filter((one) => one.value[0] !== null)), emphasis: { disabled: true } },
      { type: "scatter", symbol: "rect", symbolSize: [3, 20], z: 4, itemStyle: { color: INK.best }, data: rows().map((row, at) => [S.data.trials.value[row], at, row]), emphasis: { disabled: true } },
    ],
    tip: (row, event) => row === undefined ? "" : event.data.fold === undefined ? describe(row) : el("div", { class: "tip" }, el("b", {}, `Trial ${S.data.trials.trial[row]}, fold ${event.data.fold}`), ` ${fixed(event.value[0])}`),
  });
}

/* A row a worker, a bar a training from pause to pause, in pieces by what its time went into: each has words and a height. */
const PHASES = [["waited for its worker", 0.12], ["set up", 0.45], ["traced", 0.45], ["trained", 1], ["after its last report", 0.45]];
const [WAITED, TRACED, TRAINED] = [0, 2, 3];
function pieces() {
  return S.data.legs.flatMap(([row, slot, begin, seconds, waited = 0, setup = 0, trace = 0, after = 0], leg) => {
    let from = begin - waited;
    return [waited, setup, trace, Math.max(0, seconds - setup - trace - after), after].map((long, phase) => [from, slot, row, from, from += long, phase, leg]).filter((piece) => piece[4] > piece[3]);
  });
}
function pieceTip(row, event) {
  const [, slot, , from, to, phase, at] = event.value, [name, worker] = S.data.workers[slot], [, , , , , , , , fold = 0, part = 0] = S.data.legs[at];
  const which = `Trial ${S.data.trials.trial[row]}${row === S.data.best ? " ★ best" : ""}${S.data.about.cells > 1 ? `, fold ${fold}` : ""}${part ? ", continued" : ""}`;
  return el("div", { class: "tip" }, el("b", {}, which), ` ${STATES[S.data.trials.state[row]]}`, el("div", {}, `${PHASES[phase][0]}: ${show(to - from, 3)} s, from ${show(from)} s on`), el("div", {}, worker ? `${name}: process ${worker}` : S.data.trials.worker[row] ? `${name}: process ${S.data.trials.worker[row]}` : name));
}
function timeline(place) {
  return new Chart(place, {
    option: () => ({ grid: { left: 112, right: 18, top: 8, bottom: 38 }, xAxis: { ...ruled(), type: "value", name: "seconds since the first trial was given out", nameLocation: "middle", nameGap: 24, min: 0 }, yAxis: { ...ruled(), type: "category", inverse: true, data: S.data.workers.map(([name]) => name) } }),
    series: () => [{ type: "custom", progressive: 0, encode: { x: [3, 4], y: 1 }, data: pieces(), renderItem: (_, api) => {
      const row = api.value(2), phase = api.value(5), [x, y] = api.coord([api.value(3), api.value(1)]), end = api.coord([api.value(4), 0])[0], state = S.data.trials.state[row];
      const height = Math.max(2, PHASES[phase][1] * Math.min(24, api.size([0, 1])[1] * 0.7)), fill = phase === WAITED ? INK["soft-ink"] : phase === TRACED ? INK.ink : row === S.data.best ? INK.best : STATE_COLOURS[theme()][state];
      return { type: "rect", shape: { x, y: y - height / 2, width: Math.max(1, end - x - (phase === TRAINED ? 1 : 0)), height }, style: { fill, opacity: S.mask[row] ? 1 : 0.15 } };
    } }],
    tip: pieceTip,
  });
}

/* The cells of a heat map with labels that can be read: the ramp's better end is dark on light pages, light on dark ones. */
function inked(cells) {
  const values = cells.map((cell) => cell[2]), low = Math.min(...values), span = Math.max(...values) - low || 1;
  const [dim, strong] = theme() === "dark" ? ["#ffffff", "#10151b"] : ["#10151b", "#ffffff"];
  return cells.map((value) => { const share = (value[2] - low) / span, good = S.data.about.direction === "maximize" ? share : 1 - share; return { value, label: { color: good > 0.42 ? strong : dim } }; });
}

/* A grid's mean or best value by two parameters. */
function heat(place, choice) {
  const axes = () => [S.axis.get(choice.x), S.axis.get(choice.y)];
  const levels = (axis) => [...new Set(axis.values.filter((value) => value !== null))].sort((a, b) => axis.choices ? axis.choices.indexOf(String(a)) - axis.choices.indexOf(String(b)) : a - b);
  const cells = () => {
    const [x, y] = axes(), [xs, ys] = [levels(x), levels(y)], found = new Map();
    for (let row = 0; row < S.n; row++) { const value = S.data.trials.value[row]; if (value === null || !S.rank[row]) continue; const key = `${xs.indexOf(x.values[row])} ${ys.indexOf(y.values[row])}`; found.set(key, [...(found.get(key) || []), value]); }
    const better = S.data.about.direction === "maximize" ? Math.max : Math.min;
    return [...found].map(([key, values]) => { const [a, b] = key.split(" ").map(Number); return [a, b, choice.mean ? values.reduce((p, q) => p + q, 0) / values.length : better(...values), values.length]; });
  };
  return new Chart(place, {
    option: () => {
      const [x, y] = axes(), found = cells().map((cell) => cell[2]), ramp = RAMPS[theme()], spread = [Math.min(...found), Math.max(...found)];
      return { grid: { left: 96, right: 18, top: 12, bottom: 48 }, xAxis: { ...ruled(), type: "category", data: levels(x).map((value) => show(value)), name: x.name, nameLocation: "middle", nameGap: 28 }, yAxis: { ...ruled(), type: "category", data: levels(y).map((value) => show(value)), name: y.name, nameLocation: "middle", nameGap: 70 }, visualMap: { show: false, min: spread[0], max: spread[1] > spread[0] ? spread[1] : spread[0] + 1, dimension: 2, inRange: { color: S.data.about.direction === "maximize" ? ramp : [...ramp].reverse() } } };
    },
    series: () => [{ type: "heatmap", data: inked(cells()), label: { show: cells().length <= 150, formatter: (event) => fixed(event.value[2]), fontSize: 12 }, itemStyle: { borderColor: INK.card, borderWidth: 2 }, labelLayout: { hideOverlap: true } }],
    row: () => undefined,
    tip: (_, event) => el("div", { class: "tip" }, el("b", {}, fixed(event.value[2])), ` ${choice.mean ? "mean" : "best"} of ${count(event.value[3], "trial")}`),
    made: (chart) => chart.on("click", (event) => {
      const [x, y] = axes(), [a, b] = [levels(x)[event.value[0]], levels(y)[event.value[1]]];
      setFilter("cell", { label: `${x.name} ${show(a)}, ${y.name} ${show(b)}`, test: (row) => { const [p, q] = axes(); return p.values[row] === a && q.values[row] === b; } });
    }),
  });
}
