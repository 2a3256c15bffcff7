"""Text from a study's folder as it is shown: what a terminal would obey is spelt out."""

from __future__ import annotations

import re
import unicodedata

_OBEYED = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode's classes of control, format and surrogate characters, and of line separators."""


def shown(text: str, keep: str = "\n\t") -> str:
    r"""The text with characters that control a terminal written as `\x1b`, but for those kept."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(sign)[1:-1] if unicodedata.category(sign) in _OBEYED and sign not in keep else sign
        for sign in text
    )


def redacted(text: str) -> str:
    """The text with the passwords of URLs, and values that are named as secrets, left out."""
    text = re.sub(r"(\w://[^\s:@/]*):[^\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)((?:password|passwd|secret|token)\w*=)[^&\s]+", r"\1***", text)
