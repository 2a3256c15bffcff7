from __future__ import annotations

import json

import numpy as np
import pytest

from tuner.errors import ExperimentError
from tuner.tracebacks import failure_text


def caught(function: object) -> str:
    with pytest.raises(BaseException, match=r"\S") as info:
        function()  # type: ignore[operator]
    return failure_text(info.value)


def deep_in_numpy() -> None:
    np.linalg.inv(np.zeros((2, 3)))


def chained() -> None:
    try:
        json.loads("{")
    except ValueError as error:
        raise RuntimeError("no settings") from error


def test_the_users_line_and_the_last_frame_stay() -> None:
    text = caught(deep_in_numpy)
    assert "np.linalg.inv(np.zeros((2, 3)))" in text
    assert text.splitlines()[-1].startswith("numpy.linalg.LinAlgError: ")
    assert text.count("  File ") == 3  # this test's two, and the one that raised


def test_the_cause_is_shortened_too() -> None:
    text = caught(chained)
    assert 'json.loads("{")' in text
    assert "direct cause" in text
    assert text.endswith("RuntimeError: no settings")
    assert "raw_decode" in text
    assert "in decode\n" not in text


def test_tuners_own_error_without_a_users_frame_is_one_line() -> None:
    assert failure_text(ExperimentError("no such thing")) == "ExperimentError: no such thing"


def test_an_error_in_a_library_alone_keeps_the_librarys_frames() -> None:
    with pytest.raises(ValueError, match="Expecting") as info:
        json.loads("{")
    error = info.value
    assert error.__traceback__ is not None
    text = failure_text(error.with_traceback(error.__traceback__.tb_next))
    assert text.count("  File ") == 3
