"""A web application that only shows, and only to whom it was opened for: WSGI, around another.

Reading alone passes (GET and HEAD). A page elsewhere that lets a name of its own resolve to this
machine is refused by the Host header. With a token, who brings it in the link gets it as a cookie.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]

COOKIE = "tuner_dashboard"


def guarded(app: App, hosts: Iterable[str], token: str | None, home: str = "/dashboard") -> App:
    """`app` for readers who ask for one of `hosts` (NAME:PORT) and, if given, have the token.

    Who brings the token is sent to the path `home`, so that it stays in no address bar.
    """
    known = {host.lower() for host in hosts}

    def answer(environ: Environ, start: Start) -> Iterable[bytes]:
        if str(environ.get("HTTP_HOST", "")).lower() not in known:
            return _refuse(start, "403 Forbidden", "this is not the address that is served here")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refuse(start, "405 Method Not Allowed", "the dashboard only shows a study")
        if token is None or _same(_cookie(environ), token):
            return app(environ, start)
        if not _same(parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0], token):
            return _refuse(start, "401 Unauthorized", "open the link that the command printed")
        cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
        start("303 See Other", [("Location", home), ("Set-Cookie", cookie)])
        return []

    return answer


def _cookie(environ: Environ) -> str:
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _refuse(start: Start, status: str, why: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [why.encode() + b"\n"]
