"""Optuna's private names that the ledger leans on, and a check of them.

Optuna numbers its trials within a study, and its storages by an id of their own; the public face
gives the number alone, the storages' methods ask for the id.
"""

from __future__ import annotations

import inspect

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, Trial


def check() -> str | None:
    """What has changed in Optuna, in a line; None if nothing has."""
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    trial = study.ask()
    lacking = [
        f"{type(owner).__name__}.{name}"
        for owner, name in (
            (study, "_storage"),
            (study, "_study_id"),
            (trial, "_trial_id"),
            (study.trials[0], "_trial_id"),
        )
        if not hasattr(owner, name)
    ]
    lacking += [
        f"{kind.__name__}._backend"
        for kind in (_CachedStorage, JournalStorage)
        if "self._backend = " not in inspect.getsource(kind)
    ]
    return f"Optuna has changed: it lacks {', '.join(lacking)}" if lacking else None


def storage_of(study: optuna.Study) -> BaseStorage:
    return study._storage


def study_id(study: optuna.Study) -> int:
    return study._study_id


def trial_id(trial: Trial | FrozenTrial) -> int:
    """The storage's id of a trial."""
    return trial._trial_id


def behind_cache(storage: BaseStorage) -> object:
    """What a storage keeps its trials in: a journal's backend, a database under Optuna's cache."""
    return getattr(storage, "_backend", storage)
