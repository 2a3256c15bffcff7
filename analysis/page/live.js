/* A study that runs: what changed comes as server-sent events, each the changes since the one before. */
function apply(target, changes) {
  for (const [path, value, tail] of changes) {
    let at = target;
    for (const key of path.slice(0, -1)) at = at[key];
    const last = path[path.length - 1];
    if (tail) at[last].push(...value); else at[last] = value;
  }
}
function watch() {
  const source = new EventSource(`events?version=${page.version}`);
  source.onopen = () => { byId("live").textContent = "live"; };
  source.onerror = () => { byId("live").textContent = "connection lost, trying again"; };
  source.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.from !== page.version && message.from !== null) { location.reload(); return; }
    page.version = message.version;
    if (message.from === null) page.studies[0] = message.study; else apply(page.studies[0], message.changes);
    for (const [name, html] of Object.entries(message.cards)) document.querySelector(`.cards.${name}`).innerHTML = html; // escaped by the server
    const [box, words] = [byId("query"), byId("query").value];
    useStudy(page.studies[0]);
    drawEverything();
    box.value = words;
    document.body.dataset.version = String(page.version);
    // No trial runs: it may be the end, or the moment between two trials. Who listens on finds out.
    byId("live").textContent = message.ended ? "no trial is running" : "live";
  };
}
