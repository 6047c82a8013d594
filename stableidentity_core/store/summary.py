"""Descriptions of stored trainings, from the headers of their files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..errors import StableIdentityError
from ..files.json_text import parse_texts
from .folder import Entry, Kind, entries


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A stored training, complete or partial."""

    key: str
    trigger: str | None  # "<anna>"; None for a training over many people, or if it cannot be read
    what: str  # "stableidentity, 450 steps"; untrusted text, escape it before printing
    files: tuple[Entry, ...]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.files)

    @property
    def used(self) -> int:
        """Nanoseconds since 1970."""
        return max(entry.used for entry in self.files)


def stored_trainings(folder: Path) -> list[Stored]:
    """All stored trainings of a folder, most recently used last.

    Raises:
        StableIdentityError: the folder cannot be read.
    """
    by_key: dict[str, list[Entry]] = {}
    try:
        for entry in entries(folder):
            by_key.setdefault(entry.key, []).append(entry)
    except (OSError, ValueError) as error:
        raise StableIdentityError(
            f"{folder} cannot be read: {error}. Choose the folder of stored trainings."
        ) from error
    return sorted((_stored(key, files) for key, files in by_key.items()), key=lambda training: training.used)


def _stored(key: str, files: Sequence[Entry]) -> Stored:
    headers = {entry.kind: _header(entry.path) for entry in files}
    trigger, what = None, "cannot be read"
    if words := headers.get(Kind.WORDS):
        trigger = words.get("trigger")
        header = _texts(words, "header")
        what = f"{header.get('method', '?')}, {header.get('steps', '?')} steps"
        what += "" if Kind.PROJECTOR in headers else ", its projector was removed"
    elif projector := headers.get(Kind.PROJECTOR):
        facts = _texts(projector, "facts")
        what = f"projector of {facts.get('projector_people', '?')} people, {facts.get('projector_steps', '?')} steps"
    elif checkpoint := headers.get(Kind.CHECKPOINT):
        what = f"interrupted at step {checkpoint.get('step', '?')}"
    return Stored(key=key, trigger=trigger, what=what, files=tuple(files))


def _header(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError):
        return {}


def _texts(header: dict[str, str], key: str) -> dict[str, str]:
    try:
        return parse_texts(header.get(key, ""), key)
    except StableIdentityError:
        return {}
