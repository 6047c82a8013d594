"""One URL: requesting a file from a given byte on, with a plain reason if that fails."""

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
from .connection import Connection

STALL_TIMEOUT = 30.0  # seconds: to connect, and to receive MIN_BYTES
MIN_BYTES = 30_000  # per STALL_TIMEOUT; a slower transfer counts as stalled
RESPONSE_TIMEOUT = 60.0  # seconds until the response begins, connections and redirects included
CHUNK = 1 << 16
MAX_DIGITS = 18  # of a length; a longer one cannot be a file size

_REASONS = {
    401: "is not publicly accessible",
    403: "is not publicly accessible",
    404: "was not found",
    407: "is behind a proxy that asks for a password (HTTPS_PROXY)",
    410: "no longer exists",
    416: "rejects a request for the whole file",
    429: "is busy, try again later",
    503: "is busy, try again later",
    **dict.fromkeys((301, 302, 303, 307, 308), "redirects endlessly or to an invalid address"),
}


class Refused(Exception):
    """The address does not provide the file; retrying at once would not help."""

    def __init__(self, reason: str, offline: bool = False):
        super().__init__(reason)
        self.offline = offline  # the server is unreachable


class ConnectionLost(Exception):
    """The connection ended too early; resuming from there may help."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    start: int  # first byte of the file that is sent
    total: int | None  # bytes of the whole file; None if the server does not say
    self_ending: bool  # the transfer marks its own end
    chunks: Iterator[bytes]  # as they arrive; a server may also stop too early without an error


@contextmanager
def open_at(url: str, start: int, on_wait: Callable[[], None]) -> Iterator[Answer]:
    """Request a file from byte `start` on (RFC 9110, range requests), using the proxies of the environment.

    Args:
        on_wait: called five times a second while waiting for data. If it raises, the connection is closed.

    Raises:
        Refused: the file is not available there.
        ConnectionLost: (while the chunks are read) the connection broke or stalled.
    """
    connection = Connection()
    try:
        with BackgroundThread() as thread:
            response = _request(partial(_with_timeout, thread, on_wait), connection, url, start)
            if isinstance(response, Answer):
                yield response
                return
            first, total = _span(response, start)
            yield Answer(
                start=first,
                total=total,
                self_ending=bool(getattr(response, "chunked", False)),
                chunks=_chunks(thread, response, on_wait),
            )
    finally:
        connection.close()


def _with_timeout(
    thread: BackgroundThread, on_wait: Callable[[], None], act: Callable[[], http.client.HTTPResponse]
) -> http.client.HTTPResponse:
    end = time.monotonic() + RESPONSE_TIMEOUT

    def waiting() -> None:
        on_wait()
        if time.monotonic() > end:
            raise Refused(f"did not respond within {RESPONSE_TIMEOUT:.0f} seconds")

    return thread(act, waiting)


def _request(
    with_timeout: Callable[[Callable[[], http.client.HTTPResponse]], http.client.HTTPResponse],
    connection: Connection,
    url: str,
    start: int,
) -> http.client.HTTPResponse | Answer:
    """The server's response; an empty Answer if all bytes were already downloaded."""
    if not url.lower().startswith(("https://", "http://")):
        raise Refused("is not an https or http address")
    headers = {"User-Agent": "ComfyUI-StableIdentity", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        return with_timeout(lambda: connection.open(urllib.request.Request(url, headers=headers), STALL_TIMEOUT))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            if error.headers.get("Content-Range", "").strip() == f"bytes */{start}":
                return Answer(start=start, total=start, self_ending=True, chunks=iter(()))
            return _request(with_timeout, connection, url, 0)
        raise Refused(f"{_REASONS.get(error.code, 'failed')} (HTTP {error.code})") from error
    except TimeoutError as error:  # after connecting; before that, urllib raises a URLError
        raise Refused(f"did not respond within {STALL_TIMEOUT:.0f} seconds") from error
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        description = str(reason) or type(reason).__name__
        raise Refused(f"could not be reached ({description})", offline=_is_unreachable(reason)) from error


def _is_unreachable(reason: object) -> bool:
    unreachable = isinstance(reason, OSError) and reason.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    return unreachable or isinstance(reason, socket.gaierror | ConnectionError | TimeoutError)


def _span(response: http.client.HTTPResponse, start: int) -> tuple[int, int | None]:
    """The first byte that is sent, and the length of the whole file, or None if the server does not say."""
    if response.status not in (200, 206):
        raise Refused(f"failed (HTTP {response.status})")
    if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise Refused("returned a web page instead of the file")
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("identity", ""):
        raise Refused(f"returned the file compressed ({packed[:20]}), needed it uncompressed")
    length = _number(response.headers.get("Content-Length", ""))
    if response.status == 200:
        return 0, length
    found = re.fullmatch(r"bytes\s+(\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not found:
        raise Refused("answered a range request without a valid Content-Range")
    first, last, total = (_number(text) for text in found.groups())
    if first not in (0, start) or first is None:
        raise Refused(f"sent the file from byte {found[1][:MAX_DIGITS]}, requested {start:,}")
    if last is None or last < first or (total or last + 1) <= last or length not in (None, last - first + 1):
        raise Refused("sent contradictory file lengths")
    return first, total


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(rf"[0-9]{{1,{MAX_DIGITS}}}", text.strip()) else None


def _chunks(
    thread: BackgroundThread, response: http.client.HTTPResponse, on_wait: Callable[[], None]
) -> Iterator[bytes]:
    spent, received = 0.0, 0  # seconds of waiting, and bytes, since the last check
    while True:
        begun = time.monotonic()

        def waiting(begun: float = begun, spent: float = spent, received: int = received) -> None:
            on_wait()
            _check_rate(spent + time.monotonic() - begun, received)

        try:
            chunk = thread(lambda: response.read1(CHUNK), waiting)
        except TimeoutError as error:
            raise ConnectionLost(f"sent no bytes for {STALL_TIMEOUT:.0f} seconds") from error
        except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:  # an invalid chunk length
            raise ConnectionLost(f"lost the connection ({error or type(error).__name__})") from error
        if not chunk:
            return
        spent, received = spent + time.monotonic() - begun, received + len(chunk)  # without the consumer's time
        yield chunk
        if spent >= STALL_TIMEOUT:
            _check_rate(spent, received)
            spent, received = 0.0, 0


def _check_rate(spent: float, received: int) -> None:
    if spent >= STALL_TIMEOUT and received < MIN_BYTES:
        raise ConnectionLost(f"sent only {received:,} bytes in {spent:.0f} seconds")
