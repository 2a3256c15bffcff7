"""The data of the cases beside this file: small, and each with a trap."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def _parts(x: Any, y: Any) -> Any:
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
    scaler = StandardScaler().fit(x_train)
    return (scaler.transform(x_train), y_train), (scaler.transform(x_test), y_test)


def wine() -> Any:
    return _parts(*load_wine(return_X_y=True))


def tokens(dtype: str = "uint8") -> Any:
    """Sequences of small whole numbers that are no pixels."""
    rng = np.random.default_rng(0)
    x = rng.integers(1, 50, size=(600, 8)).astype(dtype)
    y = (x[:, 0] > 25).astype(int)
    return (x[:500], y[:500]), (x[500:], y[500:])


def sorted_float_labels() -> Any:
    """A file sorted by its label, the labels 0.0 and 1.0."""
    (x, y), test = _parts(*load_breast_cancer(return_X_y=True))
    order = np.argsort(y, kind="stable")
    return (x[order], y[order].astype(float)), (test[0], test[1].astype(float))
