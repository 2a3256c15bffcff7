"""Which trial of a study is its best, and by what rule: one answer for all who say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from tuner.store.confirmed import Confirmed

BY_VALUE, BY_CONFIRMING = "value", "confirmed"


class Choice(NamedTuple):
    """The best trial; `by` is the rule (value, confirmed), `why` its reason in words."""

    trial: int
    by: str
    why: str


def choice_of(ranked: pd.DataFrame, confirmed: Confirmed | None) -> Choice | None:
    """The choice among the trials that rank, the best value first; None where there are none.

    Where the leaders were confirmed it is the best of their means, as long as they are the leaders.
    """
    if ranked.empty:
        return None
    if confirmed is not None:
        leaders = ranked["trial"].head(len(confirmed.rows))
        if set(leaders) == set(confirmed.trials):
            return Choice(confirmed.best, BY_CONFIRMING, confirmed.why)
    return Choice(int(ranked["trial"].iloc[0]), BY_VALUE, "")
