"""Output files of the commands: existing files are only overwritten with --replace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import FileTakenError, StableIdentityError
from ..files.writable import check_file, check_folder
from .say import say

SUFFIX = ".safetensors"


def add_replace(command: Any) -> None:
    command.add_argument(
        "--replace", action="store_true", help="overwrite existing files (default: stop with an error)"
    )


def check_out(path: Path, replace: bool) -> None:
    """Raise before any work unless `--out` can be written as a safetensors file."""
    if path.suffix != SUFFIX:
        raise StableIdentityError(f"--out is {path}, needed a name ending in {SUFFIX}.")
    check_file(path, "--out", replace=replace)


def check_out_folder(folder: Path, names: Sequence[str], replace: bool) -> None:
    """Raise before any work unless all these files can be written to `--out`."""
    check_folder(folder, "--out")
    for name in names:
        check_file(folder / name, "--out", replace=replace)


def check_checkpoint(path: Path | None, out: Path) -> None:
    """Raise before any work if `--checkpoint` is given but cannot be written or is the same file as `--out`."""
    if path is None:
        return
    check_file(path, "--checkpoint", replace=True)  # its content is checked when it is read
    if path.absolute() == out.absolute():
        raise StableIdentityError(f"--checkpoint and --out are both {path}. Use two different names.")


def save_new(path: Path, replace: bool, save: Callable[[Path, bool], None]) -> Path:
    """Save and return the path; a number is added if another process has taken the name since it was checked.

    Args:
        save: called with a path and whether it may overwrite; raises FileTakenError.
    """
    for number in count(1):
        free = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            save(free, replace)
        except FileTakenError:
            continue
        if number > 1:
            say(f"Another process has written {path} in the meantime; the result is in {free}.")
        return free
    raise AssertionError("unreachable: the numbers never end")
