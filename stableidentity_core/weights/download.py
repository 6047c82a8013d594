"""Fetching a weight file: on the user's act only, resumed, checked, and put in place whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .address import CutOff, Refused, open_at
from .lookup import locate, places
from .part import CHUNK, DownloadError, Part, Wrong
from .weight import Weight

ATTEMPTS = 3  # at one address in a row without getting any further

Progress = Callable[[int, int | None], None]  # bytes there, bytes in all if known; may raise to cancel


def download(weight: Weight, models: Path, on_progress: Progress | None = None, *, urls: Sequence[str] = ()) -> Path:
    """Fetch a file into its folder below `models`; one that is there whole is left alone.

    Bytes come into a file `.part` beside the target, from which a later call goes on. Addresses are tried in
    their order. Where size or sha256 are known they are compared before the file gets its name.

    Args:
        weight: an entry of the table.
        models: ComfyUI's `models` folder.
        on_progress: called with the bytes that are there and the bytes in all (None: not known). What it raises
            ends the download and keeps the part.
        urls: addresses to use instead of the entry's own.

    Raises:
        DownloadError: no address gave the file, the disk cannot take it, or another file has its place.
    """
    target = weight.path(models)
    if _is_there(weight, target):
        return target
    failures = []
    for url in urls or weight.urls:
        try:
            return _from_address(weight, target, url, on_progress or _silent)
        except (Refused, CutOff, Wrong) as failure:
            failures.append((url, failure))
    raise DownloadError(_all_failed(weight, target, failures))


def take_from_folder(weight: Weight, folder: Path, models: Path, on_progress: Progress | None = None) -> Path:
    """Copy a file from the user's own folder into its place, checked as a download is.

    Raises:
        DownloadError: the folder lacks the file or holds another one, or the disk cannot take it.
    """
    target = weight.path(models)
    if _is_there(weight, target):
        return target
    source = locate(weight.name, [folder])
    if source is None:
        looked = ", ".join(str(place) for place in places(weight))
        raise DownloadError(f"{folder} has no {weight.file}; looked for {looked} in it.")
    try:
        total = source.stat().st_size
        with source.open("rb") as file, Part(target, weight, str(source)) as part:
            part.restart()
            part.check_total(total)
            _take(part, iter(lambda: file.read(CHUNK), b""), total, on_progress or _silent)
            part.put_in_place()
    except Wrong as failure:
        raise DownloadError(f"{source} {failure}. Nothing was changed.") from failure
    except OSError as error:
        raise DownloadError(f"{source} cannot be read: {error.strerror or error}. Nothing was changed.") from error
    return target


def difference(weight: Weight, path: Path) -> str | None:
    """How a file differs from the table's entry in size or sha256, or None when it does not."""
    size = path.stat().st_size
    if size == 0 or weight.bytes not in (None, size):
        return f"has {size:,} bytes, needed {weight.size}"
    if weight.sha256 is None:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
    return None if digest.hexdigest() == weight.sha256 else f"has sha256 {digest.hexdigest()}, needed {weight.sha256}"


def _is_there(weight: Weight, target: Path) -> bool:
    if not target.exists():
        return False
    try:
        problem = "is a folder" if target.is_dir() else difference(weight, target)
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    if problem:
        raise DownloadError(f"{target} is there already but {problem}. Move it away and repeat. It was left as it is.")
    return True


def _from_address(weight: Weight, target: Path, url: str, on_progress: Progress) -> Path:
    with Part(target, weight, url) as part:
        left_over = part.size > 0
        try:
            _fill(part, url, weight, on_progress)
            part.put_in_place()
            return target
        except Wrong:
            if not left_over:
                raise
    return _from_address(weight, target, url, on_progress)  # what an earlier attempt left was to blame, perhaps


def _fill(part: Part, url: str, weight: Weight, on_progress: Progress) -> None:
    """Go on after each cut, as long as that leads further."""
    furthest, attempts = part.size, 0
    while True:
        try:
            return _fetch(part, url, weight, on_progress)
        except CutOff:
            attempts = 0 if part.size > furthest else attempts + 1
            furthest = max(furthest, part.size)
            if attempts >= ATTEMPTS:
                raise


def _fetch(part: Part, url: str, weight: Weight, on_progress: Progress) -> None:
    if weight.bytes is not None and part.size > weight.bytes:
        part.restart()
    if part.size == weight.bytes:
        return
    with open_at(url, part.size) as answer:
        if answer.start != part.size:  # the server begins at the beginning
            part.restart()
        if answer.total is None and weight.sha256 is None and not answer.self_ending:
            raise Refused("does not say how long the file is, and no sha256 is known to tell whether it is whole")
        if answer.total is not None:
            part.check_total(answer.total)
        _take(part, answer.chunks(), answer.total, on_progress)
    if answer.total is not None and part.size < answer.total:
        raise CutOff(f"broke off after {part.size:,} of {answer.total:,} bytes")


def _take(part: Part, chunks: Iterable[bytes], total: int | None, on_progress: Progress) -> None:
    on_progress(part.size, total)
    for chunk in chunks:
        part.write(chunk)
        on_progress(part.size, total)


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


def _silent(_done: int, _total: int | None) -> None:
    pass
