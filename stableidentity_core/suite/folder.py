"""The folder of an evaluation: where everything lies, and what is done already."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StableIdentityError
from ..files.atomic import write_atomically
from ..files.json_text import parse_object

SUITE = "suite.json"


@dataclass(frozen=True)
class Folder:
    """Paths of an evaluation.

    Attributes:
        root: the folder `--out`.
    """

    root: Path

    @property
    def suite(self) -> Path:
        """The suite as it was run."""
        return self.root / SUITE

    @property
    def failures(self) -> Path:
        return self.root / "failures.json"

    @property
    def lock(self) -> Path:
        """Held by the one run that writes here."""
        return self.root / ".lock"

    def photo(self, person: str) -> Path:
        return self.root / "photos" / f"{person}.png"

    def learned(self, method: str, person: str) -> Path:
        return self.root / "methods" / method / "people" / f"{person}.safetensors"

    def pictures(self, method: str, person: str) -> Path:
        return self.root / "methods" / method / "pictures" / person

    def picture(self, method: str, person: str, number: int, seed: int) -> Path:
        """Of the prompt with this number, counted from 0."""
        return self.pictures(method, person) / f"{number + 1:03d}-{seed}.png"

    def features(self, method: str, person: str) -> Path:
        return self.root / "scores" / method / f"{person}.safetensors"

    def values(self, method: str) -> Path:
        return self.root / "scores" / f"{method}.json"

    def record(self, key: str) -> Path:
        return self.root / "records" / f"{key}.json"

    def times(self, key: str) -> Path:
        """Apart from the records, which are the same for the same work."""
        return self.root / "times" / f"{key}.json"


def key_of(*parts: Any) -> str:
    """A key by content: the same for the same parts, of JSON's kinds."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def stamp_of(path: Path, *parts: Any) -> str:
    """A key of a file, or of all files in a folder, by names, sizes and times; empty where there is none."""
    files = sorted(one for one in (path, *path.rglob("*")) if one.is_file())
    known = [(one.as_posix(), status.st_size, status.st_mtime_ns) for one in files if (status := one.stat())]
    return key_of(known, *parts) if known else ""


def write_record(folder: Folder, key: str, files: Iterable[Path], about: Mapping[str, Any]) -> None:
    """Note work as done, after all its files are written."""
    hashes = {name_in(folder, path): sha256_of(path) for path in sorted(files)}
    text = json.dumps({**about, "files": hashes}, indent=1, sort_keys=True) + "\n"
    write_atomically(folder.record(key), text.encode())


def name_in(folder: Folder, path: Path) -> str:
    """A path in records, relative to the folder; it may lie beside it."""
    return Path(os.path.relpath(path, folder.root)).as_posix()


def is_done(folder: Folder, key: str) -> bool:
    """Whether this work was done and all that it wrote is still there, unchanged."""
    files = files_of(folder, key)
    return files is not None and all(
        (folder.root / path).is_file() and sha256_of(folder.root / path) == found for path, found in files.items()
    )


def files_of(folder: Folder, key: str) -> dict[str, str] | None:
    """What this work has written, {relative path: sha256}; None if it is not done, or its record is damaged."""
    try:
        found = parse_object(folder.record(key).read_text("utf-8"), "a record")["files"]
    except (OSError, UnicodeDecodeError, StableIdentityError, KeyError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, content: Any) -> None:
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
