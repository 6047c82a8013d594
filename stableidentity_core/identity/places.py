"""ComfyUI's lookup of embeddings: in all embedding folders and their subfolders, in no fixed order."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from .file import ENDINGS


class Places:
    """The files in folders and subfolders, looked up by the name used in prompts.

    Args:
        folders: for a file reachable through several of them, the path through the first is used; links to folders
            are followed.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._by_name: dict[str, list[Path]] = {}
        for path in _files(folders):
            self._by_name.setdefault(_folded(path.name), []).append(path)

    def files_for(self, name: str) -> list[Path]:
        """The files that `embedding:NAME` may refer to; case-sensitive if the file system is."""
        found: dict[str, Path] = {}  # by real path
        for file in (name, *(name + ending for ending in ENDINGS)):
            for other in self._by_name.get(_folded(file), ()):
                path = other.with_name(file)
                if path.is_file() and (not path.is_symlink() or os.path.realpath(path) not in found):
                    found[os.path.realpath(path)] = path
        return list(found.values())

    def state(self, beginning: str) -> str:
        """A value that changes when a file whose name begins this way is added, removed or replaced."""
        beginning = _folded(beginning)
        paths = [path for name, paths in self._by_name.items() if name.startswith(beginning) for path in paths]
        return repr(sorted((str(path), signature(path)) for path in paths))


def signature(path: Path) -> tuple[int, ...]:
    """A value that changes when a file is written or replaced; empty if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    seen = set()  # links may form cycles
    for top in folders:
        for folder, below, names in os.walk(top, followlinks=True):
            if os.path.realpath(folder) in seen:
                below.clear()
                continue
            seen.add(os.path.realpath(folder))
            yield from (Path(folder, name) for name in names)


def _folded(name: str) -> str:
    """Equal for all names that any file system treats as the same."""
    return unicodedata.normalize("NFC", name).casefold()
