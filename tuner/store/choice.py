"""Which trial of a study is its best, and by what rule: one answer for all who say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tuner.errors import StudyError
from tuner.store.one_se import simplest_of_equals

if TYPE_CHECKING:
    import pandas as pd

    from tuner.store.confirmed import Confirmed

BY_VALUE, BY_CONFIRMING, BY_ONE_SE = "value", "confirmed", "one_se"


class Choice(NamedTuple):
    """The best trial; `by` is the rule (value, confirmed, one_se), `why` its reason in words,
    empty where the best value is all that was asked for."""

    trial: int
    by: str
    why: str


class Rule(NamedTuple):
    """What a study says of the choice: its options `choose` and `simplest`, and its trainings a
    trial."""

    choose: str
    simplest: str | None
    cells: int


def choice_of(
    rule: Rule, ranked: pd.DataFrame, reports: pd.DataFrame, confirmed: Confirmed | None
) -> Choice | None:
    """The choice among the trials that rank, the best value first; None where there are none.

    Where the leaders were confirmed it is the best of their means, as long as they are the leaders.
    A rule that does not hold for these trials gives the best value, and says why.
    """
    if ranked.empty:
        return None
    first = int(ranked["trial"].iloc[0])
    if rule.choose == BY_ONE_SE:
        try:
            found = simplest_of_equals(ranked, reports, rule.cells, rule.simplest)
        except StudyError as error:
            return Choice(first, BY_VALUE, f"trial {first}, by its value: {error}")
        return Choice(found.trial, BY_ONE_SE, found.why)
    if confirmed is not None:
        leaders = ranked["trial"].head(len(confirmed.rows))
        if set(leaders) == set(confirmed.trials):
            return Choice(confirmed.best, BY_CONFIRMING, confirmed.why)
    return Choice(first, BY_VALUE, "")
