"""Renders the page of one study or several: one file that needs no network.

Python has worked everything out (`analysis.facts`) and says the answer in HTML; the script draws
the charts. Jinja2 escapes whatever a user named; data goes in as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from analysis.facts.lines import refit
from analysis.facts.study import Facts
from analysis.facts.winner import Winner
from analysis.facts.words import count, number, seconds
from tuner.shown import shown

FRONT = 12
"""Trials of a front that are named."""
SCRIPTS = ("store.js", "marks.js", "charts.js", "table.js", "live.js", "main.js")
STATES = {
    "COMPLETE": "complete",
    "STOPPED": "stopped early",
    "RUNNING": "running",
    "DIVERGED": "diverged",
    "FAILED": "failed",
}
NUMBERS = ("one reason", "two reasons", "three reasons", "four reasons", "five reasons")


@dataclass(frozen=True)
class Comparison:
    """Several studies side by side: column names, and a row of texts a study."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """The best trial, as the page says it; `ties` says how many others it cannot be told from."""

    trial: int
    value: str
    deviation: str
    lead: str
    ties: str
    params: Sequence[tuple[str, str]]
    refit: str


def page(
    of: Sequence[Facts], comparison: Comparison | None = None, version: int | None = None
) -> str:
    """The HTML of some studies. With `version` it is live: it asks for what comes after that."""
    running = any(one.running for one in of)
    data = {"studies": [one.as_json() for one in of], "version": version}
    return _templates().get_template("page.html.j2").render(
        title=", ".join(str(one.about["name"]) for one in of),
        running=running,
        status="running" if running else f"finished in {seconds(max(x.cost.wall_s for x in of))}",
        studies=[
            {"about": one.about, "cards": cards(one, i), "costs": costs(one)}
            for i, one in enumerate(of)
        ],
        comparison=comparison,
        style=Markup(_asset("page.css")),
        data=Markup(as_script({**data, "live": version is not None})),
        library=Markup(_asset("vendor/echarts.min.js")),
        script=Markup("\n".join(_asset(name) for name in SCRIPTS)),
    )  # fmt: skip


def cards(of: Facts, index: int = 0) -> Markup:
    """The answer, what to trust and what was searched, as HTML."""
    return rendered(
        "cards.html.j2",
        index=index,
        about=of.about,
        answer=_answer(of),
        verdict=_verdict(of),
        findings=of.findings,
        cost=of.cost,
        confirmed=_confirmed(of),
        states=STATES,
        how=_how(of),
    )


def costs(of: Facts) -> Markup:
    """Where the epochs went, and how to do it again, as HTML."""
    return rendered(
        "costs.html.j2", about=of.about, spent=_spent(of), phases=_phases(of), rungs=_rungs(of),
        origin=_origin(of),
    )  # fmt: skip


def rendered(template: str, **given: Any) -> Markup:
    """A template of the page's folder, with everything escaped that a user may have named."""
    return Markup(_templates().get_template(template).render(**given))


def as_script(data: Any) -> str:
    """JSON that can stand in a script element: without "<", no text ends it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("analysis", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _visible(value: Any) -> Any:
    """What a page says, with control characters spelt out."""
    return value if isinstance(value, Markup) else shown(str(value))


def _asset(name: str) -> str:
    return files("analysis").joinpath("page", *name.split("/")).read_text(encoding="utf-8")


def _answer(of: Facts) -> Answer | None:
    won, trials = of.winner, of.trials
    if won is None:
        return None
    best = won.best
    deviation = trials["deviation"][best]
    chosen = [(name, values[best]) for name, values in of.params.items()]
    return Answer(
        trial=trials["trial"][best],
        value=number(trials["value"][best]),
        deviation="" if deviation is None else number(deviation),
        lead=_lead(of),
        ties=_tied(won),
        params=[(name, number(value)) for name, value in chosen if value is not None],
        refit=refit(str(of.about["path"])),
    )


def _tied(won: Winner) -> str:
    others = count(len(won.ties), "other")
    if not won.ties:
        return ""
    return f"within noise of {others}" if won.noise else f"not to be told from {others}"


def _lead(of: Facts) -> str:
    won, trials = of.winner, of.trials
    if won is not None and won.why:
        return f"{won.why[0].upper()}{won.why[1:]}."
    if won is None or won.next is None or won.lead is None:
        return "The only trial with a value."
    other = f"trial {trials['trial'][won.next]}"
    if won.lead == 0:
        return f"Level with {other}: both {number(trials['value'][won.next])}."
    said = f"{number(float(f'{won.lead:.3g}'))} better than the next, {other}"
    said += f" ({number(trials['value'][won.next])})"
    samples = of.about["samples"]
    if samples and "acc" in of.about["metric"] and of.about["mode"] != "cv":
        said += f": {count(round(won.lead * samples), 'validation sample')} of {samples}"
    return f"{said}."


def _confirmed(of: Facts) -> list[tuple[int, str, str, int, str]]:
    """Of each leader that was trained again: what validation said, the mean of the new trainings
    and how many, and whether it is tied with the best of them."""
    rows = () if of.winner is None else of.winner.confirmed
    return [
        (
            row.trial,
            number(row.value),
            f"{number(row.mean)} ± {row.stderr:.2g}",
            row.trainings,
            "best mean" if place == 0 else "tied with it" if row.tied else "",
        )
        for place, row in enumerate(rows)
    ]


def _verdict(of: Facts) -> str:
    levels = [one.level for one in of.findings]
    reasons = sum(level in ("bad", "warn") for level in levels)
    if not levels:
        return "Can it be trusted? Nothing to say yet"
    if "bad" in levels:
        return "Can it be trusted? Not yet"
    if not reasons:
        return "Can it be trusted? It looks sound"
    said = NUMBERS[reasons - 1] if reasons <= len(NUMBERS) else f"{reasons} reasons"
    return f"Can it be trusted? With care, for {said}"


def _how(of: Facts) -> list[tuple[str, str]]:
    about, spent = of.about, of.cost
    search = f"{about['sampler']} + {about['scheduler']}"
    if about["mode"] == "cv":
        search = f"every point on {about['folds']} folds"
        search += f" x {about['repeats']}" if about["repeats"] > 1 else ""
    elif about["mode"] == "grid":
        search = "every point of a grid"
    data = about["dataset"] or "none"
    if about["samples"]:
        data += f", {about['samples']} {'a fold' if about['mode'] == 'cv' else 'to validate'}"
    epochs = f"{spent.trained:,} trained"
    if spent.saved:
        whole = spent.trained + spent.saved
        epochs += f", {spent.saved:,} saved ({100 * spent.saved / whole:.0f}%)"
    epochs += f", {spent.shared:,} shared" if spent.shared else ""
    time = seconds(spent.wall_s)
    time += f" ({seconds(spent.to_start_s)} to start)" if spent.to_start_s else ""
    value = f"of the {about['value_rule']} epoch"
    rows = [("Search", search), ("Value", value), ("Data", data), ("Epochs", epochs)]
    if len(about["goals"]) > 1:
        ways = " and ".join(f"{way} {metric}" for metric, way in about["goals"].items())
        some = ", ".join(map(str, about["front"][:FRONT]))
        more = ", ..." if len(about["front"]) > FRONT else ""
        rows[1:1] = [
            ("Goals", ways),
            ("Front", f"{count(len(about['front']), 'trial')}: {some}{more}"),
        ]
    if about["validation"] == "test":
        rows.append(("Judged on", "the test set"))
    return [*rows, ("Time", time), ("Work", f"{seconds(spent.work_s)} on {_slots(of)}")]


def _slots(of: Facts) -> str:
    workers = {row.worker for row in of.workers if row.worker}
    return count(len(workers), "worker") if workers else count(len(of.workers) or 1, "slot")


def _spent(of: Facts) -> list[tuple[str, int, str, str]]:
    """Rows of the bars: name, percent of the longest, text, CSS class."""
    spent = of.cost
    whole = max(spent.trained + spent.saved + spent.shared, 1)
    rows = [
        (
            STATES[x.state],
            round(100 * x.epochs / whole),
            f"{x.epochs:,} in {seconds(x.seconds)}",
            "",
        )
        for x in spent.states
    ]
    for name, epochs in (("saved", spent.saved), ("shared", spent.shared)):
        if epochs:
            rows.append((name, round(100 * epochs / whole), f"{epochs:,}", "saved"))
    return rows


def _phases(of: Facts) -> list[tuple[str, int, str]]:
    """Rows of the bars of what trials did: name, percent of the longest, text."""
    spent = of.cost.phases
    most = max([*spent.values(), 1e-9])
    return [(name, round(100 * s / most), seconds(s)) for name, s in spent.items() if s >= 0.05]


def _rungs(of: Facts) -> list[tuple[int, int, int]]:
    """Of each rung its epoch, how many trials reached it, and how many trained beyond."""
    last = of.course.last + 1
    found = [
        (rung, int((last >= rung).sum()), int((last > rung).sum())) for rung in of.about["rungs"]
    ]
    return [row for row in found if row[1]] if np.any(last > 0) else []


def _origin(of: Facts) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in of.about["versions"].items())
    return f"Seed {of.about['seed']}; begun {of.about['created_at']}; {versions}."
