"""ComfyUI's lookup of embeddings: in all embedding folders and their subfolders, in no fixed order."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from .file import ENDINGS

_TYPABLE = re.compile(r"[\w.-]+(/[\w.-]+)*")  # in a prompt, where a name ends at spaces and brackets


class Places:
    """The files in folders and subfolders, looked up by the name used in prompts.

    Args:
        folders: for a file reachable through several of them, the path through the first is used; links to folders
            are followed.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._by_name: dict[str, list[Path]] = {}
        self.tops: dict[Path, Path] = {}  # file: the folder of `folders` in which it was found
        for top, path in _files(folders):
            self._by_name.setdefault(_folded(path.name), []).append(path)
            self.tops[path] = top

    def files_for(self, name: str) -> list[Path]:
        """The files that `embedding:NAME` may refer to; case-sensitive if the file system is.

        Args:
            name: with subfolders or without, like `people/anna`; the host looks for it below every folder.
        """
        *above, bare = PurePosixPath(name).parts
        found: dict[str, Path] = {}  # by real path
        for file in (bare, *(bare + ending for ending in ENDINGS)):
            for other in self._by_name.get(_folded(file), ()):
                path = other.with_name(file)
                if not self._is_below(other, above):
                    continue
                if path.is_file() and (not path.is_symlink() or os.path.realpath(path) not in found):
                    found[os.path.realpath(path)] = path
        return list(found.values())

    def _is_below(self, path: Path, above: Sequence[str]) -> bool:
        """Whether the file's folder is called this, below the folder where the host begins."""
        folders = path.relative_to(self.tops[path]).parts[:-1]
        return not above or [*map(_folded, folders[-len(above) :])] == [*map(_folded, above)]

    def prompt_name(self, path: Path) -> str:
        """NAME, with which `embedding:NAME` refers to this file and to no other, or "" if there is none.

        With its subfolders, where they can be typed: `mini_world/anna` stays right when an `anna` is added elsewhere.
        """
        known = path if path in self.tops else self._alias(path)
        if known is None:
            return ""
        *above, _file = known.relative_to(self.tops[known]).parts
        for name in ("/".join([*above, path.stem]), path.stem):
            if _TYPABLE.fullmatch(name) and not is_number(name) and self._is_only(known, name):
                return name
        return ""

    def _alias(self, path: Path) -> Path | None:
        """The path under which a file was found."""
        real = os.path.realpath(path)
        others = self._by_name.get(_folded(path.name), ())
        return next((other for other in others if os.path.realpath(other) == real), None)

    def _is_only(self, path: Path, name: str) -> bool:
        """Whether `embedding:NAME` refers to this file alone; of most names, only one file is called so."""
        named = [other for ending in ("", *ENDINGS) for other in self._by_name.get(_folded(path.stem + ending), ())]
        if named == [path]:
            return True
        return [os.path.realpath(other) for other in self.files_for(name)] == [os.path.realpath(path)]

    def state(self, beginning: str) -> str:
        """A value that changes when a file whose name begins this way is added, removed or replaced."""
        beginning = _folded(beginning)
        paths = [path for name, paths in self._by_name.items() if name.startswith(beginning) for path in paths]
        return repr(sorted((str(path), signature(path)) for path in paths))


def is_number(name: str) -> bool:
    """Whether the host reads the name as a weight; by its rules, which include `1e5`, `nan`, `1_000` and digits of
    other scripts.
    """
    try:
        float(name)
    except ValueError:
        return False
    return True


def signature(path: Path) -> tuple[int, ...]:
    """A value that changes when a file is written or replaced; empty if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """The files, each with the folder in which the search began."""
    seen = set()  # links may form cycles
    for top in folders:
        for folder, below, names in os.walk(top, followlinks=True):
            if os.path.realpath(folder) in seen:
                below.clear()
                continue
            seen.add(os.path.realpath(folder))
            place = Path(folder)
            yield from ((top, place / name) for name in names)


def _folded(name: str) -> str:
    """Equal for all names that any file system treats as the same."""
    return unicodedata.normalize("NFC", name).casefold()
