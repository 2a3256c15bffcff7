"""Serves a web application that only shows, on this machine or, with a token, beyond it."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tuner.errors import StudyError
from tuner.runner.guarded import App, guarded


def serve_app(app: App, host: str, port: int, home: str, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `say` gets the link, which ends in `home`. Port 0 takes a free one.

    Beyond this machine the link has a token. Raises StudyError where it cannot be served.
    """
    token = None if _is_loopback(host) else secrets.token_urlsafe(24)
    try:
        with make_server(host, port, app, server_class=_Server, handler_class=_Quiet) as server:
            hosts = [f"{name}:{server.server_port}" for name in _names(host)]
            server.set_app(guarded(app, hosts, token, home))
            link = f"http://{hosts[0]}{home}" + (f"?token={token}" if token else "")
            say(f"{link}, until Ctrl-C")
            server.serve_forever()
    except OSError as error:
        raise StudyError(
            f"{host}:{port} cannot be served: {error.strerror}",
            field="port",
            way_out="give another",
        ) from None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of a request: its line may hold the token."""


def _names(host: str) -> list[str]:
    """What readers may call a host: every interface has the machine's names and addresses."""
    if host in ("0.0.0.0", "::", ""):
        name = socket.gethostname()
        found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
        return [name, *sorted(_bracketed(address) for address in found), "localhost", "127.0.0.1"]
    return [_bracketed(host), *(["localhost", "127.0.0.1"] if _is_loopback(host) else [])]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
