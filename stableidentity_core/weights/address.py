"""One address: asking for a file from some byte on, and saying plainly why it does not come."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 16

_REASONS = {
    401: "is not open to everyone",
    403: "is not open to everyone",
    404: "is not there",
    410: "is not there any more",
    429: "asks to come back later",
    503: "asks to come back later",
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
    response: http.client.HTTPResponse

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they arrive; a server may also stop too early without an error."""
        while True:
            try:
                chunk = self.response.read1(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise CutOff(f"broke off ({error or type(error).__name__})") from error
            if not chunk:
                return
            yield chunk


@contextmanager
def open_at(url: str, start: int) -> Iterator[Answer]:
    """Ask for a file from byte `start` on (RFC 9110, range requests); proxies of the environment are used.

    Raises:
        Refused: nothing to be had there.
        CutOff: the server cannot go on from that byte, and the file has to begin anew.
    """
    with _request(url, start) as response:
        if response.headers.get_content_type() == "text/html":
            raise Refused("gives a web page instead of the file")
        length = response.headers.get("Content-Length")
        begins = _first_byte(response) if response.status == 206 else 0
        if begins not in (0, start):
            raise Refused(f"begins at byte {begins:,}, asked for {start:,}")
        yield Answer(
            start=begins,
            total=begins + int(length) if length else None,
            self_ending=bool(getattr(response, "chunked", False)),
            response=response,
        )


def _request(url: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "ComfyUI-StableIdentity", **({"Range": f"bytes={start}-"} if start else {})}
    if not url.startswith(("https://", "http://")):
        raise Refused("is no https or http address")
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            return _request(url, 0)
        raise Refused(f"{_REASONS.get(error.code, 'failed')} (HTTP {error.code})") from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise Refused(f"could not be reached ({reason})", offline=_no_way(reason)) from error


def _no_way(reason: object) -> bool:
    unreachable = isinstance(reason, OSError) and reason.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    return unreachable or isinstance(reason, socket.gaierror | ConnectionError | TimeoutError)


def _first_byte(response: http.client.HTTPResponse) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not found:
        raise Refused("answers a range request without saying which range")
    return int(found[1])
