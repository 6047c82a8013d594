"""Fetching a weight file: on the user's act only, resumed, checked, and put in place whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..background import BackgroundThread
from .address import CutOff, Refused, open_at
from .check import difference, read_in_background
from .lookup import locate, places
from .part import DownloadError, Part, Wrong, parts_of
from .turn import turn
from .weight import Weight

ATTEMPTS = 3  # at one address in a row without getting any further
FURTHER = 1 << 16  # bytes; a server that ends the connection after fewer gets nobody further

Progress = Callable[[int, int | None], None]  # bytes there, bytes in all if known; may raise to cancel


def download(weight: Weight, models: Path, on_progress: Progress | None = None, *, urls: Sequence[str] = ()) -> Path:
    """Fetch a file into its folder below `models`; one that is there whole is left alone.

    Bytes come into a file `.part` beside the target, from which a later call goes on. Addresses are tried in
    their order. Before the file gets its name, size and sha256 of the bytes on the disk are compared where they are
    known. One process at a time fetches a file; others wait, and find it there.

    Args:
        weight: an entry of the table.
        models: ComfyUI's `models` folder.
        on_progress: called with the bytes that are there and the bytes in all (None: not known), five times a second
            also while nothing comes. What it raises ends the download within a moment, closes the connection and keeps
            the part.
        urls: addresses to use instead of the entry's own.

    Raises:
        DownloadError: no address gave the file, the disk cannot take it, or another file has its place.
    """
    meter = _Meter(on_progress)

    def fetch(target: Path) -> None:
        failures = []
        for url in urls or weight.urls:
            try:
                return _from_address(weight, target, url, meter)
            except (Refused, CutOff, Wrong) as failure:
                failures.append((url, failure))
        raise DownloadError(_all_failed(weight, target, failures))

    return _unless_there(weight, weight.path(models), meter, fetch)


def take_from_folder(weight: Weight, folder: Path, models: Path, on_progress: Progress | None = None) -> Path:
    """Copy a file from the user's own folder into its place, checked and cancelled as a download is.

    Raises:
        DownloadError: the folder lacks the file or holds another one, or the disk cannot take it.
    """
    meter = _Meter(on_progress)

    def copy(target: Path) -> None:
        source = locate(weight.name, [folder])
        if source is None:
            looked = ", ".join(str(place) for place in places(weight))
            raise DownloadError(f"{folder} has no {weight.file}; looked for {looked} in it.")
        try:
            _copy(weight, source, target, meter)
        except Wrong as failure:
            raise DownloadError(f"{source} {failure}. Nothing was changed.") from failure
        except OSError as error:
            raise DownloadError(f"{source} cannot be read: {error.strerror or error}. Nothing was changed.") from error

    return _unless_there(weight, weight.path(models), meter, copy)


class _Meter:
    """Tells how far the download is, also when it gets no further."""

    def __init__(self, on_progress: Progress | None):
        self._on_progress = on_progress or (lambda _done, _total: None)
        self._last: tuple[int, int | None] = (0, None)

    def at(self, done: int, total: int | None) -> None:
        self._last = (done, total)
        self._on_progress(done, total)

    def still(self) -> None:
        self._on_progress(*self._last)


def _unless_there(weight: Weight, target: Path, meter: _Meter, fetch: Callable[[Path], None]) -> Path:
    """The file, fetched if need be while no other process fetches it."""

    def others_turn() -> None:
        done = 0
        with contextlib.suppress(OSError):  # a part that has just got its name
            done = max((part.stat().st_size for part in parts_of(target)), default=0)
        meter.at(done, weight.bytes)

    if not _is_there(weight, target, meter):
        with turn(target, others_turn):
            if not _is_there(weight, target, meter):
                fetch(target)
    return target


def _is_there(weight: Weight, target: Path, meter: _Meter) -> bool:
    try:
        if not target.exists():
            return False
        problem = "is a folder" if target.is_dir() else difference(weight, target, meter.still)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        said = error.strerror if isinstance(error, OSError) else None
        raise DownloadError(
            f"{target} cannot be read: {said or error}. Make it readable, move it away, or choose another folder."
        ) from error
    if problem:
        raise DownloadError(f"{target} is there already but {problem}. Move it away and repeat. It was left as it is.")
    return True


def _copy(weight: Weight, source: Path, target: Path, meter: _Meter) -> None:
    total = source.stat().st_size
    with Part(target, weight, str(source)) as part, BackgroundThread() as thread:
        part.restart()
        part.check_total(total)
        _take(part, read_in_background(thread, source, meter.still), total, meter)
        if part.size != total:
            raise Wrong(f"had {total:,} bytes and gave {part.size:,}: it is being written")
        part.put_in_place(meter.still)


def _from_address(weight: Weight, target: Path, url: str, meter: _Meter) -> None:
    for again in (False, True):
        with Part(target, weight, url) as part:
            left_over = part.size > 0
            try:
                _fill(part, url, weight, meter)
                part.put_in_place(meter.still)
                return
            except Wrong:
                if again or not left_over:  # else what an earlier attempt left was to blame, perhaps
                    raise


def _fill(part: Part, url: str, weight: Weight, meter: _Meter) -> None:
    """Go on after each cut, as long as that leads further."""
    furthest, attempts = part.size, 0
    while True:
        try:
            return _fetch(part, url, weight, meter)
        except CutOff:
            attempts = 0 if part.size >= furthest + FURTHER else attempts + 1
            furthest = max(furthest, part.size)
            if attempts >= ATTEMPTS:
                raise


def _fetch(part: Part, url: str, weight: Weight, meter: _Meter) -> None:
    if weight.bytes is not None and part.size > weight.bytes:
        part.restart()
    if part.size == weight.bytes:
        return
    meter.at(part.size, weight.bytes)
    with open_at(url, part.size, meter.still) as answer:
        if answer.start != part.size:  # the server begins at the beginning
            part.restart()
        if answer.total is None and weight.sha256 is None and not answer.self_ending:
            raise Refused("does not say how long the file is, and no sha256 is known to tell whether it is whole")
        if answer.total is not None:
            part.check_total(answer.total)
        _take(part, answer.chunks, answer.total or weight.bytes, meter)
    if answer.total is not None and part.size < answer.total:
        raise CutOff(f"broke off after {part.size:,} of {answer.total:,} bytes")


def _take(part: Part, chunks: Iterable[bytes], total: int | None, meter: _Meter) -> None:
    meter.at(part.size, total)
    for chunk in chunks:
        part.write(chunk)
        meter.at(part.size, total)
        if total is not None and part.size > total:
            part.restart()
            raise Wrong(f"gives more than the {total:,} bytes it should have")


def _all_failed(weight: Weight, target: Path, failures: Sequence[tuple[str, Exception]]) -> str:
    offline = all(isinstance(failure, Refused) and failure.offline for _url, failure in failures)
    tried = "; ".join(f"{url} {failure}" for url, failure in failures)
    cut = any(isinstance(failure, CutOff) for _url, failure in failures)
    return (
        f"{weight.file} could not be fetched"
        + (
            ": no server was reached; this machine seems to be offline, or to need a proxy (HTTPS_PROXY)"
            if offline
            else ""
        )
        + f". {tried}. "
        + ("What arrived is kept: the same command goes on from there. " if cut else "")
        + f"Or fetch it elsewhere ({weight.size}) and put it at {target}."
    )
