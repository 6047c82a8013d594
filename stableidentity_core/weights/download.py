"""Downloading a weight file: only on the user's request, resumable, verified, and put in place atomically."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..background import BackgroundThread
from .address import ConnectionLost, Refused, open_at
from .check import difference, read_in_background
from .download_lock import download_lock
from .lookup import locate, places
from .part import DownloadError, Mismatch, Part, parts_of
from .weight import Weight

ATTEMPTS = 3  # consecutive attempts per address without progress
MIN_PROGRESS = 1 << 16  # bytes that an attempt has to add to count as progress

Progress = Callable[[int, int | None], None]  # bytes received, total bytes if known; may raise to cancel


def download(weight: Weight, models: Path, on_progress: Progress | None = None, *, urls: Sequence[str] = ()) -> Path:
    """Download a file into its folder below `models`, unless it is already complete there.

    Data goes into a `.part` file next to the target, from which a later call resumes. Addresses are tried in order.
    Before the file is renamed, its size and sha256 on disk are verified where they are known. One process at a time
    downloads a file; others wait for it.

    Args:
        weight: an entry of the table.
        models: ComfyUI's `models` folder.
        on_progress: called with the bytes received and the total (None: unknown), at least five times a second. If it
            raises, the download stops at once, the connection is closed and the part is kept.
        urls: addresses to use instead of the entry's own.

    Raises:
        DownloadError: no address provided the file, it cannot be written, or a different file is in its place.
    """
    meter = _Meter(on_progress)

    def fetch(target: Path) -> None:
        failures = []
        for url in urls or weight.urls:
            try:
                return _from_address(weight, target, url, meter)
            except (Refused, ConnectionLost, Mismatch) as failure:
                failures.append((url, failure))
        raise DownloadError(_all_failed(weight, target, failures))

    return _unless_present(weight, weight.path(models), meter, fetch)


def take_from_folder(weight: Weight, folder: Path, models: Path, on_progress: Progress | None = None) -> Path:
    """Copy a file from the user's own folder into its place, verified and cancellable like a download.

    Raises:
        DownloadError: the folder lacks the file or has a different one, or it cannot be written.
    """
    meter = _Meter(on_progress)

    def copy(target: Path) -> None:
        source = locate(weight.name, [folder])
        if source is None:
            tried = ", ".join(str(place) for place in places(weight))
            raise DownloadError(f"{folder} does not contain {weight.file}; looked for {tried} in it.")
        try:
            _copy(weight, source, target, meter)
        except Mismatch as failure:
            raise DownloadError(f"{source} {failure}. Nothing was changed.") from failure
        except OSError as error:
            raise DownloadError(f"{source} cannot be read: {error.strerror or error}. Nothing was changed.") from error

    return _unless_present(weight, weight.path(models), meter, copy)


class _Meter:
    """Reports the progress of a download, also while it is waiting."""

    def __init__(self, on_progress: Progress | None):
        self._on_progress = on_progress or (lambda _done, _total: None)
        self._last: tuple[int, int | None] = (0, None)

    def at(self, done: int, total: int | None) -> None:
        self._last = (done, total)
        self._on_progress(done, total)

    def repeat(self) -> None:
        self._on_progress(*self._last)


def _unless_present(weight: Weight, target: Path, meter: _Meter, fetch: Callable[[Path], None]) -> Path:
    """The file, fetched if necessary while no other process fetches it."""

    def show_progress_of_other() -> None:
        done = 0
        with contextlib.suppress(OSError):  # a part that was just renamed
            done = max((part.stat().st_size for part in parts_of(target)), default=0)
        meter.at(done, weight.bytes)

    if not _is_present(weight, target, meter):
        with download_lock(target, show_progress_of_other):
            if not _is_present(weight, target, meter):
                fetch(target)
    return target


def _is_present(weight: Weight, target: Path, meter: _Meter) -> bool:
    try:
        if not target.exists():
            return False
        problem = "is a folder" if target.is_dir() else difference(weight, target, meter.repeat)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else None
        raise DownloadError(
            f"{target} cannot be read: {reason or error}. Make it readable, move it away, or choose another folder."
        ) from error
    if problem:
        raise DownloadError(f"{target} already exists but {problem}. Move it away and try again. It was not changed.")
    return True


def _copy(weight: Weight, source: Path, target: Path, meter: _Meter) -> None:
    total = source.stat().st_size
    with Part(target, weight, str(source)) as part, BackgroundThread() as thread:
        part.restart()
        part.check_total(total)
        _receive(part, read_in_background(thread, source, meter.repeat), total, meter)
        if part.size != total:
            raise Mismatch(f"has {total:,} bytes, but {part.size:,} were read: it is being written")
        part.put_in_place(meter.repeat)


def _from_address(weight: Weight, target: Path, url: str, meter: _Meter) -> None:
    for again in (False, True):
        with Part(target, weight, url) as part:
            left_over = part.size > 0
            try:
                _fill(part, url, weight, meter)
                part.put_in_place(meter.repeat)
                return
            except Mismatch:
                if again or not left_over:  # otherwise the data of an earlier attempt may be the cause
                    raise


def _fill(part: Part, url: str, weight: Weight, meter: _Meter) -> None:
    """Resume after each disconnection, as long as that makes progress."""
    furthest, attempts = part.size, 0
    while True:
        try:
            return _fetch(part, url, weight, meter)
        except ConnectionLost:
            attempts = 0 if part.size >= furthest + MIN_PROGRESS else attempts + 1
            furthest = max(furthest, part.size)
            if attempts >= ATTEMPTS:
                raise


def _fetch(part: Part, url: str, weight: Weight, meter: _Meter) -> None:
    if weight.bytes is not None and part.size > weight.bytes:
        part.restart()
    if part.size == weight.bytes:
        return
    meter.at(part.size, weight.bytes)
    with open_at(url, part.size, meter.repeat) as answer:
        if answer.start != part.size:  # the server ignored the range
            part.restart()
        if answer.total is None and weight.sha256 is None and not answer.self_ending:
            raise Refused("does not state the file's length, and no sha256 is known to check whether it is complete")
        if answer.total is not None:
            part.check_total(answer.total)
        _receive(part, answer.chunks, answer.total or weight.bytes, meter)
    if answer.total is not None and part.size < answer.total:
        raise ConnectionLost(f"lost the connection after {part.size:,} of {answer.total:,} bytes")


def _receive(part: Part, chunks: Iterable[bytes], total: int | None, meter: _Meter) -> None:
    meter.at(part.size, total)
    for chunk in chunks:
        part.write(chunk)
        meter.at(part.size, total)
        if total is not None and part.size > total:
            part.restart()
            raise Mismatch(f"sent more than the expected {total:,} bytes")


def _all_failed(weight: Weight, target: Path, failures: Sequence[tuple[str, Exception]]) -> str:
    offline = all(isinstance(failure, Refused) and failure.offline for _url, failure in failures)
    tried = "; ".join(f"{url} {failure}" for url, failure in failures)
    cut = any(isinstance(failure, ConnectionLost) for _url, failure in failures)
    return (
        f"{weight.file} could not be downloaded"
        + (
            ": no server could be reached; this machine seems to be offline or to need a proxy (HTTPS_PROXY)"
            if offline
            else ""
        )
        + f". {tried}. "
        + ("The partial download is kept; the same command resumes it. " if cut else "")
        + f"Or download it elsewhere ({weight.size}) and put it at {target}."
    )
