"""The stored trainings of one person: those that gave exactly these words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from ..errors import StableIdentityError
from ..files.tensors import read_tensors
from ..identity.types import Identity
from .folder import Entry, Kind, remove
from .summary import Stored, stored_trainings


def trainings_of(folder: Path, identity: Identity) -> list[Stored]:
    """Stored trainings whose words are those of the identity, under whatever trigger; most recently used last.

    Raises:
        StableIdentityError: the folder cannot be read.
    """
    return [training for training in stored_trainings(folder) if _gave(training.files, identity)]


def remove_trainings(trainings: Iterable[Stored]) -> list[Entry]:
    """Remove stored trainings, and return the files that could not be removed."""
    return [entry for training in trainings for entry in training.files if not remove(entry)]


def _gave(files: Iterable[Entry], identity: Identity) -> bool:
    for entry in files:
        if entry.kind is Kind.WORDS:
            try:
                tensors, _header = read_tensors(entry.path)
            except StableIdentityError:  # damaged, or just removed
                return False
            words = {key.removeprefix("words."): value for key, value in tensors.items() if key.startswith("words.")}
            return _same(words, identity)
    return False


def _same(words: dict[str, Tensor], identity: Identity) -> bool:
    return words.keys() == identity.words.keys() and all(
        value.shape == identity.words[space].shape and bool((value == identity.words[space]).all())
        for space, value in words.items()
    )
