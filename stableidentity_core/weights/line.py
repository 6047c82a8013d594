"""The connections of one request, which another thread can end at any time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.request
from collections.abc import Callable
from threading import Lock
from typing import Any


class Line:
    """Opens web addresses with the environment's proxies; `hang_up` ends whatever is going on.

    A thread that waits for a proxy's word, a TLS handshake or bytes gets an error then. Only the search for a name's
    address (DNS) cannot be ended; nothing is sent after it.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._ended = False
        self._lock = Lock()

    def open(self, request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
        """Ask; raises what urllib raises. Redirects lead to http and https only."""
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.UnknownHandler(),
            _Plain(self._connecting(http.client.HTTPConnection)),
            _Secure(self._connecting(http.client.HTTPSConnection)),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
        ):
            opener.add_handler(handler)
        return opener.open(request, timeout=timeout)

    def hang_up(self) -> None:
        with self._lock:
            self._ended = True
            sockets, self._sockets = self._sockets, []
        for twin in sockets:
            with contextlib.suppress(OSError):  # ended by the other side already
                twin.shutdown(socket.SHUT_RDWR)
            twin.close()

    def _connecting(self, kind: type[http.client.HTTPConnection]) -> Callable[..., http.client.HTTPConnection]:
        def make(host: str, **options: Any) -> http.client.HTTPConnection:
            connection: Any = kind(host, **options)
            connection._create_connection = self._connect  # before proxy and TLS, which may keep silent too
            return connection

        return make

    def _connect(self, address: tuple[str, int], *options: Any) -> socket.socket:
        connected = socket.create_connection(address, *options)
        with self._lock:
            if self._ended:
                connected.close()
                raise ConnectionAbortedError("cancelled")
            # A twin of the socket: TLS takes the descriptor out of the first one.
            self._sockets.append(connected.dup())
        return connected


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, connect: Any):
        super().__init__()
        self._connect = connect

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, connect: Any):
        super().__init__()
        self._connect = connect

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)
