"""A real HTTP server of files with the manners of good and bad ones; the first part of the path chooses."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT = 700_000  # bytes after which /cut ends the connection


class FileServer:
    """`url("good", "a.bin")` serves files["a.bin"]; `requests` holds (path, Range header) in their order."""

    def __init__(self, port: int):
        self.port = port
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []

    def url(self, manner: str, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{manner}/{name}"


@contextmanager
def serving() -> Iterator[FileServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.state = FileServer(server.server_port)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.state  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        state: FileServer = self.server.state  # type: ignore[attr-defined]
        state.requests.append((self.path, self.headers.get("Range")))
        _, manner, name = self.path.split("/", 2)
        content = state.files.get(name)
        if manner == "moved":
            self._moved(state.url("good", name))
        elif manner == "busy":
            self.send_error(503)
        elif content is None or manner == "missing":
            self.send_error(404)
        elif manner == "page":
            self._send(200, b"<html>Please sign in</html>", kind="text/html; charset=utf-8")
        elif manner == "lengthless":
            self._send(200, content, length=False)
        elif manner == "no_range":
            self._send(200, content)
        else:
            self._ranged(content, CUT if manner == "cut" else 0 if manner == "dead" else None)

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

    def _moved(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass
