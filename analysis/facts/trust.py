"""What speaks for the winner and against it: ties, edges, too few trials, failures, curves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.agreement import disagreement
from analysis.facts.fidelity import Course
from analysis.facts.lines import confirm, refit, run_again
from analysis.facts.winner import Winner
from analysis.facts.words import count, last_line, number, some
from analysis.loading import Tables, the_study
from tuner.store.layout import PARAM_PREFIX

LEVELS = ("bad", "warn", "good", "info")
PER_PARAMETER = 10
"""Trials a parameter that a search should have, by a rule of thumb."""
FEW_COMPLETE = 3
"""Trials that must have run to the end for a lead to say much."""
NEAR = 0.05
"""What part of an axis is its edge."""
MOST_CONFIRMED = 5
"""Leaders that are to be trained again at most, where more are tied."""
BOUNDED = {"momentum", "rho", "beta_1", "beta_2", "dropout", "decay", "weight_decay"}
"""Parameters whose range ends where nature has it."""


@dataclass(frozen=True)
class Finding:
    """A line of the trust card. `line` is to be copied; `trials` and `param` are what it is of."""

    level: str
    title: str
    text: str
    line: str | None = None
    trials: Sequence[int] = ()
    param: str | None = None


def findings(tables: Tables, of: Course, won: Winner | None) -> list[Finding]:
    """All that is to be said, the gravest first."""
    if won is None:
        found = list(_failures(tables))
        if (tables.trials["state"] != "RUNNING").any():
            found.insert(0, Finding("bad", "No trial has a value", "There is no winner yet."))
        return found
    found = [
        *_confirmed(tables, won),
        *_ties(tables, won),
        *_seed(tables, won),
        *_edges(tables, won),
        *_enough(tables, won),
        *_levelled(tables, of, won),
        *_failures(tables),
    ]
    doubt = disagreement(tables) if the_study(tables.studies)["has_rungs"] else None
    if doubt is not None:
        found.append(Finding("warn", "Rungs and ends disagree", doubt))
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _ties(tables: Tables, won: Winner) -> Iterator[Finding]:
    study, ids = the_study(tables.studies), tables.trials["trial"]
    if won.noise is None:
        return
    near = f"±{won.noise.half:.2g} ({won.noise.basis})"
    if won.ties:
        tied = [int(ids.iloc[row]) for row in won.ties]
        verb = "Trials {} are" if len(tied) > 1 else "Trial {} is"
        text = f"{verb.format(some(tied))} within noise of the winner, {near}."
        line = None
        if study["mode"] == "cv":
            text += " More repeats would tell them apart."
            line = run_again(study, shuffle=True, repeats=max(3, 2 * int(study["repeats"])))
        elif can_be_confirmed(tables):
            text += " Training the leaders again, on new splits and seeds, tells them apart."
            line = confirm(study["path"], top=min(1 + len(tied), MOST_CONFIRMED))
        first = [int(ids.iloc[won.best]), *tied]
        yield Finding("warn", f"{len(first)} trials tie for first", text, line, first)
    elif won.lead is not None and len(won.order) >= 5:
        text = f"{number(won.lead)} better than the next; noise is {near}."
        yield Finding("good", "The lead is larger than noise", text)


def can_be_confirmed(tables: Tables) -> bool:
    """Whether its leaders are points, of which one metric says who is better."""
    one = len(json.loads(the_study(tables.studies)["goals"])) == 1
    return one and "parent" not in tables.trials  # a population's best is a schedule


def _confirmed(tables: Tables, won: Winner) -> Iterator[Finding]:
    """What came of the leaders when they were trained again."""
    if not won.confirmed:
        return
    best, ids = won.confirmed[0], tables.trials["trial"]
    if ids.iloc[won.best] != best.trial:
        text = f"Trial {best.trial} was confirmed before, among others that led then."
        yield Finding("info", "The winner itself was not confirmed", text, trials=[best.trial])
        return
    text = (
        f"Validation said {number(best.value)}; {best.trainings} trainings on new splits and seeds "
        f"say {number(best.mean)} ± {best.stderr:.2g}."
    )
    if won.ties:
        tied = [int(ids.iloc[row]) for row in won.ties]
        text += f" They do not tell it from {some(tied)}."
        yield Finding("warn", "Confirmed, and not alone", text, trials=[best.trial, *tied])
    else:
        yield Finding("good", "The winner holds when it is trained again", text)


def _seed(tables: Tables, won: Winner) -> Iterator[Finding]:
    study = the_study(tables.studies)
    if study["mode"] == "cv" or pd.isna(study["dataset"]) or won.confirmed or won.ties:
        return  # or it was, or is to be: the ties say how
    line = refit(study["path"], seed=1)
    text = "Each point was trained once: train the winner from other seeds to trust its last digit."
    yield Finding("info", "Luck of the seed was not measured", text, line)


def _edges(tables: Tables, won: Winner) -> Iterator[Finding]:
    study = the_study(tables.studies)
    if study["mode"] != "search":
        return
    row = tables.trials.iloc[won.best]
    for name, axis in json.loads(study["space"]).items():
        value = row.get(PARAM_PREFIX + name)
        if axis["kind"] not in ("float", "int") or pd.isna(value) or name == "epochs":
            continue
        low, high = axis["low"], axis["high"]
        place = np.log if axis.get("log") else float
        if not high > low:
            continue
        at = (place(value) - place(low)) / (place(high) - place(low))
        if NEAR <= at <= 1 - NEAR:
            continue
        top = at > 0.5
        where = f"{number(value)} in {number(low)} to {number(high)}"
        title = f"{name} won at the {'top' if top else 'bottom'} of its range"
        if (name in BOUNDED and (top or low == 0)) or (not top and low == 0):
            yield Finding("info", title, f"{where}; a natural bound.", param=name)
        else:
            text = f"{where}: the best may lie outside. Widen the axis in the experiment."
            yield Finding("warn", title, text, _wider(name, axis, top), param=name)


def _wider(name: str, axis: dict[str, Any], top: bool) -> str:
    """The axis as an experiment's line, a decade or a double further on the side of the winner."""
    low, high = axis["low"], axis["high"]
    if axis.get("log"):
        low, high = (low, high * 10) if top else (low / 10, high)
    else:
        low, high = (low, high + (high - low)) if top else (low - (high - low), high)
    kind = "Float" if axis["kind"] == "float" else "Int"
    if kind == "Int":
        low, high = max(round(low), 1) if axis.get("log") else round(low), round(high)
    return f'"{name}": {kind}({low:g}, {high:g}{", log=True" if axis.get("log") else ""}),'


def _enough(tables: Tables, won: Winner) -> Iterator[Finding]:
    study, trials = the_study(tables.studies), tables.trials
    if study["mode"] != "search":
        return
    space = json.loads(study["space"])
    free = [name for name, axis in space.items() if axis["kind"] != "constant" and name != "epochs"]
    ended = int((trials["state"] != "RUNNING").sum())
    complete = trials.loc[trials["state"] == "COMPLETE", "trial"]
    if len(complete) < FEW_COMPLETE <= ended:
        title = f"Only {count(len(complete), 'trial')} ran to the end"
        text = "The lead over the next says little: rivals may be among those that were stopped."
        yield Finding("warn", title, text, trials=[int(trial) for trial in complete])
    wanted = PER_PARAMETER * len(free)
    of = f"{count(ended, 'trial')} for {count(len(free), 'parameter')}"
    if ended < wanted:
        level = "warn" if 2 * ended < wanted else "info"
        text = f"A rule of thumb is {PER_PARAMETER} a parameter ({wanted})."
        line = run_again(study, trials=wanted, resume=True)
        yield Finding(level, f"Few trials: {of}", text, line)
    else:
        yield Finding("good", of, "At least ten a parameter.")
    best = int(trials["trial"].iloc[won.best])
    if ended >= 10 and best + 1 > 0.8 * ended:
        text = f"The winner came as trial {best} of {ended}: more trials may find more."
        line = run_again(study, trials=2 * ended, resume=True)
        yield Finding("warn", "Still getting better when it ended", text, line)


def _levelled(tables: Tables, of: Course, won: Winner) -> Iterator[Finding]:
    study = the_study(tables.studies)
    sign = 1.0 if study["direction"] == "maximize" else -1.0
    last = of.last[won.best]
    curve = sign * of.values[won.best, : last + 1]
    if last >= 7 and won.noise is not None and np.isfinite(curve).all():
        gain = curve[last] - curve[int(last * 0.75)]
        if gain > won.noise.half:
            text = f"It gained {number(float(gain))} in its last quarter of epochs: train longer."
            line = run_again(study, epochs=2 * (int(last) + 1))
            yield Finding("warn", "The winner had not levelled off", text, line)
        drop = curve.max() - curve[last]
        if drop > won.noise.half:
            peak = int(curve.argmax()) + 1
            text = f"Its best epoch was {peak}, {number(float(drop))} better than its last."
            yield Finding("warn", "The winner got worse at the end", text)
    stopped = (tables.trials["state"] == "STOPPED").to_numpy() & (of.last >= 0)
    stopped[won.best] = False
    rows = np.flatnonzero(stopped & (of.last <= last))
    ahead = [
        int(tables.trials["trial"].iloc[row])
        for row in rows
        if sign * (of.values[row, of.last[row]] - of.values[won.best, of.last[row]]) > 0
    ]
    if ahead:
        text = f"Trial {some(ahead)}: ahead of the winner at the epoch where it was ended."
        title = f"{count(len(ahead), 'stopped trial')} led the winner when stopped"
        yield Finding("info", title, text, trials=ahead)


def _failures(tables: Tables) -> Iterator[Finding]:
    trials = tables.trials
    bad = trials[trials["state"].isin(["FAILED", "DIVERGED"])]
    ended = int((trials["state"] != "RUNNING").sum())
    if bad.empty:
        return
    reasons = Counter(last_line(text) for text in bad["error"].dropna() if text.strip())
    said = f"Most often: {reasons.most_common(1)[0][0]}. " if reasons else ""
    yield Finding(
        "bad" if len(bad) > ended / 4 else "warn",
        f"{len(bad)} of {count(ended, 'trial')} failed or diverged",
        said + "The search learns little from them.",
        trials=[int(trial) for trial in bad["trial"]],
    )
