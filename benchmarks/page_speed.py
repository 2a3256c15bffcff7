"""The page at 1,000 trials of 50 epochs: size, time to build and be ready, brush to frame.

    python -m benchmarks.page_speed STUDY [--trials 1000] [--epochs 50]

Trials and curves are made up in the search space of a study that there is; nothing is trained.
Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.facts.study import facts
from analysis.loading import Tables, load, the_study
from analysis.page.render import page

BRUSH = """
async () => {
  const place = document.querySelector("#parameter-rows .strip");
  const box = place.getBoundingClientRect();
  const send = (kind, x, y) => place.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, button: 0, pointerId: 1,
    clientX: box.left + x * box.width, clientY: box.top + y }));
  place.setPointerCapture = () => {};
  send("pointerdown", 0.2, 4);
  const times = [];
  for (let step = 0; step < 40; step++) {
    const began = performance.now();
    send("pointermove", 0.3 + 0.015 * step, 30);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - began);
  }
  send("pointerup", 0.9, 30);
  return times;
}
"""


def large(tables: Tables, trials: int, epochs: int, seed: int = 1) -> Tables:
    """Tables of so many trials, drawn from those of a study, all but 3% run to their end."""
    rng = np.random.default_rng(seed)
    valued = tables.trials[tables.trials["value"].notna()]
    rows = valued.sample(trials, replace=True, random_state=seed).reset_index(drop=True)
    top = rng.uniform(0.5, 0.99, trials)
    ends = np.full(trials, epochs)
    bad = rng.choice(trials, trials // 33, replace=False)
    ends[bad] = rng.integers(1, 12, len(bad))
    number = np.repeat(np.arange(trials), ends)
    epoch = np.concatenate([np.arange(1, end + 1) for end in ends])
    value = top[number] * (1 - 0.8**epoch) + rng.normal(0, 0.005, len(epoch))
    rows["trial"], rows["epochs"], rows["state"] = range(trials), ends, "COMPLETE"
    rows.loc[bad, "state"], rows.loc[bad, "value"] = "FAILED", np.nan
    rows.loc[bad, "error"] = "MemoryError: out of memory"
    rows["duration_s"], rows["waited_s"] = ends * 0.02 + 0.02, 0.05
    rows["setup_s"], rows["trace_s"], rows["train_s"] = 0.003, 0.005, ends * 0.02 - 0.008
    last = np.cumsum(ends) - 1
    rows["value"] = np.where(rows["state"] == "FAILED", np.nan, value[last])
    metric = the_study(tables.studies)["metric"]
    reports = pd.DataFrame(
        {
            "study": rows["study"].iloc[0],
            "trial": number,
            "fold": 0,
            "epoch": epoch,
            "time_s": epoch * 0.02,
            metric: value,
            "loss": 2.3 * (1 - value),
            "val_loss": 2.4 * (1 - value),
            "accuracy": value + 0.01,
            "decision": "CONTINUE",
            "why": "",
            "worker": (number % 4).astype(str),
            "order": range(len(epoch)),
        }
    )
    began = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(number // 4 * 1.1, unit="s")
    reports["at"] = began + pd.to_timedelta(reports["time_s"], unit="s")
    return Tables(
        rows, reports.reindex(columns=[*reports, "learning_rate", "rung"]), tables.studies
    )


def measure(path: Path) -> tuple[float, list[float], dict[str, float]]:
    """Milliseconds until the page is ready, and from each of 40 moves of a brush to its frame.

    And, by kind, the milliseconds of CPU that a move took of the page's thread, whatever else the
    machine did: drawing canvases and frames is other threads' work and not among them.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1440, "height": 900})
        window.goto(path.as_uri())
        window.wait_for_selector("body[data-ready]", timeout=120_000)
        ready = float(window.evaluate("document.body.dataset.ready"))
        window.wait_for_timeout(1500)
        tools = window.context.new_cdp_session(window)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = _seconds(tools)
        brushed = window.evaluate(BRUSH)
        spent = {
            name: 1000 * (value - before[name]) / len(brushed)
            for name, value in _seconds(tools).items()
        }
        return ready, brushed, spent


def _seconds(tools: Any) -> dict[str, float]:
    """Seconds of CPU of the page's thread so far, by kind."""
    kinds = {"TaskDuration": "all", "ScriptDuration": "script", "LayoutDuration": "layout"}
    found = tools.send("Performance.getMetrics")["metrics"]
    return {kinds[one["name"]]: one["value"] for one in found if one["name"] in kinds}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("study", type=Path)
    ask.add_argument("--trials", type=int, default=1000)
    ask.add_argument("--epochs", type=int, default=50)
    given = ask.parse_args()
    tables = large(load(given.study), given.trials, given.epochs)
    began = time.process_time()
    without = facts(tables, {})
    text = page([without])
    drawn = time.process_time()
    found = facts(tables)
    worked_out = time.process_time()
    text = page([found])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(text, encoding="utf-8")
        ready, brushed, spent = measure(path)
    p50, p95 = np.percentile(brushed, [50, 95])
    print(f"{given.trials} trials x {given.epochs} epochs: {len(text.encode()) / 1e6:.2f} MB")
    print(f"build {drawn - began:.2f} s of CPU without importance, {worked_out - drawn:.2f} s with")
    print(f"ready in {ready:.0f} ms; brush to frame p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    said = ", ".join(f"{name} {ms:.1f} ms" for name, ms in sorted(spent.items()))
    print(f"CPU of the page's thread a move: {said}")


if __name__ == "__main__":
    main()
