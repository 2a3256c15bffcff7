/* The page: what stands where, and what follows what. */
function switcher(place, options, chosen, choose) {
  place.replaceChildren(...options.map(([key, label, about, note]) => el("button", { "aria-pressed": String(key === chosen()), title: about, "data-key": key, onclick: () => choose(key) }, label, note === undefined ? null : el("small", {}, ` ${note}`))));
}
function picker(label, names, chosen, choose) {
  const box = el("select", { "aria-label": label, onchange: () => choose(box.value) }, names.map(([key, text]) => el("option", { value: key, selected: key === chosen }, text)));
  return el("label", { class: "soft" }, `${label} `, box);
}

function drawBar() {
  const { measures } = S.data;
  byId("fidelity").hidden = measures.length < 2;
  switcher(byId("measures"), measures.map((one) => [one.key, one.label, one.about, one.values.filter((value) => value !== null).length]), () => S.measure, setMeasure);
  byId("ramp").style.background = `linear-gradient(90deg,${RAMPS[theme()].join(",")})`;
  drawChips();
}
function drawChips() {
  byId("chips").replaceChildren(...[...S.filters].map(([key, filter]) => el("button", { class: "chip", "aria-label": `Remove filter ${filter.label}`, onclick: () => { setFilter(key, null); if (!S.filters.size) emit("cleared"); } }, filter.label, el("span", { "aria-hidden": "true" }, "×"))));
  byId("count").textContent = S.filters.size ? `${S.count.toLocaleString("en")} of ${count(S.n, "trial")}` : `${count(S.n, "trial")}; drag in a chart to select`;
  byId("clear").hidden = !S.filters.size;
}

/* Importance: a bar, the interval of resamples, and dashed what chance reaches. */
function importanceBar(share, most) {
  const x = (value) => Math.min(1, value / most) * 120, sure = share.low > share.floor ? 2 : share.share > share.floor ? 1 : 0;
  const word = ["unclear", "likely", "matters"][sure];
  const said = `share ${percent(share.share)}; 90% of resamples ${percent(share.low)} to ${percent(share.high)}; shuffled results reach ${percent(share.floor)}`;
  return el("div", { class: "importance", title: said },
    el("svg", { viewBox: "0 0 120 18", preserveAspectRatio: "none", role: "img", "aria-label": said }, el("rect", { x: 0, y: 4, width: x(share.share), height: 10, rx: 1.5, fill: sure ? INK.accent : INK.faint }), el("line", { x1: x(share.low), x2: x(share.high), y1: 9, y2: 9, stroke: INK.ink, "stroke-width": 1.4 }), el("line", { x1: x(share.floor), x2: x(share.floor), y1: 0, y2: 18, stroke: INK.best, "stroke-width": 1.4, "stroke-dasharray": "3 2" })),
    el("span", {}, el("b", {}, percent(share.share)), el("span", { class: "soft" }, ` ${word}`)));
}
const strips = new Map();
function drawParameters() {
  const found = S.data.importance[S.measure]?.[S.side], shares = new Map((found?.shares || []).map((share) => [share.param, share]));
  const most = Math.max(0.3, ...[...shares.values()].map((share) => Math.max(share.share, share.high)));
  const axes = [...S.axes].sort((a, b) => (shares.get(b.name)?.share ?? -1) - (shares.get(a.name)?.share ?? -1));
  const edges = new Map(S.data.findings.filter((finding) => finding.param).map((finding) => [finding.param, finding]));
  for (const name of strips.keys()) if (!S.axis.has(name)) { charts.get(strips.get(name))?.drop(); strips.delete(name); }
  const none = (axis) => !found ? (S.by.values.filter((value) => value !== null).length < 8 ? "needs 8 trials" : "all results are alike") : axis.levels < 2 ? "not varied" : "exists in some trials only";
  byId("parameter-rows").replaceChildren(...axes.map((axis) => {
    const won = S.data.best === null ? null : axis.values[S.data.best], edge = edges.get(axis.name), share = shares.get(axis.name);
    let place = strips.get(axis.name);
    if (!place) { place = el("div", { class: "chart strip", role: "img", "aria-label": `Trials by ${axis.name}, better is higher` }); strips.set(axis.name, place); strip(place, axis.name); }
    const range = axis.choices ? count(axis.choices.length, "choice") : `${show(axis.low)} to ${show(axis.high)}${axis.log ? ", log" : ""}${axis.kind === "int" ? ", whole" : ""}`;
    return el("tr", {}, el("th", { scope: "row" }, axis.name, el("div", { class: "soft" }, range)), el("td", { class: "strip-cell" }, place), el("td", {}, el("b", {}, show(won)), edge ? el("div", { class: edge.level === "warn" ? "edge" : "soft", title: edge.text }, edge.level === "warn" ? "at the edge" : "at its bound") : null), el("td", {}, share ? importanceBar(share, most) : el("span", { class: "soft" }, none(axis))));
  }));
  const fixedAxes = S.data.axes.filter((axis) => axis.kind === "constant").map((axis) => `${axis.name} ${show(axis.value)}`).join(", ");
  const what = S.side === "all" ? "the variance in rank that it explains" : "what tells the best quarter from the rest";
  byId("importance-note").textContent = (found ? `Bar: share of ${what} (${found.method}, ${count(found.trials, "trial")}); line: 90% of ${found.resamples} resamples; dashed: what shuffled results reach in 1 of 10 tries. “Matters”: the whole line lies above it. ` : "") + (fixedAxes ? `Fixed: ${fixedAxes}.` : "");
  switcher(byId("sides"), [["all", "for all trials", "what explains the results of all trials"], ["best", "for the best quarter", "PED-ANOVA: what tells the best quarter from the rest"]], () => S.side, setSide);
}

const choices = { curves: { metric: null, log: false, zoom: false }, map: { x: null, y: null }, heat: { x: null, y: null, mean: false } };
function drawControls() {
  const names = S.data.metrics, curve = choices.curves, again = () => { drawControls(); charts.get(byId("curves-chart"))?.redraw(); };
  if (!names.includes(curve.metric)) curve.metric = names[0] || null;
  const toggle = (key, label) => el("button", { class: "small", "aria-pressed": String(curve[key]), onclick: () => { curve[key] = !curve[key]; again(); } }, label);
  byId("curve-controls").replaceChildren(...(names.length > 1 ? [picker("metric", names.map((name) => [name, name]), curve.metric, (name) => { curve.metric = name; again(); })] : []), toggle("zoom", "Zoom to best"), toggle("log", "Log epochs"));
  const shares = S.data.importance[S.measure]?.[S.side]?.shares || [], ranked = [...shares.map((share) => share.param), ...S.varied.map((axis) => axis.name)].filter((name, at, all) => all.indexOf(name) === at && S.varied.some((axis) => axis.name === name));
  for (const [kind, place] of [["map", "map-chart"], ["heat", "heat-chart"]]) {
    const choice = choices[kind];
    if (!ranked.includes(choice.x)) { choice.x = ranked[0] ?? S.axes[0]?.name; choice.y = ranked[1] ?? (kind === "map" ? "" : ranked[0]); }
    const redo = () => { drawControls(); charts.get(byId(place))?.redraw(); };
    const other = ranked.filter((name) => name !== choice.x).map((name) => [name, name]);
    const controls = [picker("across", ranked.map((name) => [name, name]), choice.x, (name) => { if (choice.y === name) choice.y = choice.x; choice.x = name; redo(); }), picker("up", kind === "map" ? [...other, ["", S.by.label]] : other, choice.y, (name) => { choice.y = name; redo(); })];
    if (kind === "heat" && ranked.length > 2) controls.push(picker("of the others the", [["best", "best"], ["mean", "mean"]], choice.mean ? "mean" : "best", (name) => { choice.mean = name === "mean"; redo(); }));
    byId(`${kind}-controls`)?.replaceChildren(...controls);
  }
}
/* Sections that a study has nothing for are left out. */
function drawSections() {
  const hide = { front: S.data.goals.length < 2, folds: !S.data.fold_rows.length, combinations: S.varied.length < 2 || !S.n, heat: S.data.about.mode === "search" || S.varied.length < 2, map: !S.varied.length, parameters: !S.axes.length, curves: !S.data.curves.some((parts) => parts.some((part) => part.values[0]?.length > 1)) };
  for (const [id, away] of Object.entries(hide)) {
    byId(id).hidden = away;
    document.querySelectorAll(`nav a[href="#${id}"]`).forEach((link) => { link.hidden = away; });
  }
  byId("curves-note").textContent = [S.data.about.rungs.length ? "Dotted: the epochs at which trials are judged." : "", S.data.trials.state.includes("STOPPED") ? "Hollow: ended early." : "", "Drag a box to keep the curves that pass it."].join(" ");
  byId("measure-note").textContent = `At one measure: ${S.by.about}. Drag along an axis to select.`;
  const phased = S.data.legs.some((leg) => leg.length > 4 && leg.slice(4, 8).some(Boolean)), known = S.data.workers.some(([, worker]) => worker);
  byId("timeline-note").textContent = `A bar a training, from pause to pause, in its state's colour, the best in orange; ${known ? "a row a worker" : "slots are worked out from the times"}.${phased ? " Full height: it trained. Half: it set up; in the text's colour its steps were traced; at the end what came after its last report. A thin line: it waited for its worker, which may have been starting." : ""}`;
  byId("folds-chart").style.height = `${Math.max(150, S.data.fold_rows.length * 30 + 60)}px`;
  byId("timeline-chart").style.height = `${Math.min(420, Math.max(120, Math.max(1, S.data.workers.length) * 32 + 60))}px`;
}
function bindCards() {
  document.querySelectorAll("[data-copy]").forEach((button) => { button.onclick = () => { copyText(button.dataset.copy); const was = button.textContent; button.textContent = "Copied ✓"; setTimeout(() => { button.textContent = was; }, 1400); }; });
  document.querySelectorAll("[data-pick]").forEach((button) => { button.onclick = () => pickTrials(button.dataset.pick.split(",").map(Number), button.dataset.label); });
  document.querySelectorAll("[data-open]").forEach((button) => { button.onclick = () => openTrial(Number(button.dataset.open)); });
  document.querySelectorAll("[data-state]").forEach((button) => {
    const state = button.dataset.state;
    button.prepend(icon(state));
    button.onclick = () => setFilter("state", S.filters.get("state")?.state === state ? null : { state, label: STATES[state], test: (row) => S.data.trials.state[row] === state });
  });
}
function drawCards() {
  document.querySelectorAll(".cards").forEach((cards) => { cards.hidden = Number(cards.dataset.study) !== S.index; cards.querySelectorAll("[data-state] svg").forEach((svg) => svg.remove()); });
  document.querySelectorAll("#studies [data-key]").forEach((button) => button.setAttribute("aria-pressed", String(Number(button.dataset.key) === S.index)));
  bindCards();
}
function drawEverything() { drawCards(); drawSections(); drawBar(); drawParameters(); drawControls(); for (const chart of charts.values()) chart.redraw(); drawTable(); drawPanel(); }
function setTheme(name) { document.documentElement.dataset.theme = name; readTheme(); byId("theme").textContent = name === "dark" ? "Light" : "Dark"; }

function start() {
  let kept = null;
  try { kept = localStorage.tunerTheme; } catch { /* a browser may forbid it for files */ }
  setTheme(kept || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  useStudy(page.studies[0]);
  curves(byId("curves-chart"), choices.curves);
  folds(byId("folds-chart"));
  parallel(byId("parallel-chart"));
  heat(byId("heat-chart"), choices.heat);
  map(byId("map-chart"), choices.map);
  history_(byId("history-chart"));
  front(byId("front-chart"));
  timeline(byId("timeline-chart"));
  on("selection", () => { drawChips(); followAll(); });
  on("rows", drawTable);
  on("measure", () => { drawSections(); drawBar(); drawParameters(); drawControls(); for (const chart of charts.values()) chart.redraw(); drawTable(); });
  on("open", () => { drawPanel(); drawTable(); });
  byId("clear").onclick = clearFilters;
  byId("more-rows").onclick = () => { table.all = true; drawTable(); };
  byId("trials-table").addEventListener("keydown", tableKeys);
  byId("theme").onclick = () => { const name = theme() === "dark" ? "light" : "dark"; try { localStorage.tunerTheme = name; } catch { /* as above */ } setTheme(name); drawEverything(); };
  byId("query").oninput = () => { const found = query(byId("query").value); byId("query-said").textContent = found?.error || ""; if (!found?.error) setFilter("query", found); };
  document.querySelectorAll("#studies [data-key]").forEach((button) => { button.onclick = () => { S.index = Number(button.dataset.key); S.filters.clear(); S.open = null; useStudy(page.studies[S.index]); drawEverything(); emit("cleared"); }; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { if (S.open !== null) openTrial(null); else if (S.filters.size) clearFilters(); } });
  addEventListener("beforeprint", () => { table.all = true; drawTable(); drawAll(); });
  drawEverything();
  const named = location.hash.match(/^#trial=(\d+)$/);
  if (named) openTrial(Number(named[1]));
  if (page.live) watch();
  requestAnimationFrame(() => { document.body.dataset.ready = String(Math.round(performance.now())); });
}
start();
