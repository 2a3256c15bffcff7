/* The table of trials, sorted and filtered; and the panel of one trial. */
const FIRST_ROWS = 100;
const table = { sort: "rank", down: false, all: false };
function columns() {
  const { trials, about } = S.data;
  const optional = (name, label, text) => trials[name].some((value) => value !== null && value !== 0 && value !== "") ? [{ name: label, of: (row) => trials[name][row], text }] : [];
  return [
    { name: "rank", of: (row) => S.rank[row], text: (row) => `${row === S.data.best ? "★ " : ""}${S.rank[row] || "–"}` },
    { name: "trial", of: (row) => trials.trial[row] },
    { name: "state", of: (row) => trials.state[row], state: true },
    { name: about.metric, of: (row) => trials.value[row], text: (row) => fixed(trials.value[row]) },
    ...optional("deviation", "± folds", (row) => show(trials.deviation[row], 2)),
    ...(S.data.measures.length > 1 ? [{ name: S.by.key === "value" ? S.data.measures[0].label : S.by.label, of: (row) => (S.by.key === "value" ? S.data.measures[0] : S.by).values[row], text: (row) => S.by.key === "value" || S.by.key === "equal" ? (S.data.measures[0].values[row] === null ? "–" : percent(S.data.measures[0].values[row])) : fixed(S.by.values[row]) }] : []),
    { name: "epochs", of: (row) => trials.epochs[row] },
    { name: "seconds", of: (row) => trials.seconds[row], text: (row) => show(trials.seconds[row], 3) },
    ...S.axes.map((axis) => ({ name: axis.name, of: (row) => axis.values[row], text: (row) => clip(show(axis.values[row]), 24) })),
    ...(trials.error.some(Boolean) ? [{ name: "error", of: (row) => trials.error[row], text: (row) => trials.error[row] ? clip(lastLine(trials.error[row]), 60) : "" }] : []),
  ];
}
function tableRows() {
  const column = columns().find((one) => one.name === table.sort) || columns()[0];
  const rows = Array.from({ length: S.n }, (_, row) => row).filter((row) => S.mask[row]);
  const higher = column.name === S.data.about.metric && S.data.about.direction === "maximize";
  const sign = (table.down ? -1 : 1) * (higher ? -1 : 1);
  return rows.sort((a, b) => {
    const p = column.of(a) ?? null, q = column.of(b) ?? null;
    if ((p === null) !== (q === null)) return p === null ? 1 : -1; // those without one come last
    if (p !== q) return p < q ? -sign : sign;
    const [x, y] = [a, b].map((row) => isNaN(S.good[row]) ? -1 : S.good[row]);
    return y - x || a - b;
  });
}
/* Where the keyboard stands, so that a table drawn anew under it (a filter, a live study) keeps it. */
function focusedInTable() {
  const at = document.activeElement;
  if (!at?.matches("#trials-table button")) return null;
  const row = at.closest("tr[data-trial]");
  return row ? `tr[data-trial="${row.dataset.trial}"] button` : `th:nth-child(${at.closest("th").cellIndex + 1}) button`;
}
function drawTable() {
  const shown = columns(), rows = tableRows(), most = table.all ? rows.length : FIRST_ROWS;
  const head = el("tr", {}, shown.map((column) => el("th", { scope: "col", class: column.state || rows.some((row) => typeof column.of(row) === "string") ? "text" : null, "aria-sort": table.sort === column.name ? (table.down ? "descending" : "ascending") : "none" }, el("button", { onclick: () => { table.down = table.sort === column.name ? !table.down : false; table.sort = column.name; drawTable(); } }, column.name, table.sort === column.name ? (table.down ? " ↓" : " ↑") : ""))));
  const body = rows.slice(0, most).map((row) => el("tr", { "data-trial": S.data.trials.trial[row], class: S.data.trials.trial[row] === S.open ? "open" : row === S.data.best ? "best" : null, onclick: () => openTrial(S.data.trials.trial[row]) }, shown.map((column) => {
    if (column.state) return el("td", { class: "text" }, icon(column.of(row)), ` ${STATES[column.of(row)]}`);
    const text = column.text ? column.text(row) : show(column.of(row));
    if (column.name === "trial") return el("td", {}, el("button", { class: "link", "aria-label": `Open trial ${text}`, onclick: (event) => { event.stopPropagation(); openTrial(S.data.trials.trial[row]); } }, text));
    return el("td", { class: typeof column.of(row) === "string" ? "text" : null, title: column.name === "error" ? column.of(row) && lastLine(column.of(row)) : null }, text);
  })));
  const focused = focusedInTable();
  byId("trials-table").replaceChildren(el("table", { class: "trials" }, el("caption", { class: "hidden" }, "Trials"), el("thead", {}, head), el("tbody", {}, body)));
  if (focused) byId("trials-table").querySelector(focused)?.focus({ preventScroll: true });
  byId("more-rows").hidden = rows.length <= most;
  byId("more-rows").textContent = `Show all ${rows.length.toLocaleString("en")}`;
}
/* Arrow keys move from row to row, Enter opens. */
function tableKeys(event) {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
  if (!step) return;
  const buttons = [...byId("trials-table").querySelectorAll("td button")];
  const next = buttons[Math.max(0, Math.min(buttons.length - 1, buttons.indexOf(document.activeElement) + step))];
  if (next) { next.focus(); event.preventDefault(); }
}
async function copyText(text) {
  try { await navigator.clipboard.writeText(text); } catch { const area = el("textarea", {}); area.value = text; document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); }
}
function copyButton(text, label = "Copy") {
  const button = el("button", { class: "small", title: text, onclick: () => { copyText(text); button.textContent = "Copied ✓"; setTimeout(() => { button.textContent = label; }, 1400); } }, label);
  return button;
}
const command = (text) => el("div", { class: "command" }, el("pre", { tabindex: 0 }, text), copyButton(text));

/* Seconds of work, and what they went into as far as that is known. */
function timeOf(row) {
  const { trials } = S.data, said = [["set up", "setup_s"], ["traced", "trace_s"], ["trained", "train_s"]], waited = trials.waited_s?.[row];
  const known = said.filter(([, name]) => trials[name]?.[row]).map(([word, name]) => `${word} ${show(trials[name][row], 3)}`);
  return `${show(trials.seconds[row], 3)} s${known.length > 1 ? `: ${known.join(", ")}` : ""}${waited ? `; waited ${show(waited, 3)} before` : ""}`;
}

let panelChart = null, cameFrom = null;
function drawPanel() {
  const panel = byId("panel"), row = S.open === null ? undefined : S.row.get(S.open);
  panelChart?.drop();
  panelChart = null;
  if (row === undefined) {
    const was = !panel.hidden;
    panel.hidden = true;
    document.body.classList.remove("with-panel");
    if (was) cameFrom?.focus?.();
    return;
  }
  if (panel.hidden) cameFrom = document.activeElement;
  const { trials, about, best } = S.data, trial = trials.trial[row];
  const value = (of, name) => show(S.axis.get(name).values[of]);
  const fact = (name, text) => text === null || text === undefined || text === "" ? null : [el("dt", {}, name), el("dd", {}, text)];
  const beside = best !== null && best !== row;
  const chart = el("div", { class: "chart", style: "height:210px", role: "img", "aria-label": `Curves of trial ${trial}` });
  const path = /^[\w@%+=:,./-]+$/.test(about.path) ? about.path : `'${about.path.replace(/'/g, "'\\''")}'`;
  panel.replaceChildren(
    el("div", { class: "panel-head" }, el("h2", { id: "panel-title" }, icon(trials.state[row]), ` Trial ${trial}`), row === best ? el("span", { class: "star" }, "★ best") : null, el("span", { class: "soft" }, `${STATES[trials.state[row]]}${S.rank[row] ? `, rank ${S.rank[row]}` : ""}`), el("span", { class: "grow" }), el("button", { class: "small", "aria-label": "Close", onclick: () => openTrial(null) }, "✕")),
    el("dl", {}, fact(about.metric, `${fixed(trials.value[row])}${trials.deviation[row] === null ? "" : ` ± ${show(trials.deviation[row], 2)} over folds`}${trials.best_epoch[row] ? `, of epoch ${trials.best_epoch[row]}` : ""}`), S.measure === "equal" ? fact("beats", `${measured(S.by.values[row])} of the others at equal epochs`) : null, fact("epochs", `${trials.epochs[row]} trained${trials.saved[row] ? `, ${trials.saved[row]} saved` : ""}`), fact("time", timeOf(row)), fact("ended", trials.why[row]), fact("lineage", trials.lineage?.[row]), fact("shares training with", trials.shared_with[row]), fact(trials.worker[row] ? "worker" : "host", [trials.worker[row], trials.host[row]].filter(Boolean).join(" on ")), fact("memory", trials.memory_mb[row] === null ? null : `${show(trials.memory_mb[row], 3)} MB`), fact("seed", trials.seed[row])),
    trials.error[row] ? el("section", {}, el("h3", {}, "Error"), el("pre", { class: "error", tabindex: 0 }, trials.error[row])) : "",
    el("h3", {}, "Parameters"),
    el("table", { class: "plain" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "parameter"), el("th", { scope: "col" }, "here"), beside ? el("th", { scope: "col" }, "best") : null)), el("tbody", {}, S.axes.filter((axis) => axisHas(axis.name, row)).map((axis) => el("tr", {}, el("th", { scope: "row" }, axis.name), el("td", { class: beside && value(row, axis.name) !== value(best, axis.name) ? "differs" : null }, value(row, axis.name)), beside ? el("td", {}, value(best, axis.name)) : null)))),
    S.data.curves[row].length ? el("h3", {}, "Curves") : "", S.data.curves[row].length ? chart : "",
    el("h3", {}, "Train it again on all the data"), command(`python -m tuner refit ${path} --trial ${trial}${trials.lineage?.[row]?.includes(">") ? " --schedule" : ""}`),
    el("h3", {}, "What it printed"), command(`python -m tuner logs ${path} ${trial}`),
  );
  panel.hidden = false;
  document.body.classList.add("with-panel");
  panel.focus();
  if (!S.data.curves[row].length) return;
  const tones = [INK.best, INK.accent, INK["soft-ink"], STATE_COLOURS[theme()].RUNNING], kinds = ["solid", "dashed", "dotted", "solid"];
  const names = S.data.metrics.slice(0, 4);
  panelChart = new Chart(chart, {
    option: () => ({ legend: { top: 0, textStyle: { color: INK["soft-ink"] } }, grid: { left: 46, right: 14, top: 34, bottom: 24 }, xAxis: { ...ruled(), type: "value", minInterval: 1, min: 1, max: (seen) => Math.max(2, seen.max), splitLine: { show: false } }, yAxis: { ...ruled(), type: "value", scale: true }, tooltip: { trigger: "axis", confine: true } }),
    series: () => names.map((name, at) => { const [epochs, values] = curveOf(row, at); return { type: "line", name, data: epochs.map((epoch, k) => [epoch, values[k]]), showSymbol: epochs.length < 12, lineStyle: { color: tones[at], type: kinds[at], width: at ? 1.4 : 2.4 }, itemStyle: { color: tones[at] } }; }),
  });
}
