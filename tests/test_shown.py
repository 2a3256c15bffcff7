"""What is shown of a study's folder: nothing that a terminal obeys, no password."""

from __future__ import annotations

import pytest

from tuner.shown import redacted, shown


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("a\rb\x9b2J", r"a\rb\x9b2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
        ("größe\n\tµ", "größe\n\tµ"),
    ],
)
def test_what_a_terminal_would_obey_is_spelt_out(text: str, plain: str) -> None:
    assert shown(text) == plain


def test_a_line_keeps_no_line_breaks() -> None:
    assert shown("a\nb", keep="") == r"a\nb"


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("postgresql://me:s3c@ret@host/db", "postgresql://me:***@host/db"),
        ("--storage=mysql+pymysql://me:s3cret@host", "--storage=mysql+pymysql://me:***@host"),
        ("postgresql://host/db?user=me&password=s3cret&x=1",
         "postgresql://host/db?user=me&password=***&x=1"),
        ("s3://bucket/results", "s3://bucket/results"),
        ("--set lr=0.1,0.2 token=abc", "--set lr=0.1,0.2 token=***"),
    ],
)  # fmt: skip
def test_passwords_are_left_out(text: str, without: str) -> None:
    assert redacted(text) == without
