"""Renaming and deleting saved people, with the portrait that belongs to each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import FileTakenError, StableIdentityError
from ..files.atomic import rename_file
from .places import Places
from .portraits import portraits_of, remove_portraits
from .save import embedding_name


def belongings(path: Path) -> list[Path]:
    """An identity's file and its previews: what is renamed and deleted together."""
    return [path, *portraits_of(path)]


def rename_person(path: Path, name: str, folders: Sequence[Path]) -> Path:
    """Give a person another name in the same folder, and return the new path; the trigger stays.

    Args:
        name: checked like the name of a new identity.
        folders: all folders that the host searches: in none of them may another file have the name.

    Raises:
        FileTakenError: another file has the name. StableIdentityError: an invalid name, or a folder that is not
            writable. Nothing was changed, unless the message says so.
    """
    name = embedding_name(name)
    new = path.with_name(f"{name}{path.suffix}")
    if new == path:
        return path
    for other in Places(folders).files_for(name):
        if not _is_same(other, path):
            raise FileTakenError(f"embedding:{name} already refers to {other}. Choose another name.")
    pictures = [*portraits_of(path)]
    if not _is_same(path, new):
        remove_portraits(new)  # of a person who no longer exists
    rename_file(path, new)
    for picture in pictures:
        try:
            os.replace(picture, new.with_name(f"{name}{picture.name[len(path.stem) :]}"))
        except OSError as error:
            raise StableIdentityError(
                f"{path.name} is now {new.name}, but {picture} could not be renamed: {error.strerror}. Rename it by "
                "hand."
            ) from error
    return new


def delete_person(path: Path) -> list[Path]:
    """Delete an identity's file and its previews, and return what was deleted.

    Raises:
        StableIdentityError: a file is in use, or the folder is not writable; names what is left.
    """
    deleted: list[Path] = []
    for file in belongings(path):
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            done = f" {', '.join(one.name for one in deleted)} was deleted." if deleted else " Nothing was deleted."
            raise StableIdentityError(f"{file} could not be deleted: {error.strerror}.{done}") from error
        deleted.append(file)
    return deleted


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
