"""Draw the pictures of the page in docs/images: light, dark, narrow, of a CV, of a failed trial;
and of the parts that say what was confirmed, and what the workers did.

python -m scripts.screenshots   # from the checkout; needs Chromium

The studies are simulated: the same curves, and so the same pictures, each time.
"""

import math
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from analysis.report import write_report
from tests.analysis.browser import CHROMIUM, NARROW, WIDE, Window
from tests.analysis.studies import saved, timed
from tuner.engines.simulated import Step
from tuner.results.results import load
from tuner.runner.compared import compared
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.confirmed import Confirmed
from tuner.trial.cells import Cell

IMAGES = Path(__file__).parent.parent / "docs" / "images"
EPOCHS = 27
SPACE: dict[str, Any] = {
    "learning_rate": Float(1e-4, 1, log=True, grid=[1e-3, 1e-2, 1e-1]),
    "units": Int(16, 256, log=True, grid=[32, 128]),
    "dropout": Float(0, 0.6, grid=[0.0, 0.3]),
    "optimizer": Categorical(["sgd", "adam"]),
    "epochs": EPOCHS,
}
STUDIES: dict[str, dict[str, Any]] = {
    "digits": {
        "trials": 60,
        "seed": 3,
        "sampler": "rung_gp",
        "scheduler": "rung_gp",
        "min_epochs": 3,
    },
    "digits-cv": {"mode": "cv", "folds": 4, "dataset": "digits", "seed": 3},
    "digits-again": {"trials": 30, "seed": 3, "sampler": "random", "scheduler": "none"},
}
PARTS = {
    "page-confirmed.png": ("digits-again", ".top"),
    "page-timeline.png": ("digits", "#timeline"),
}
"""Pictures of a part of a page: the study, and the part."""
PICTURES = {  # file: study, the state of the trial whose panel is open, how the window is
    "page-light.png": ("digits", None, {}),
    "page-dark.png": ("digits", None, {"color_scheme": "dark"}),
    "page-cv.png": ("digits-cv", None, {}),
    "page-failed.png": ("digits", "DIVERGED", {}),
    "page-narrow.png": ("digits", None, {"viewport": NARROW}),
}


def learned(cell: Cell) -> Iterator[Step]:
    """Best near a rate of 0.06 and a dropout of 0.2; at a rate far too high it diverges."""
    at, chance = cell.params, random.Random(cell.seed)
    rate = at["learning_rate"] * (8 if at["optimizer"] == "adam" else 1)
    top = 0.975 - 0.05 * (math.log10(rate) + 1.2) ** 2 - 0.15 * (at["dropout"] - 0.2) ** 2
    top += 0.012 * math.log2(at["units"] / 128) - 0.004 * cell.fold
    speed = 0.58 + 0.05 * min(1.0, at["dropout"])
    for epoch in range(1, EPOCHS + 1):
        value = max(0.1, min(0.99, top * (1 - speed**epoch) + chance.gauss(0, 0.004)))
        lost = epoch == 3 and rate > 2
        yield Step(epoch, {"val_accuracy": math.nan if lost else value, "val_loss": 1.2 - value})


def confirm(path: Path) -> None:
    """Train a study's three best again, as `confirm` does."""
    results = load(path)
    leaders = results.ranked().head(3)
    points = [dict(results.params(int(trial))) for trial in leaders["trial"]]
    first = [{k: v for k, v in point.items() if k != "epochs"} for point in points]
    new: dict[str, Any] = {"trials": 3, "repeats": 5, "seed": 4, "value": "last", "first": first}
    new |= {"sampler": "random", "scheduler": "none"}
    again = saved(path.with_name(f"{path.name}-confirmed"), learned, space=SPACE, **new)
    Confirmed(again.path, "val_accuracy", compared(leaders, again)).write(path)


def main() -> None:
    """Draw each picture, once its charts are there."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {}
        for name, fields in STUDIES.items():
            path = Path(folder) / "results" / name
            saved(path, learned, space=SPACE, workers=4, **fields)
            timed(path)
            if name == "digits-again":
                confirm(path)
            page = write_report([path])
            page.write_text(page.read_text().replace(f"{folder}/", ""))  # as if typed beside it
            pages[name] = page.as_uri()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for file, (study, state, options) in PICTURES.items():
            window = Window(browser, pages[study], **{"viewport": WIDE, **options})
            window.drawn()
            if state:
                window.page.evaluate(
                    f"openTrial(S.data.trials.trial[S.data.trials.state.indexOf('{state}')])"
                )
            window.page.wait_for_timeout(500)
            window.page.screenshot(path=IMAGES / file)
            window.close()
        for file, (study, part) in PARTS.items():
            window = Window(browser, pages[study], viewport=WIDE)
            window.drawn()
            window.page.wait_for_timeout(500)
            window.page.locator(part).screenshot(path=IMAGES / file)
            window.close()


if __name__ == "__main__":
    main()
