"""A real HTTP server of files with the manners of good and bad ones; the first part of the path chooses."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT = 700_000  # bytes after which /cut ends the connection
STALL = 500_000  # bytes after which /stall and /gate give no more
FOR_EVER = 600  # seconds


class FileServer:
    """`url("good", "a.bin")` serves files["a.bin"]; `requests` holds (path, Range header) in their order."""

    def __init__(self, port: int):
        self.port = port
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.stalled = threading.Event()  # /stall, /silent or /gate has nothing more to say
        self.hung_up = threading.Event()  # the other side has closed such a connection
        self.gate = threading.Event()  # lets /gate go on

    def url(self, manner: str, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{manner}/{name}"


@contextmanager
def serving() -> Iterator[FileServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.state = FileServer(server.server_port)  # type: ignore[attr-defined]
    server.handle_error = lambda *_request: None  # clients may go away in the middle
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.state  # type: ignore[attr-defined]
    finally:
        server.state.gate.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def accepting_in_silence() -> Iterator[tuple[int, threading.Event]]:
    """The port of something that takes connections and never says a word, and whether one has come."""
    came, taken = threading.Event(), []

    def take() -> None:
        while True:
            try:
                taken.append(listener.accept()[0])
            except OSError:  # closed
                return
            came.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=take, daemon=True).start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        state: FileServer = self.server.state  # type: ignore[attr-defined]
        state.requests.append((self.path, self.headers.get("Range")))
        _, manner, name = self.path.split("/", 2)
        content = state.files.get(name)
        if content is None or manner == "missing":
            self.send_error(404)
        elif act := getattr(self, f"_{manner}", None):
            act(state, name, content)
        else:
            limit = {"cut": CUT, "dead": 0, "miserly": 1}.get(manner)
            self._ranged(content, limit)

    def _moved(self, state: FileServer, name: str, _content: bytes) -> None:
        self._redirect(state.url("good", name))

    def _circle(self, state: FileServer, name: str, _content: bytes) -> None:
        self._redirect(state.url("circle", name))

    def _astray(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self._redirect("file:///etc/passwd")

    def _busy(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self.send_error(503)

    def _never(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self.send_error(416)

    def _page(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self._send(200, b"<html>Please sign in</html>", kind="text/html; charset=utf-8")

    def _hidden_page(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self._send(200, b"\n<!DOCTYPE html><html>Please sign in</html>")

    def _lfs(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(200, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize %d\n" % len(content))

    def _lengthless(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(200, content, length=False)

    def _no_range(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(200, content)

    def _empty(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self._send(204, b"", length=False)

    def _packed(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(200, content, {"Content-Encoding": "gzip"})

    def _no_number(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(200, content, {"Content-Length": "9" * 5000}, length=False)

    def _boundless(self, state: FileServer, name: str, _content: bytes) -> None:
        """Redirects, and says of that answer that it is longer than any number of the system."""
        self.send_response(302)
        self.send_header("Location", state.url("good", name))
        self.send_header("Content-Length", str(1 << 70))
        self.end_headers()

    def _shifted(self, _state: FileServer, _name: str, content: bytes) -> None:
        """Gives other bytes than it was asked for."""
        self._send(206, content[7:], {"Content-Range": f"bytes 7-{len(content) - 1}/{len(content)}"})

    def _unsaid(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(206, content[100:])

    def _contrary(self, _state: FileServer, _name: str, content: bytes) -> None:
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))
        self._send(206, content, {"Content-Range": f"bytes {found[1] if found else 0}-5/{len(content)}"})

    def _piecemeal(self, _state: FileServer, _name: str, content: bytes) -> None:
        """No more than so much of a range at a time, which RFC 9110 allows."""
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not found:
            return self._ranged(content, CUT)
        start, end = int(found[1]), min(int(found[1]) + STALL, len(content))
        self._send(206, content[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"})

    def _shrinking(self, state: FileServer, _name: str, content: bytes) -> None:
        """Another, shorter file at each request."""
        self._ranged(content[: len(content) - len(state.requests)], CUT)

    def _more(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(200, content + b"more", length=False)

    def _no_http(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self.wfile.write(b"220 mail.example ESMTP\r\n")

    def _drip(self, _state: FileServer, _name: str, content: bytes) -> None:
        self._send(200, content, limit=0)
        for place in range(len(content)):
            if self._closed(0.05):
                return
            self.wfile.write(content[place : place + 1])

    def _header_drip(self, _state: FileServer, _name: str, _content: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self._closed(0.05):
            self.wfile.write(b"X-More: 1\r\n")

    def _silent(self, state: FileServer, _name: str, _content: bytes) -> None:
        self._wait(state)

    def _stall(self, state: FileServer, _name: str, content: bytes) -> None:
        self._ranged(content, STALL)
        self._wait(state)

    def _gate(self, state: FileServer, _name: str, content: bytes) -> None:
        """The rest only comes when the gate is opened."""
        self._ranged(content, STALL)
        state.stalled.set()
        state.gate.wait(FOR_EVER)
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.wfile.write(content[(int(found[1]) if found else 0) + STALL :])

    def _wait(self, state: FileServer) -> None:
        state.stalled.set()
        if self._closed(FOR_EVER):
            state.hung_up.set()

    def _closed(self, seconds: float) -> bool:
        """Whether the other side closes the connection within that time."""
        self.wfile.flush()
        self.connection.settimeout(seconds)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(None)

    def _ranged(self, content: bytes, limit: int | None) -> None:
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if found else {}
        self._send(206 if found else 200, content[start:], headers, limit=limit)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        kind: str = "application/octet-stream",
        limit: int | None = None,
        length: bool = True,
    ) -> None:
        self.send_response(status)
        sizes = {"Content-Length": str(len(body))} if length else {}
        for key, value in {"Content-Type": kind, **sizes, **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[:limit])

    def _redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the other side has had enough
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
