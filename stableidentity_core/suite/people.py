"""The people of a suite, by their photos."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import StableIdentityError
from ..files.names import safe_file_name


def people_in(photos: Iterable[Path], most: int) -> dict[str, Path]:
    """The first of these photos by the names of people, which are those of the files, as names of folders.

    Raises:
        StableIdentityError: two photos of one name.
    """
    found: dict[str, Path] = {}
    taken: dict[str, Path] = {}  # also where case does not count
    for path in sorted(photos, key=lambda path: path.name):
        name = person_of(path)
        if other := taken.get(name.lower()):
            raise StableIdentityError(
                f"{other.name} and {path.name} are both photos of {name}; one photo of each person is needed. Rename "
                "or remove one of them."
            )
        taken[name.lower()] = found[name] = path
    return dict(list(found.items())[:most])


def person_of(photo: Path) -> str:
    """A photo's name without its ending, as the name of a folder."""
    return as_person(photo.stem)


def seed_of_name(person: str) -> int:
    """A whole number from 0 to 2^48 - 1."""
    return int.from_bytes(hashlib.sha256(person.encode()).digest()[:6], "big")


def as_person(text: str) -> str:
    """A name with `-` in place of what cannot be in the name of a folder."""
    name = re.sub(r"[^\w-]+", "-", text).strip("-") or "person"
    try:
        return safe_file_name(name)
    except StableIdentityError:  # too long, or reserved on Windows
        return safe_file_name(f"{name[:40]}-photo")
