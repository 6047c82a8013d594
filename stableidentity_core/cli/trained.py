"""`trained`: listing and removing the trainings stored by the nodes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from ..console.printable import printable_line
from ..errors import StableIdentityError
from ..store import read_limit, write_limit
from ..store.folder import remove, sweep, trim
from ..store.limit import GB, settings_file
from ..store.summary import Stored, stored_trainings
from .say import say

PACK = Path(__file__).absolute().parents[2]
SHOWN_KEY = 12  # characters, enough to be unique for any user


def add_trained(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=run, interrupted="files that were already removed stay removed")
    add = command.add_argument
    add(
        "--folder",
        type=Path,
        metavar="DIR",
        help="user/stableidentity/trained of a ComfyUI (default: the ComfyUI that this pack is installed in)",
    )
    what = command.add_mutually_exclusive_group()
    add = what.add_argument
    add("--list", action="store_true", help="list them, most recent last, with person, settings and size (default)")
    add(
        "--delete",
        nargs="+",
        metavar="WHO",
        help="remove all trainings of a person, by trigger such as anna, or one training by its key in the list",
    )
    add("--empty", action="store_true", help="remove all, including interrupted trainings")
    add("--limit", type=float, metavar="GB", help="set the size limit; the least recently used are removed first")


def run(options: argparse.Namespace) -> None:
    """List, remove, or set the limit."""
    folder = _folder(options.folder)
    if options.limit is not None:
        write_limit(folder, options.limit)
        removed = trim(folder, options.limit * GB)
        say(f"{settings_file(folder)}: at most {options.limit:g} GB. Removed {_count(len(removed), 'file')}.")
        return
    sweep(folder)
    trainings = stored_trainings(folder)
    if options.empty:
        _remove(trainings, folder)
    elif options.delete:
        _remove(_chosen(trainings, options.delete, folder), folder)
    else:
        _show(trainings, folder)


def _folder(given: Path | None) -> Path:
    if given is not None:
        if not os.path.isdir(given):
            raise StableIdentityError(
                f"--folder is {given}, which is not a folder; needed user/stableidentity/trained."
            )
        return given
    # If the pack is symlinked into custom_nodes, the link is the working directory.
    for pack in (PACK, Path(os.environ.get("PWD") or Path.cwd())):
        if pack.parent.name == "custom_nodes":
            return pack.parents[1] / "user" / "stableidentity" / "trained"
    raise StableIdentityError(
        f"{PACK} is not in ComfyUI's custom_nodes, so the folder of its trainings is unknown. Use --folder DIR: "
        "user/stableidentity/trained in ComfyUI's folder."
    )


def _chosen(trainings: Sequence[Stored], names: Sequence[str], folder: Path) -> list[Stored]:
    """Raises StableIdentityError if nothing is stored under a name."""
    chosen = []
    for name in names:
        trigger = f"<{name.strip('<>')}>"
        found = [training for training in trainings if training.trigger == trigger]
        if len(name) >= SHOWN_KEY:
            found = found or [training for training in trainings if training.key.startswith(name)]
        if not found:
            raise StableIdentityError(
                f"{folder} has no training of {name!r}; nothing was removed. `trained --list` shows all trainings."
            )
        chosen += found
    return list({training.key: training for training in chosen}.values())


def _remove(trainings: Sequence[Stored], folder: Path) -> None:
    """Raises StableIdentityError if a file could not be removed."""
    files = [entry for training in trainings for entry in training.files]
    left = [entry.path for entry in files if not remove(entry)]
    say(f"{folder}: removed {_count(len(trainings), 'training')}, {_count(len(files) - len(left), 'file')}.")
    if left:
        raise StableIdentityError(
            f"In use, or no permission to remove: {', '.join(map(str, left[:3]))} ({_count(len(left), 'file')}). "
            "Stop the training or ComfyUI, and try again."
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _show(trainings: Sequence[Stored], folder: Path) -> None:
    size = sum(training.size for training in trainings)
    say(f"{folder}: {_count(len(trainings), 'training')}, {size / GB:.2f} of {read_limit(folder):g} GB")
    for training in trainings:
        day = datetime.fromtimestamp(training.used / 1e9, timezone.utc).strftime("%Y-%m-%d")
        who = f"{printable_line(training.trigger)}: " if training.trigger else ""
        what = printable_line(training.what)
        say(f"{training.key[:SHOWN_KEY]}  {day}  {training.size / 1e6:8.2f} MB  {who}{what}")
