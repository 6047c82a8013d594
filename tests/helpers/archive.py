"""The registry's archive: this repository without the files that .comfyignore drops, as comfy-cli packs it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@cache
def repository_files() -> tuple[str, ...]:
    """All files of the working tree that git does not ignore, relative to the root."""
    return _git_files("--exclude-standard")


@cache
def archive_files() -> tuple[str, ...]:
    """What comfy-cli puts into the archive; compared with its own once, by hand."""
    dropped = {*_git_files("--ignored", "--exclude-from=.comfyignore")}
    return tuple(name for name in repository_files() if name not in dropped)


def unpack_archive(folder: Path) -> Path:
    """A copy of what the registry gives a user, to be spoilt; gives the folder."""
    for name in archive_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def _git_files(*options: str) -> tuple[str, ...]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", *options]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, and .comfyignore is read by git")
    return tuple(sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()}))
