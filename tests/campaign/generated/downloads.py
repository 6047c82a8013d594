"""What a server may answer to a download."""

from __future__ import annotations

import gzip
import hashlib
import os
import socketserver
import threading
from dataclasses import replace
from pathlib import Path
from random import Random

from campaign.generated.category import Case
from campaign.generated.identities import MB
from campaign.mutate import ODD_NUMBERS, odd_text, spoilt
from stableidentity_core.weights import download, get_weight

CONTENT = Random(0).randbytes(5000)
STATUS = (200, 200, 200, 206, 206, 416, 301, 302, 307, 204, 304, 401, 403, 404, 410, 429, 500, 503, 100, 102, 999, 0)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    script: tuple[bytes, ...] = ()
    asked = 0


class _Answer(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass
        answer = self.server.script[self.server.asked % len(self.server.script)]
        self.server.asked += 1
        try:
            self.wfile.write(answer)
        except OSError:  # the client has heard enough
            return


class Downloads:
    name = "answers of a download server"
    memory = 200 * MB

    def __init__(self, folder: Path):
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            os.environ.pop(name, None)
        self.server = _Server(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        known = {"bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "about": None}
        self.known = replace(get_weight("bisenet"), **known)
        self.unknown = replace(self.known, bytes=None, sha256=None, about="5 KB")

    def case(self, random: Random, folder: Path) -> Case:
        answers = tuple(self._answer(random) for _ in range(random.choice((1, 1, 2, 4))))
        weight = random.choice((self.known, self.known, self.unknown))
        if random.random() < 0.2:
            part = weight.path(folder).with_name(f"{weight.file}.part")
            part.parent.mkdir(parents=True)
            part.write_bytes(random.choice((CONTENT[:1000], CONTENT, b"x" * 2000, b"x" * 9000)))
        urls = [random.choice((f"{self.address}/a", f"{self.address}/b", self._url(random))) for _ in range(2)]

        def act() -> None:
            self.server.script, self.server.asked = answers, 0
            target = weight.path(folder)
            try:
                download(weight, folder, urls=urls)
            finally:
                whole = not target.exists() or weight.sha256 is None or target.read_bytes() == CONTENT
                assert whole, "a file that is not the table's has its name"
                others = [path for path in folder.rglob("*") if path.is_file() and path != target]
                assert all(path.suffix == ".part" for path in others), f"left over: {others}"
            assert target.is_file(), "done without a file"

        return Case(f"{answers[0][:60]!r}", act)

    def _url(self, random: Random) -> str:
        odd = odd_text(random)
        ways = (
            f"{self.address}/{odd}",
            f"http://{odd}",
            f"http://[{odd}",
            "file:///etc/passwd",
            "ftp://127.0.0.1/x",
            odd,
        )
        chosen = random.choice(ways)
        outside = chosen.startswith("http") and not chosen.startswith(self.address)
        return f"http://127.0.0.1:{odd[:10]}/" if outside else chosen  # no names are looked up

    def _answer(self, random: Random) -> bytes:
        if random.random() < 0.1:
            return random.choice(
                (b"", random.randbytes(100), b"HTTP/1.1\r\n\r\n", b"\r\n" * 1000, b"HTTP/1.1 200 OK\r\n")
            )
        status, body = random.choice(STATUS), self._body(random)
        start = random.choice((0, 0, 1000, 5000, 4999))
        headers = {"Content-Type": random.choice(("application/octet-stream", "text/html", odd_text(random)[:50]))}
        if random.random() < 0.85:
            headers["Content-Length"] = str(random.choice((len(body),) * 6 + ODD_NUMBERS + ("abc", "", "5, 5")))
        if status == 206 or random.random() < 0.1:
            body = CONTENT[start:]
            headers["Content-Length"] = str(len(body))
            headers["Content-Range"] = random.choice(
                (
                    f"bytes {start}-4999/5000",
                    f"bytes {start}-4999/*",
                    "bytes */5000",
                    "bytes x",
                    f"bytes {10**30}-1/2",
                    "",
                )
            )
        if 300 <= status < 400:
            places = (f"{self.address}/a", "/b", "file:///etc/passwd", "http://127.0.0.1:1/", "", "http://[", "\x7f")
            headers["Location"] = random.choice(places)
        if random.random() < 0.2:
            headers["Transfer-Encoding"] = random.choice(("chunked", "gzip, chunked", "x"))
            body = random.choice((b"5\r\nabcde\r\n0\r\n\r\n", b"zz\r\n", b"ffffffffff\r\nabc", b"-1\r\n", body))
            headers.pop("Content-Length", None)
        if random.random() < 0.1:
            headers["Content-Encoding"] = random.choice(("gzip", "br", "x"))
            body = gzip.compress(body)
        head = f"HTTP/1.1 {status} {random.choice(('OK', '', 'x' * 70_000))}\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        blob = head.encode("utf-8", "replace") + b"\r\n" + body
        return spoilt(blob, random) if random.random() < 0.15 else blob

    def _body(self, random: Random) -> bytes:
        return random.choice((CONTENT, CONTENT, CONTENT, CONTENT[:3000], CONTENT + b"x", b"", b"<html>sign in</html>"))
