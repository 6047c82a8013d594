"""Where ComfyUI looks for an embedding: in all folders for embeddings and everywhere below, in no fixed order."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from .file import ENDINGS


class Places:
    """The files in some folders and below, looked up by the names that prompts say.

    Args:
        folders: of what several of them show, the first one's path is taken; links to folders are followed.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._by_name: dict[str, list[Path]] = {}
        for path in _files(folders):
            self._by_name.setdefault(_folded(path.name), []).append(path)

    def answering(self, name: str) -> list[Path]:
        """The files that `embedding:NAME` may stand for; case counts where it does for the file system."""
        found: dict[str, Path] = {}  # by real path
        for file in (name, *(name + ending for ending in ENDINGS)):
            for other in self._by_name.get(_folded(file), ()):
                path = other.with_name(file)
                if path.is_file() and (not path.is_symlink() or os.path.realpath(path) not in found):
                    found[os.path.realpath(path)] = path
        return list(found.values())

    def state(self, beginning: str) -> str:
        """Changes when a file whose name begins so comes, goes or is replaced."""
        beginning = _folded(beginning)
        paths = [path for name, paths in self._by_name.items() if name.startswith(beginning) for path in paths]
        return repr(sorted((str(path), signature(path)) for path in paths))


def signature(path: Path) -> tuple[int, ...]:
    """Changes when a file is written or replaced; empty when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    seen = set()  # links may lead back to where they stand
    for top in folders:
        for folder, below, names in os.walk(top, followlinks=True):
            if os.path.realpath(folder) in seen:
                below.clear()
                continue
            seen.add(os.path.realpath(folder))
            yield from (Path(folder, name) for name in names)


def _folded(name: str) -> str:
    """Equal for all names that any file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()
