"""One address: asking for a file from some byte on, and saying plainly why it does not come."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ..background import BackgroundThread
from .line import Line

PATIENCE = 30.0  # seconds: for a connection, and for the bytes below
LEAST = 30_000  # bytes in that time; less is as good as nothing
ANSWER = 60.0  # seconds until a server begins to answer, connections and redirects included
CHUNK = 1 << 16
MAX_DIGITS = 18  # of a length; more are no size of a file

_REASONS = {
    401: "is not open to everyone",
    403: "is not open to everyone",
    404: "is not there",
    407: "is behind a proxy that asks for a password (HTTPS_PROXY)",
    410: "is not there any more",
    416: "does not give the file from its first byte on",
    429: "asks to come back later",
    503: "asks to come back later",
    **dict.fromkeys((301, 302, 303, 307, 308), "redirects without an end, or to no web address"),
}


class Refused(Exception):
    """An address that does not give the file; repeating at once would not help."""

    def __init__(self, reason: str, offline: bool = False):
        super().__init__(reason)
        self.offline = offline  # no way to the server was found


class CutOff(Exception):
    """The connection ended too early; asking again from there may help."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    start: int  # byte of the file that comes first
    total: int | None  # bytes of the whole file, where the server says
    self_ending: bool  # the transfer itself tells its end
    chunks: Iterator[bytes]  # as they arrive; a server may also stop too early without an error


@contextmanager
def open_at(url: str, start: int, on_wait: Callable[[], None]) -> Iterator[Answer]:
    """Ask for a file from byte `start` on (RFC 9110, range requests); proxies of the environment are used.

    Args:
        on_wait: called five times a second while nothing comes. What it raises closes the connection.

    Raises:
        Refused: nothing to be had there.
        CutOff: (while the chunks are read) the connection broke, or hardly anything came.
    """
    line = Line()
    try:
        with BackgroundThread() as thread:
            answered = _request(partial(_patient, thread, on_wait), line, url, start)
            if isinstance(answered, Answer):
                yield answered
                return
            begins, total = _span(answered, start)
            yield Answer(
                start=begins,
                total=total,
                self_ending=bool(getattr(answered, "chunked", False)),
                chunks=_chunks(thread, answered, on_wait),
            )
    finally:
        line.hang_up()


def _patient(
    thread: BackgroundThread, on_wait: Callable[[], None], act: Callable[[], http.client.HTTPResponse]
) -> http.client.HTTPResponse:
    end = time.monotonic() + ANSWER

    def waiting() -> None:
        on_wait()
        if time.monotonic() > end:
            raise Refused(f"did not answer within {ANSWER:.0f} seconds")

    return thread(act, waiting)


def _request(
    patient: Callable[[Callable[[], http.client.HTTPResponse]], http.client.HTTPResponse],
    line: Line,
    url: str,
    start: int,
) -> http.client.HTTPResponse | Answer:
    """The server's answer; an empty one where all bytes are there already."""
    if not url.lower().startswith(("https://", "http://")):
        raise Refused("is no https or http address")
    headers = {"User-Agent": "ComfyUI-StableIdentity", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        return patient(lambda: line.open(urllib.request.Request(url, headers=headers), PATIENCE))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            if error.headers.get("Content-Range", "").strip() == f"bytes */{start}":
                return Answer(start=start, total=start, self_ending=True, chunks=iter(()))
            return _request(patient, line, url, 0)
        raise Refused(f"{_REASONS.get(error.code, 'failed')} (HTTP {error.code})") from error
    except TimeoutError as error:  # after it was reached: before, urllib makes it a URLError
        raise Refused(f"did not answer within {PATIENCE:.0f} seconds") from error
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        said = str(reason) or type(reason).__name__
        raise Refused(f"could not be reached ({said})", offline=_no_way(reason)) from error


def _no_way(reason: object) -> bool:
    unreachable = isinstance(reason, OSError) and reason.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    return unreachable or isinstance(reason, socket.gaierror | ConnectionError | TimeoutError)


def _span(response: http.client.HTTPResponse, start: int) -> tuple[int, int | None]:
    """The first byte that comes, and the length of the whole file where the server says it."""
    if response.status not in (200, 206):
        raise Refused(f"failed (HTTP {response.status})")
    if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise Refused("gives a web page instead of the file")
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("identity", ""):
        raise Refused(f"gives the file compressed ({packed[:20]}), asked for it as it is")
    length = _number(response.headers.get("Content-Length", ""))
    if response.status == 200:
        return 0, length
    found = re.fullmatch(r"bytes\s+(\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not found:
        raise Refused("answers a range request without saying which range")
    first, last, total = (_number(text) for text in found.groups())
    if first not in (0, start) or first is None:
        raise Refused(f"begins at byte {found[1][:MAX_DIGITS]}, asked for {start:,}")
    if last is None or last < first or (total or last + 1) <= last or length not in (None, last - first + 1):
        raise Refused("contradicts itself about the length of the file")
    return first, total


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(rf"[0-9]{{1,{MAX_DIGITS}}}", text.strip()) else None


def _chunks(
    thread: BackgroundThread, response: http.client.HTTPResponse, on_wait: Callable[[], None]
) -> Iterator[bytes]:
    spent, came = 0.0, 0  # seconds of waiting, and bytes, since the last look at both
    while True:
        begun = time.monotonic()

        def waiting(begun: float = begun, spent: float = spent, came: int = came) -> None:
            on_wait()
            _check_pace(spent + time.monotonic() - begun, came)

        try:
            chunk = thread(lambda: response.read1(CHUNK), waiting)
        except TimeoutError as error:
            raise CutOff(f"gave no bytes for {PATIENCE:.0f} seconds") from error
        except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:  # a chunk of no length
            raise CutOff(f"broke off ({error or type(error).__name__})") from error
        if not chunk:
            return
        spent, came = spent + time.monotonic() - begun, came + len(chunk)  # without what the reader does with them
        yield chunk
        if spent >= PATIENCE:
            _check_pace(spent, came)
            spent, came = 0.0, 0


def _check_pace(spent: float, came: int) -> None:
    if spent >= PATIENCE and came < LEAST:
        raise CutOff(f"gave {came:,} bytes in {spent:.0f} seconds")
