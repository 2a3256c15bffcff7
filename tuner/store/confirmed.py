"""confirmed.json: how a study's leaders did when they were trained again, on new splits and seeds.

The trainings are a study of their own, beside the first one; what they say is kept in the first.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import ResultsError
from tuner.files import put_bytes
from tuner.store.layout import CONFIRMED_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


@dataclass(frozen=True)
class Again:
    """A leader, trained again: its number in the study confirmed, and what that said (`value`);
    `mean`, `std` (ddof 1) and `stderr` of its new `trainings`; `tied`, whether it cannot be told
    from the first one."""

    trial: int
    value: float
    mean: float
    std: float
    stderr: float
    trainings: int
    tied: bool


@dataclass(frozen=True)
class Confirmed:
    """The leaders of a study, trained again: `rows`, the best mean first.

    `path` is the folder of the new study, which lies beside the first.
    """

    path: Path
    metric: str
    rows: Sequence[Again]

    @property
    def best(self) -> int:
        """The trial of the best mean."""
        return self.rows[0].trial

    @property
    def trials(self) -> list[int]:
        """The leaders, the best mean first."""
        return [row.trial for row in self.rows]

    @property
    def tied(self) -> list[int]:
        """Those that cannot be told from the best."""
        return [row.trial for row in self.rows if row.tied]

    @property
    def table(self) -> pd.DataFrame:
        """A row a leader, the best mean first; the columns are those of `Again`."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def lines(self) -> list[str]:
        """What was found, in words: of each leader what validation said and what came of it."""
        return [
            f"trial {row.trial}: validation said {self.metric} {row.value:.4f}, "
            f"{row.trainings} new trainings {row.mean:.4f} +- {row.stderr:.4f}"
            for row in self.rows
        ]

    @property
    def why(self) -> str:
        """Who is chosen, and who cannot be told from it, in a line."""
        tied = ", ".join(map(str, self.tied))
        also = f"; not to be told from it: {tied}" if tied else ""
        return f"trial {self.best}, by the mean of {self.rows[0].trainings} new trainings{also}"

    def write(self, folder: Path) -> None:
        """Keep it in the folder of the study that was confirmed."""
        content = {
            "study": self.path.name,
            "metric": self.metric,
            "trials": [asdict(row) for row in self.rows],
        }
        put_bytes(folder / CONFIRMED_FILE, json.dumps(content, indent=2).encode() + b"\n")


def read_confirmed(folder: Path) -> Confirmed | None:
    """What confirming a study has found; None where nobody has.

    Raises ResultsError where the file cannot be read.
    """
    file = folder / CONFIRMED_FILE
    try:
        return parse_confirmed(file.read_bytes(), folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(f"{file} cannot be read: {error}") from None


def parse_confirmed(text: bytes, folder: Path) -> Confirmed:
    """The content of a confirmed.json in `folder`. Raises ResultsError where it is broken."""
    try:
        content: dict[str, Any] = json.loads(text)
        rows = [Again(**row) for row in content["trials"]]
        if not rows:
            raise ValueError("it names no trial")
        return Confirmed(folder.parent / content["study"], content["metric"], rows)
    except (ValueError, TypeError, KeyError) as error:
        raise ResultsError(
            f"{folder / CONFIRMED_FILE} is not whole ({type(error).__name__} {error})",
            way_out="remove it, and confirm the study again",
        ) from None
