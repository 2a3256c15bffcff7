"""Splits: which samples a cell trains on, and which it is judged on.

- search, grid: validation is a stratified fifth of the training part, the same for every trial of a
  study, another one for each repeat; or, by `validation="test"`, the test part.
- cv: scikit-learn's folds over the training part: StratifiedKFold for classes, KFold for a
  regression. Unshuffled they are those of `GridSearchCV(cv=folds)`. Fold `r * folds + f` is fold
  `f` of repeat `r`; repeats are those of RepeatedStratifiedKFold and RepeatedKFold.
- a dataset that brings folds of its own is split by these; search and grid take the first.

Every split depends on the data and the study's seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.data.datasets import Dataset
from tuner.data.targets import strata
from tuner.errors import DatasetError

Array = npt.NDArray[Any]
VALIDATION_SHARE = 0.2
SEED_LIMIT = 2**32
"""scikit-learn takes seeds below this."""


@dataclass(frozen=True, eq=False)
class Part:
    """Samples `x`, `y` of a dataset: these rows of them, or all."""

    x: Array
    y: Array
    rows: Array | None = None

    def __len__(self) -> int:
        return len(self.y if self.rows is None else self.rows)

    def cut(self, array: Array) -> Array:
        return array if self.rows is None else array[self.rows]


@dataclass(frozen=True, eq=False)
class Data:
    """What a cell sees as `trial.data`; `n_classes` is None for a regression.

    `classes` holds the texts behind class numbers, where labels were texts.
    Arrays are cut when they are first asked for, and kept. A network can be built without:
    `input_shape` is a sample's, and `len(data.train)` counts samples.
    """

    train: Part
    val: Part
    n_classes: int | None
    classes: tuple[str, ...] | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.train.x.shape[1:]

    @cached_property
    def x_train(self) -> Array:
        return self.train.cut(self.train.x)

    @cached_property
    def y_train(self) -> Array:
        return self.train.cut(self.train.y)

    @cached_property
    def x_val(self) -> Array:
        return self.val.cut(self.val.x)

    @cached_property
    def y_val(self) -> Array:
        return self.val.cut(self.val.y)


@dataclass(frozen=True)
class Splits:
    """How a study splits: `mode` search, grid or cv; `validation` split or test."""

    mode: str = "search"
    validation: str = "split"
    folds: int = 3
    repeats: int = 1
    shuffle: bool = False
    seed: int = 0


def cell_data(dataset: Dataset, splits: Splits, fold: int = 0) -> Data:
    """The data of one cell. Raises DatasetError where the samples do not suffice."""
    x, y = dataset.x_train, dataset.y_train
    if judged_on_test(splits):
        return Data(
            Part(x, y), Part(dataset.x_test, dataset.y_test), dataset.n_classes, dataset.classes
        )
    train, val = (Part(x, y, rows) for rows in cell_rows(dataset, splits, fold))
    return Data(train, val, dataset.n_classes, dataset.classes)


def judged_on_test(splits: Splits) -> bool:
    """Whether cells are judged on the dataset's test part."""
    return splits.mode != "cv" and splits.validation == "test"


def cell_rows(dataset: Dataset, splits: Splits, fold: int = 0) -> tuple[Array, Array]:
    """The same by number: rows of training and of validation.

    They count the samples of the training part; those of the test part, if it is what cells are
    judged on, come after. Raises DatasetError where the samples do not suffice.
    """
    if judged_on_test(splits):
        n = len(dataset.y_train)
        return np.arange(n), np.arange(n, n + len(dataset.y_test))
    if dataset.folds is not None:
        return _own_fold(dataset, splits, fold)
    if splits.mode == "cv":
        return _cv_fold(dataset, splits, fold)
    return _split(dataset, splits, fold)


def _split(dataset: Dataset, splits: Splits, repeat: int) -> tuple[Array, Array]:
    """Indices of training and validation, each in rising order."""
    from sklearn.model_selection import train_test_split

    y = dataset.y_train
    if dataset.n_classes is not None:
        _check_members(dataset, 2, "a stratified split")
        if VALIDATION_SHARE * len(y) < dataset.n_classes:
            raise DatasetError(
                f"{dataset.name}: a fifth of {len(y)} samples cannot hold each of "
                f"{dataset.n_classes} classes",
                field="validation",
                way_out="give more samples, or take 'test'",
            )
    elif len(y) < 2:
        raise DatasetError(f"{dataset.name}: {len(y)} training sample cannot be split; give more")
    train, val = train_test_split(
        np.arange(len(y)),
        test_size=VALIDATION_SHARE,
        random_state=_seed(splits.seed, repeat),
        stratify=None if dataset.n_classes is None else strata(y),
    )
    return np.sort(train), np.sort(val)


def _seed(seed: int, repeat: int) -> int:
    """The study's own for the first of its splits, one drawn from it for each that repeats it."""
    if repeat == 0:
        return seed % SEED_LIMIT
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])


def _own_fold(dataset: Dataset, splits: Splits, fold: int) -> tuple[Array, Array]:
    folds = dataset.folds or ()
    if splits.mode != "cv":
        return folds[0]
    if len(folds) != splits.folds * splits.repeats:
        raise DatasetError(
            f"{dataset.name} brings {len(folds)} folds of its own",
            field="folds",
            way_out=f"ask for {len(folds)}",
        )
    return folds[fold]


def _cv_fold(dataset: Dataset, splits: Splits, fold: int) -> tuple[Array, Array]:
    if not 0 <= fold < splits.folds * splits.repeats:
        raise DatasetError(
            f"fold {fold} does not exist; "
            f"{splits.repeats} times {splits.folds} folds were asked for"
        )
    if splits.repeats > 1 and not splits.shuffle:
        raise DatasetError(
            f"{splits.repeats} repeats without shuffling would be the same folds",
            field="repeats",
            way_out="add `shuffle`",
        )
    if dataset.n_classes is not None:
        _check_members(dataset, splits.folds, f"{splits.folds} folds")
    elif len(dataset.y_train) < splits.folds:
        raise DatasetError(
            f"{dataset.name}: {splits.folds} folds need as many samples, "
            f"and there are {len(dataset.y_train)}; ask for fewer folds"
        )
    return next(islice(_all_folds(dataset, splits), fold, None))


def _all_folds(dataset: Dataset, splits: Splits) -> Iterator[tuple[Array, Array]]:
    from sklearn.model_selection import (
        KFold,
        RepeatedKFold,
        RepeatedStratifiedKFold,
        StratifiedKFold,
    )

    stratified = dataset.n_classes is not None
    if splits.shuffle:
        # With one repeat this is the plain shuffled splitter of the same seed.
        repeated = RepeatedStratifiedKFold if stratified else RepeatedKFold
        splitter = repeated(
            n_splits=splits.folds, n_repeats=splits.repeats, random_state=splits.seed % SEED_LIMIT
        )
    else:
        splitter = (StratifiedKFold if stratified else KFold)(splits.folds)
    # Only the labels decide, so the samples stay out.
    y = dataset.y_train
    pairs: Iterator[tuple[Array, Array]] = splitter.split(
        np.zeros(len(y)), strata(y) if stratified else None
    )
    return pairs


def _check_members(dataset: Dataset, least: int, wanted_by: str) -> None:
    counts = np.bincount(strata(dataset.y_train), minlength=dataset.n_classes or 0)
    if counts.min() < least:
        raise DatasetError(
            f"{dataset.name}: class {counts.argmin()} has {counts.min()} training sample(s), and "
            f"{wanted_by} needs at least {least} of each class (task='regression' where these are "
            "no classes)"
        )
