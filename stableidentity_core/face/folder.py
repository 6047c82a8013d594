"""A folder of photos, each of another person."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..console.printable import printable_line
from ..errors import MissingFileError, StableIdentityError
from .detect import FaceDetector
from .parsers import FaceParser
from .photo import read_photo, readable_endings, readable_formats
from .portrait import Face
from .prepare import Choice, prepare_face
from .unreadable import kind_of_file

SYSTEM_NAMES = frozenset(
    {
        *("__macosx", "icon\r"),
        *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot"),  # network drives
        *("$recycle.bin", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
        "lost+found",
    }
)
"""Names, in lower case, of what systems and network drives keep beside photos: thumbnails, waste, sidecars."""
HIDDEN = "hidden, or kept by the system beside photos"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What lies in a folder and below it."""

    found: tuple[Path, ...]  # that may be photos, in the order of their names
    left_out: Mapping[str, tuple[str, ...]]  # why -> names below the folder, "/" after those of folders

    def remarks(self, named: int = 3) -> list[str]:
        """A line for each reason, with how many were left out for it and the first few names."""
        lines = []
        for reason, names in self.left_out.items():
            more = ", ..." if len(names) > named else ""
            lines.append(f"{len(names)} left out ({reason}): {', '.join(names[:named])}{more}")
        return lines


def pictures_in(folder: Path) -> Pictures:
    """Look for pictures in a folder and below it; links are followed, each folder is looked at once.

    What is hidden and what a system keeps beside photos is left out. A file counts as a picture by
    an ending that the installed Pillow reads or by its content, whatever it is called.

    Raises:
        MissingFileError: no such folder, or no picture there.
    """
    if not os.path.isdir(folder):  # and not Path.is_dir, which raises for a name that is too long
        raise MissingFileError(f"No folder at {str(folder)!r}; needed one with a photo of each person.")
    found: list[Path] = []
    left_out: dict[str, list[str]] = {}
    for path, reason in _entries(folder):
        if reason := reason or _no_picture(path):
            left_out.setdefault(reason, []).append(name_below(path, folder))
        else:
            found.append(path)
    pictures = Pictures(
        found=tuple(sorted(found)), left_out={reason: tuple(sorted(names)) for reason, names in left_out.items()}
    )
    if not found:
        raise MissingFileError("\n".join([f"No picture in {str(folder)!r} or below it.", *pictures.remarks()]))
    return pictures


def name_below(path: Path, folder: Path) -> str:
    """How a file below a folder is called in reports: with "/", and what cannot be printed escaped."""
    name = path.relative_to(folder).as_posix() + "/" * path.is_dir()
    return printable_line(name)


def _entries(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder and every folder that is not entered, each with the reason to leave it out or ""."""
    refused: list[OSError] = []
    seen = {_identity(folder)}
    for place, folders, files in os.walk(folder, onerror=refused.append, followlinks=True):
        paths = [Path(place, name) for name in folders]
        yield from ((path, HIDDEN) for path in paths if _is_hidden(path))
        entered = {path.name: _identity(path) for path in paths if not _is_hidden(path)}
        folders[:] = [name for name, identity in entered.items() if identity not in seen]
        seen |= {entered[name] for name in folders}
        for name in files:
            path = Path(place, name)
            yield path, HIDDEN if _is_hidden(path) else ""
    yield from ((Path(error.filename), f"cannot be opened: {error.strerror}") for error in refused)


def _identity(folder: Path) -> tuple[int, int]:
    try:
        at = os.stat(folder)
    except OSError:
        return -1, hash(folder)  # os.walk says why it cannot be entered
    return at.st_dev, at.st_ino


def _is_hidden(path: Path) -> bool:
    """By its name, and on Windows and macOS by the file's own mark."""
    if path.name.startswith((".", "~$")) or path.name.lower() in SYSTEM_NAMES:
        return True
    try:
        at = os.lstat(path)
    except OSError:
        return False  # why it cannot be used is found when it is read
    windows = getattr(at, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN
    return bool(windows or getattr(at, "st_flags", 0) & stat.UF_HIDDEN)


def _no_picture(path: Path) -> str:
    """Why a file cannot be a photo, or ""."""
    if not os.path.isfile(path):
        return "a link to nothing, a pipe or the like"
    if path.suffix.lower() in readable_endings():
        return ""
    try:
        with Image.open(path, formats=readable_formats()):
            return ""
    except Image.DecompressionBombError:
        return ""  # too large a picture, as is said when it is read
    except Exception:  # damaged pictures make Pillow raise all kinds, and this one is none by its name either
        return kind_of_file(path) or "not a picture"


def faces_of(
    pictures: Iterable[Path],
    on_refusal: Callable[[Path, StableIdentityError], None],
    *,
    detector: FaceDetector | None = None,
    parser: FaceParser | None = None,
    choice: Choice | None = None,
) -> Iterator[tuple[Path, Face]]:
    """Each picture's face, as it comes; `on_refusal` gets the pictures that cannot be used."""
    for path in pictures:
        try:
            prepared = prepare_face(read_photo(path), detector=detector, parser=parser, choice=choice or Choice())
        except StableIdentityError as error:
            on_refusal(path, error)
        else:
            yield path, prepared.face
