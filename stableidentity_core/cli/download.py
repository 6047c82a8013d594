"""`download`: downloading weights."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from ..console.printable import printable_line
from ..console.progress import progress_bar
from ..errors import StableIdentityError
from ..weights import (
    FOR_EVALUATION,
    NEEDED,
    WEIGHTS,
    DownloadError,
    Weight,
    difference,
    download,
    get_weight,
    locate,
    take_from_folder,
)
from ..weights.lookup import has_unique_name
from ..weights.part import parts_of
from .say import say

MODELS = "ComfyUI's models folder"
MAX_SHOWN = 200  # characters of an argument in a message
MAX_ADDRESS = 8000  # characters that servers and proxies accept
_MEASURED = ", ".join(FOR_EVALUATION)
KEPT = "%/:?#[]@!$&'()*+,;=~"  # characters of an address that are not percent-encoded


def add_download(command: argparse.ArgumentParser) -> None:
    command.set_defaults(
        run=run, usage_error=command.error, interrupted="the partial download is kept, the same command resumes it"
    )
    add = command.add_argument
    add("names", nargs="*", metavar="NAME", help="a name shown by --list")
    add("--all-needed", action="store_true", help=f"everything needed for real photos: {', '.join(NEEDED)}")
    add("--all-evaluation", action="store_true", help=f"everything that pictures are measured with: {_MEASURED}")
    add("--list", action="store_true", help="list all names, and which files are in place or unfinished")
    add("--models", metavar="DIR", help=MODELS)
    add(
        "--from",
        dest="origin",
        metavar="URL_OR_FOLDER",
        help="your own mirror, structured like the models folder, or flat",
    )


def run(options: argparse.Namespace) -> None:
    """Download the requested files; if one fails, the others are still downloaded.

    Raises:
        StableIdentityError: at least one file failed; its reason was already printed.
    """
    if options.list:
        show_list(None if options.models is None else _folder("--models", options.models, MODELS))
        return
    if options.models is None:
        return options.usage_error("--models DIR is required: the models folder of your ComfyUI")
    models = _folder("--models", options.models, MODELS)
    groups = [NEEDED] * options.all_needed + [FOR_EVALUATION] * options.all_evaluation
    names = tuple(dict.fromkeys([*options.names, *(name for group in groups for name in group)]))
    if not names:
        options.usage_error("nothing to download: give a NAME from --list, --all-needed or --all-evaluation")
    weights = [get_weight(name) for name in names]
    origin = None if options.origin is None else _origin(options.origin)
    failed = [weight.name for weight in weights if not _fetched(weight, models, origin)]
    if failed:
        raise StableIdentityError(
            f"{len(failed)} of {len(weights)} files could not be downloaded: {', '.join(failed)}."
        )


def show_list(models: Path | None) -> None:
    """Print one line per file: name, purpose, path or size, licence; below it, its unfinished downloads."""
    for weight in WEIGHTS.values():
        place = locate(weight.name, [models]) if models else None
        state = f"in place at {place}" if place else f"{weight.size} for {weight.folder}/"
        say(f"{weight.name:24}{weight.purpose}; {state}; licence: {weight.licence}")
        for part in parts_of(weight.path(models)) if models else ():
            with suppress(OSError):  # it was just completed
                size = f"{part.stat().st_size:,} bytes"
                say(f"  unfinished: {part} ({size}); the same download resumes it, or delete the file")


def _folder(option: str, text: str, needed: str) -> Path:
    """An existing folder.

    Raises:
        StableIdentityError: it does not exist, or is not a valid path.
    """
    try:
        problem = "empty" if not text else None if Path(text).is_dir() else f"{_shown(text)}, which is not a folder"
    except OSError as error:  # too long, or no permission
        problem = f"{_shown(text)}, which cannot be read ({error.strerror})"
    except ValueError:  # a null character, or a lone surrogate
        problem = f"{_shown(text)}, which is not a valid folder name"
    if problem:
        raise StableIdentityError(f"{option} is {problem}; needed {needed}.")
    return Path(text)


def _origin(text: str) -> str | Path:
    """A folder, or the address of a server, percent-encoded.

    Raises:
        StableIdentityError: neither of the two.
    """
    scheme, mark, rest = text.partition("://")
    if not mark or scheme.lower() not in ("https", "http"):
        return _folder("--from", text, "your own folder of weights, or an address starting with https:// or http://")
    host, slash, path = rest.partition("/")
    try:
        if not host or len(text) > MAX_ADDRESS or any(ord(letter) < ord(" ") for letter in text):
            raise ValueError
        return f"{scheme}://{host.encode('idna').decode()}{slash}{quote(path, safe=KEPT)}"
    except ValueError as error:  # also UnicodeError
        raise StableIdentityError(
            f"--from is {_shown(text)}, which is not a valid address; needed an address such as "
            "https://your.server/path."
        ) from error


def _shown(text: str) -> str:
    """An argument as one line, truncated for a message."""
    return printable_line(f"{text[:MAX_SHOWN]}..." if len(text) > MAX_SHOWN else text)


def _fetched(weight: Weight, models: Path, origin: str | Path | None) -> bool:
    try:
        path = _in_another_place(weight, models) or _fetch(weight, models, origin)
    except DownloadError as error:
        say(f"Error: {error}", sys.stderr)
        return False
    checked = "sha256 verified" if weight.sha256 else "no known sha256 to verify"
    say(f"{weight.name}: {path} ({path.stat().st_size:,} bytes, {checked}). Licence: {weight.licence}.")
    return True


def _in_another_place(weight: Weight, models: Path) -> Path | None:
    """The same file in another pack's folder."""
    path = locate(weight.name, [models])
    if path is None or path == weight.path(models):
        return None
    try:
        return None if difference(weight, path) else path
    except OSError:  # not readable, so it is downloaded to its own folder
        return None


def _fetch(weight: Weight, models: Path, origin: str | Path | None) -> Path:
    with progress_bar(unit="B", unit_scale=True, desc=weight.name, delay=0.5) as bar:

        def on_progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        if origin is None:
            return download(weight, models, on_progress)
        if isinstance(origin, Path):
            return take_from_folder(weight, origin, models, on_progress)
        return download(weight, models, on_progress, urls=mirror_urls(weight, origin))


def mirror_urls(weight: Weight, base: str) -> Sequence[str]:
    """Possible addresses of a file on the user's own server."""
    base = base.rstrip("/")
    short = weight.file if has_unique_name(weight) else f"{weight.folder.rpartition('/')[2]}/{weight.file}"
    return f"{base}/{weight.folder}/{weight.file}", f"{base}/{short}"
