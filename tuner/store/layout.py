"""The tables of a study's folder: their files, columns and types. Imported by all who read them.

results/<study>/
    study.json          what was asked for, written before the first trial
    trials.parquet      one row a trial
    reports.parquet/    one row a report, in parts that pandas reads as one table
    journal.log         the ledger: Optuna's journal storage
    reports.log         reports since the last whole part
    lock                held by the driver that writes
    files/              what training functions write, each into its `trial.folder`; checkpoints
    logs/               what each trial's workers printed, and the errors it ended in
    models/             the weights of the best trials, with the network, one file a trial
    learned.json        the trials of earlier studies that it learns from, with --learn-from
    confirmed.json      how the leaders did when they were trained again, where they were
    importance.json     what mattered, as a run's end or a report found, with the tables' SHA-256
    model.keras         the refitted model; refit.json says of what point, and how it tested
    tensorboard/        event files, one run a trial, with --tensorboard
"""

from __future__ import annotations

from pathlib import Path

STUDY_FILE = "study.json"
TRIALS_FILE = "trials.parquet"
REPORTS_FOLDER = "reports.parquet"
JOURNAL_FILE = "journal.log"
REPORT_LOG_FILE = "reports.log"
LOCK_FILE = "lock"
MARK_FILE = "mirror.json"
FILES_FOLDER = "files"
LOGS_FOLDER = "logs"
MODELS_FOLDER = "models"
TENSORBOARD_FOLDER = "tensorboard"
LEARNED_FILE = "learned.json"
IMPORTANCE_FILE = "importance.json"
CONFIRMED_FILE = "confirmed.json"
MODEL_FILE = "model.keras"
REFIT_FILE = "refit.json"
FORMAT = 3
"""The version of this layout, `format` in study.json."""

PARAM_PREFIX = "param_"

PHASES = {"waited_s": "waited", "setup_s": "set up", "trace_s": "traced", "train_s": "trained"}
"""The columns of a trial's seconds by what they went into, each with its word."""

TRIAL_COLUMNS = {
    "trial": "int64",
    "attempt": "int64",
    "state": "string",
    # the columns param_<name> stand here
    "value": "float64",
    "value_std": "float64",
    "best_epoch": "int64",
    "epochs": "int64",
    "rung": "int64",
    "seed": "string",
    "engine": "string",
    "host": "string",
    "worker": "string",
    "started_at": "timestamp[us, tz=UTC]",
    "duration_s": "float64",
    **dict.fromkeys(PHASES, "float64"),
    "peak_rss_mb": "float64",
    "error": "string",
    "shared_with": "int64",
    "trained_by": "string",
    "trained_why": "string",
}
"""Columns of trials.parquet but for the parameters, with their Arrow types, in order.

`best_epoch` is the epoch that `value` was reported at, the last one with `--value last`.
`worker` is the process that trained it, by its number on `host`.
`waited_s` went by from when the trial was given out until its worker began with it; of `duration_s`
then `setup_s` until its first `model.fit` began (data, the network), `trace_s` until that had its
programs, and `train_s` until its last report: over all cells, each null where nobody knows.
`trained_by` is program, lanes or fit, `trained_why` why it was fit.
`value_0`, `value_1`, ... stand behind `value` where there are several goals, and `feasible` (bool)
there and with constraints.
`shared_with` is the trial whose training this one shares (its epochs count there), else null.
Behind them, where the trials are a population, stand those of POPULATION_COLUMNS.
"""

POPULATION_COLUMNS = {"parent": "int64", "from_epoch": "int64", "why": "string"}
"""`parent` is the trial whose weights this one went on from, else null, `from_epoch` after which
epoch (0 without), and `why` what was said as another trial took its place."""

REPORT_COLUMNS_FIRST = {
    "trial": "int64",
    "fold": "int64",
    "epoch": "int64",
    "time_s": "float64",
}
REPORT_COLUMNS_LAST = {
    "learning_rate": "float64",
    "decision": "string",
    "rung": "int64",
    "why": "string",
    "worker": "string",
    "order": "int64",
    "at": "timestamp[us, tz=UTC]",
}
"""Columns of reports.parquet before and after those of the metrics (float64 each).

`at` is when the study took the report; `time_s` before that, the cell began. A cell that went on
from a checkpoint counts what it had trained before in `time_s`, and not while nobody trained it.
`rung` is the rung that a scheduler judged the report at, else null, and `why` its reason. `worker`
is the process that trained the epoch, by its number on the trial's host, else null.
"""

ADDED_COLUMNS = {
    "best_epoch": "int64",
    "rung": "int64",
    "trained_by": "string",
    "trained_why": "string",
    "why": "string",
    "worker": "string",
    **dict.fromkeys(PHASES, "float64"),
}
"""Columns that older studies lack, with their types: they are read as null there."""


def cell_folder(root: Path, trial: int, fold: int | None) -> Path:
    """Where a cell's own files lie below `root`; `fold` is None but in a cross-validation."""
    return root / str(trial) if fold is None else root / str(trial) / f"fold-{fold}"
