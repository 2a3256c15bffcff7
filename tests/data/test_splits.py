from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.data.datasets import Dataset, from_arrays, load
from tuner.data.splits import Data, Splits, cell_data
from tuner.errors import DatasetError


def numbered(y: Any) -> Dataset:
    """A dataset of which each x is its own index, to see where samples go."""
    y = np.asarray(y)
    x = np.arange(len(y), dtype=np.float32)[:, None]
    return from_arrays("own", x, y, x, y)


def indices(data: Data) -> tuple[list[int], list[int]]:
    return data.x_train[:, 0].astype(int).tolist(), data.x_val[:, 0].astype(int).tolist()


CLASSES = numbered(np.arange(90) % 3)
NUMBERS = numbered(np.linspace(0.0, 1.0, 50))


def test_validation_is_a_stratified_fifth_of_train() -> None:
    digits = load("digits")
    data = cell_data(digits, Splits(seed=7))
    assert (len(data.x_train), len(data.x_val)) == (1149, 288)
    assert data.n_classes == 10
    shares = np.bincount(data.y_val) / np.bincount(digits.y_train)
    assert shares == pytest.approx(np.full(10, 0.2), abs=0.01)


@pytest.mark.parametrize("dataset", [CLASSES, NUMBERS], ids=["classes", "regression"])
def test_a_split_divides_the_training_part_by_the_seed_alone(dataset: Dataset) -> None:
    train, val = indices(cell_data(dataset, Splits(seed=1)))
    assert sorted(train + val) == list(range(len(dataset.x_train)))
    assert indices(cell_data(dataset, Splits(mode="grid", seed=1))) == (train, val)
    assert indices(cell_data(dataset, Splits(seed=2))) != (train, val)
    assert indices(cell_data(dataset, Splits(seed=2**40))) != (train, val)


@pytest.mark.parametrize("dataset", [CLASSES, NUMBERS], ids=["classes", "regression"])
def test_each_repeat_of_a_search_has_a_split_of_its_own(dataset: Dataset) -> None:
    splits = Splits(seed=1, repeats=3)
    validation = [indices(cell_data(dataset, splits, repeat))[1] for repeat in range(3)]
    assert validation[0] == indices(cell_data(dataset, Splits(seed=1)))[1]
    assert len({tuple(rows) for rows in validation}) == 3
    assert indices(cell_data(dataset, splits, 2))[1] == validation[2]


def test_validation_test_takes_the_test_part_and_all_of_train() -> None:
    digits = load("digits")
    data = cell_data(digits, Splits(validation="test"))
    assert data.x_train is digits.x_train
    assert data.x_val is digits.x_test


@pytest.mark.parametrize("dataset", [CLASSES, NUMBERS], ids=["classes", "regression"])
def test_unshuffled_folds_are_those_of_grid_search(dataset: Dataset) -> None:
    from sklearn.model_selection import check_cv

    classifier = dataset.n_classes is not None
    expected = check_cv(3, dataset.y_train, classifier=classifier).split(
        dataset.x_train, dataset.y_train
    )
    for fold, (train, val) in enumerate(expected):
        data = cell_data(dataset, Splits(mode="cv", folds=3), fold)
        assert indices(data) == (train.tolist(), val.tolist())


@pytest.mark.parametrize("dataset", [CLASSES, NUMBERS], ids=["classes", "regression"])
@pytest.mark.parametrize("repeats", [1, 2])
def test_shuffled_folds_are_scikit_learns(dataset: Dataset, repeats: int) -> None:
    from sklearn.model_selection import (
        KFold,
        RepeatedKFold,
        RepeatedStratifiedKFold,
        StratifiedKFold,
    )

    classes = dataset.n_classes is not None
    if repeats == 1:
        splitter = (StratifiedKFold if classes else KFold)(4, shuffle=True, random_state=5)
    else:
        repeated = RepeatedStratifiedKFold if classes else RepeatedKFold
        splitter = repeated(n_splits=4, n_repeats=repeats, random_state=5)
    splits = Splits(mode="cv", folds=4, repeats=repeats, shuffle=True, seed=5)
    expected = list(splitter.split(dataset.x_train, dataset.y_train))
    assert len(expected) == 4 * repeats
    for fold, (train, val) in enumerate(expected):
        assert indices(cell_data(dataset, splits, fold)) == (train.tolist(), val.tolist())


@given(
    folds=st.integers(2, 5),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 2**63),
    per_class=st.integers(5, 12),
)
def test_every_sample_is_validated_once_a_repeat(
    folds: int, repeats: int, seed: int, per_class: int
) -> None:
    dataset = numbered(np.arange(3 * per_class) % 3)
    splits = Splits(mode="cv", folds=folds, repeats=repeats, shuffle=True, seed=seed)
    for repeat in range(repeats):
        seen: list[int] = []
        for fold in range(folds):
            train, val = indices(cell_data(dataset, splits, repeat * folds + fold))
            assert sorted(train + val) == list(range(3 * per_class))
            seen += val
        assert sorted(seen) == list(range(3 * per_class))


def with_folds(folds: Any) -> Dataset:
    x = np.arange(6, dtype=np.float32)[:, None]
    return from_arrays("own", x, np.arange(6) % 2, x, np.arange(6) % 2, folds)


def test_a_dataset_may_bring_folds_of_its_own() -> None:
    mask = np.array([True, True, False, False, False, False])
    dataset = load(lambda: with_folds([([0, 1, 3], [4, 5]), (~mask, mask)]))
    cv = Splits(mode="cv", folds=2)
    assert indices(cell_data(dataset, cv, 0)) == ([0, 1, 3], [4, 5])
    assert indices(cell_data(dataset, cv, 1)) == ([2, 3, 4, 5], [0, 1])
    assert indices(cell_data(dataset, Splits(mode="search"))) == ([0, 1, 3], [4, 5])
    assert len(cell_data(dataset, Splits(validation="test")).x_train) == 6
    assert dataset.fingerprint != with_folds([([0, 1, 3], [4, 5])]).fingerprint
    with pytest.raises(DatasetError, match="folds: own brings 2 folds of its own; ask for 2"):
        cell_data(dataset, Splits(mode="cv", folds=3), 0)


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([], "folds is empty"),
        ([([0, 1], [6])], "fold 0 has an index outside of 0 to 5"),
        ([([0, 1], [-1])], "fold 0 has an index outside of 0 to 5"),
        ([([0, 1], [2]), ([], [1])], "fold 1 is not a pair of arrays"),
        ([([0.5], [1])], "fold 0 is not a pair of arrays"),
        ([([0], [1], [2])], "fold 0 is not a pair"),
        ([3], "fold 0 is not a pair"),
    ],
)
def test_own_folds_are_checked(folds: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        with_folds(folds)


@pytest.mark.parametrize(
    ("dataset", "splits", "fold", "message"),
    [
        (numbered([0] * 9 + [1]), Splits(), 0, r"class 1 has 1 training sample.*at least 2"),
        (numbered([0, 0, 1, 1]), Splits(), 0, "a fifth of 4 samples cannot hold each of 2"),
        (numbered([0.5]), Splits(), 0, "1 training sample cannot be split"),
        (
            numbered([0] * 9 + [1] * 3),
            Splits(mode="cv", folds=5),
            0,
            r"class 1 has 3 training sample\(s\), and 5 folds needs at least 5 of each",
        ),
        (numbered([0.1, 0.2]), Splits(mode="cv", folds=3), 0, "3 folds need as many samples"),
        (CLASSES, Splits(mode="cv", repeats=2), 0, "2 repeats without shuffling .*`shuffle`"),
        (CLASSES, Splits(mode="cv", folds=3), 3, "fold 3 does not exist; 1 times 3 folds"),
    ],
)
def test_samples_that_do_not_suffice_are_named(
    dataset: Dataset, splits: Splits, fold: int, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        cell_data(dataset, splits, fold)
