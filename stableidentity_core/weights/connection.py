"""HTTP connections of one request, which another thread can close at any time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.request
from collections.abc import Callable
from threading import Lock
from typing import Any


class Connection:
    """Opens URLs with the environment's proxies; `close` aborts a request in progress.

    A thread that is waiting for a proxy, a TLS handshake or data then gets an error. Only a DNS lookup cannot be
    aborted; nothing is sent after it.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._ended = False
        self._lock = Lock()

    def open(self, request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
        """Send the request; raises urllib's errors. Redirects are followed to http and https only."""
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.UnknownHandler(),
            _Plain(self._connecting(http.client.HTTPConnection)),
            _Secure(self._connecting(http.client.HTTPSConnection)),
            urllib.request.HTTPDefaultErrorHandler(),
            _Redirects(),
            urllib.request.HTTPErrorProcessor(),
        ):
            opener.add_handler(handler)
        return opener.open(request, timeout=timeout)

    def close(self) -> None:
        with self._lock:
            self._ended = True
            sockets, self._sockets = self._sockets, []
        for duplicate in sockets:
            with contextlib.suppress(OSError):  # already closed by the other side
                duplicate.shutdown(socket.SHUT_RDWR)
            duplicate.close()

    def _connecting(self, kind: type[http.client.HTTPConnection]) -> Callable[..., http.client.HTTPConnection]:
        def make(host: str, **options: Any) -> http.client.HTTPConnection:
            connection: Any = kind(host, **options)
            connection._create_connection = self._connect  # before proxy and TLS, which may also block
            return connection

        return make

    def _connect(self, address: tuple[str, int], *options: Any) -> socket.socket:
        connected = socket.create_connection(address, *options)
        with self._lock:
            if self._ended:
                connected.close()
                raise ConnectionAbortedError("cancelled")
            # A duplicate: TLS detaches the descriptor of the original socket.
            self._sockets.append(connected.dup())
        return connected


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects without reading their bodies, which a server can declare as large as it likes."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()  # a closed response reads as empty
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


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
