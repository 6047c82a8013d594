"""`download`: fetching weights, when a user asks for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import StableIdentityError
from ..weights import NEEDED, WEIGHTS, DownloadError, Weight, difference, download, get_weight, locate, take_from_folder
from ..weights.lookup import telling


def add_command(commands: Any) -> None:
    command = commands.add_parser("download", help="fetch weights into ComfyUI's models folder")
    command.set_defaults(
        run=run, usage_error=command.error, interrupted="what arrived is kept, the same command goes on from there"
    )
    add = command.add_argument
    add("names", nargs="*", metavar="NAME", help="of the list that --list shows")
    add("--all-needed", action="store_true", help=f"all that real photos need: {', '.join(NEEDED)}")
    add("--list", action="store_true", help="show what there is, and what is in place")
    add("--models", type=Path, metavar="DIR", help="ComfyUI's models folder")
    add(
        "--from", dest="origin", metavar="URL_OR_FOLDER", help="your own mirror, laid out as the models folder, or flat"
    )


def run(options: argparse.Namespace) -> None:
    """Fetch what was asked for; one file that fails does not keep the others from coming.

    Raises:
        StableIdentityError: at least one file did not come; each has said why.
    """
    if options.list:
        show_list(options.models)
        return
    if not options.models:
        options.usage_error("--models DIR is needed: the models folder of your ComfyUI")
    if not options.models.is_dir():
        raise StableIdentityError(f"--models is {options.models}, which is no folder; needed ComfyUI's models folder.")
    names = tuple(dict.fromkeys([*options.names, *(NEEDED if options.all_needed else ())]))
    if not names:
        options.usage_error("nothing to fetch: give a NAME of --list, or --all-needed")
    weights = [get_weight(name) for name in names]
    failed = [weight.name for weight in weights if not _fetched(weight, options.models, options.origin)]
    if failed:
        raise StableIdentityError(f"{len(failed)} of {len(weights)} files did not come: {', '.join(failed)}.")


def show_list(models: Path | None) -> None:
    """One line for each file: name, place or size, purpose, licence."""
    for weight in WEIGHTS.values():
        place = locate(weight.name, [models]) if models else None
        state = f"in place at {place}" if place else f"{weight.size} for {weight.folder}/"
        print(f"{weight.name:24}{weight.purpose}; {state}; licence: {weight.licence}")


def _fetched(weight: Weight, models: Path, origin: str | None) -> bool:
    try:
        path = _in_another_place(weight, models) or _fetch(weight, models, origin)
    except DownloadError as error:
        print(f"Error: {error}", file=sys.stderr)
        return False
    checked = "sha256 as expected" if weight.sha256 else "no sha256 is known to compare with"
    print(f"{weight.name}: {path} ({path.stat().st_size:,} bytes, {checked}). Licence: {weight.licence}.")
    return True


def _in_another_place(weight: Weight, models: Path) -> Path | None:
    """The same file where another pack keeps it."""
    path = locate(weight.name, [models])
    if path is None or path == weight.path(models):
        return None
    try:
        return None if difference(weight, path) else path
    except OSError:  # not readable, so the proper place gets its own
        return None


def _fetch(weight: Weight, models: Path, origin: str | None) -> Path:
    with tqdm(unit="B", unit_scale=True, desc=weight.name, delay=0.5) as bar:

        def on_progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        if origin is None:
            return download(weight, models, on_progress)
        if origin.startswith(("https://", "http://")):
            return download(weight, models, on_progress, urls=mirror_urls(weight, origin))
        return take_from_folder(weight, Path(origin), models, on_progress)


def mirror_urls(weight: Weight, base: str) -> Sequence[str]:
    """Where a user's own server may have a file."""
    base = base.rstrip("/")
    short = weight.file if telling(weight) else f"{weight.folder.rpartition('/')[2]}/{weight.file}"
    return f"{base}/{weight.folder}/{weight.file}", f"{base}/{short}"
