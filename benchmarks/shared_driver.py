"""A driver of `benchmarks.sharing`: one study of trials that sleep, with a broker or without.

    python -m benchmarks.shared_driver '{"study": "A", ...}'

Each trial writes down when it began and ended, by itself.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import tuner

LOG = "SHARING_LOG"
"""The file to which drivers and trials write, a JSON object a line."""


def note(**what: Any) -> None:
    """Write a line down."""
    with Path(os.environ[LOG]).open("a") as file:
        file.write(json.dumps({"t": time.time(), **what}) + "\n")


def sleeping(study: str, log: str, seconds: tuple[float, float]) -> Any:
    """A training function that sleeps, as long for the same trial wherever it runs."""

    def train(trial: Any) -> None:
        began, rng = time.time(), random.Random(f"{study}{trial.number}")
        time.sleep(rng.uniform(*seconds))
        line = {"what": "trial", "study": study, "trial": trial.number, "began": began}
        with Path(log).open("a") as file:
            file.write(json.dumps({"t": time.time(), "pid": os.getpid(), **line}) + "\n")
        trial.report(1, {"loss": trial["x"]})

    return train


def main(conf: dict[str, Any]) -> None:
    """Run the study to its end."""
    from tuner.runner import share
    from tuner.runner.display import Display
    from tuner.runner.finished import Interrupted
    from tuner.runner.request import Request
    from tuner.runner.run import run_study

    name = conf["study"]
    join = share.join

    def joins(*given: Any) -> None:
        note(what="connected", study=name)
        if conf["broker"]:
            join(*given)
        note(what="joined", study=name)

    vars(share)["join"] = joins
    experiment = tuner.Experiment(
        name=name,
        space={"x": tuner.Float(0, 1)},
        objective=sleeping(name, os.environ[LOG], tuple(conf["seconds"])),
        metric="loss",
        direction="minimize",
        dataset=None,
        sampler="random",
        scheduler="none",
        engine="ray_tune",
        trials=conf["trials"],
        weight=conf["weight"],
        retries=0,
    )

    class Said(Display):
        def line(self, text: str) -> None:
            note(what="said", study=name, line=text)

    os.environ[share.USER] = conf["user"]
    note(what="launched", study=name)
    place = {"results": conf["results"], "study": name, "address": conf["address"]}
    try:
        finished = run_study(Request(experiment, **place), Said(None))
    except Interrupted:  # the run has seen what it was to see
        return
    states = {str(state): count for state, count in finished.study.counts().items()}
    note(what="done", study=name, states=states, cpu_s=time.process_time())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
