"""What the dashboard's guard lets through: reading, by the right address, with the token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tuner.runner.guarded import Environ, Start, guarded


def shows(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [])
    return [b"the study"]


def ask(token: str | None = None, **environ: str) -> tuple[str, dict[str, str]]:
    """The status and headers of the answer to a request."""
    answered: list[Any] = []
    request = {"HTTP_HOST": "127.0.0.1:8080", "REQUEST_METHOD": "GET", **environ}
    app = guarded(shows, ["127.0.0.1:8080", "localhost:8080"], token)
    list(app(request, lambda status, headers: answered.append((status, dict(headers)))))
    (answer,) = answered
    return answer


def test_a_reader_on_this_machine_sees_the_study() -> None:
    assert ask()[0] == "200 OK"
    assert ask(HTTP_HOST="LOCALHOST:8080", REQUEST_METHOD="HEAD")[0] == "200 OK"


@pytest.mark.parametrize("host", ["evil.example:8080", "127.0.0.1:80", ""])
def test_another_host_is_refused(host: str) -> None:
    assert ask(HTTP_HOST=host)[0] == "403 Forbidden"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_is_written(method: str) -> None:
    assert ask(REQUEST_METHOD=method)[0] == "405 Method Not Allowed"


@pytest.mark.parametrize("query", ["", "token=", "token=wrong", "token=%ff"])
def test_without_the_token_nobody_sees_it(query: str) -> None:
    assert ask("right", QUERY_STRING=query)[0] == "401 Unauthorized"
    assert ask("right", HTTP_COOKIE="tuner_dashboard=wrong")[0] == "401 Unauthorized"


def test_the_link_gives_the_cookie_and_the_cookie_the_study() -> None:
    status, headers = ask("right", QUERY_STRING="token=right")
    assert (status, headers["Location"]) == ("303 See Other", "/dashboard")
    cookie, _, flags = headers["Set-Cookie"].partition(";")
    assert "HttpOnly" in flags
    assert ask("right", HTTP_COOKIE=cookie)[0] == "200 OK"
