"""Saving under a user's name without losing an older person of that name."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import count
from pathlib import Path

import torch

from ..errors import StableIdentityError
from ..files import safe_file_name
from .file import SUFFIXES, load_identity, save_identity
from .types import Identity


class IfExists(Enum):
    """What to do when the name is taken by other words."""

    NUMBER = "add a number"
    REPLACE = "replace"
    STOP = "stop"


def save_under_name(identity: Identity, folder: Path, name: str, if_exists: IfExists = IfExists.NUMBER) -> Path:
    """Save into a folder and return the file's path; equal words already there are left alone.

    Raises:
        StableIdentityError: the name cannot be a file's, it is taken (STOP), or the disk is full.
    """
    name = safe_file_name(name.removesuffix(".safetensors"))
    for path in _candidates(folder, name):
        if _same(path, identity):
            return path
        if if_exists is IfExists.REPLACE or not _taken(path):
            save_identity(identity, path)
            return path
        if if_exists is IfExists.STOP:
            there = next(file for file in _same_name(path) if file.exists())
            raise StableIdentityError(
                f"{there} holds another person. Choose another name, or set if_exists to "
                f"'{IfExists.NUMBER.value}' or '{IfExists.REPLACE.value}'."
            )
    raise AssertionError("unreachable: candidates never end")


def _candidates(folder: Path, name: str) -> Iterator[Path]:
    yield folder / f"{name}.safetensors"
    for number in count(2):
        yield folder / f"{name}-{number}.safetensors"


def _taken(path: Path) -> bool:
    return any(file.exists() for file in _same_name(path))


def _same_name(path: Path) -> list[Path]:
    """Also `.pt` and `.bin`: the host finds a name whatever its ending."""
    return [path.with_suffix(suffix) for suffix in SUFFIXES]


def _same(path: Path, identity: Identity) -> bool:
    try:
        there = load_identity(path)
    except StableIdentityError:
        return False
    return (
        there.trigger == identity.trigger
        and there.words.keys() == identity.words.keys()
        and all(torch.equal(there.words[space], words) for space, words in identity.words.items())
    )
