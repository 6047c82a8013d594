"""A folder of photos, each of a different person."""

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
"""Lower-case names of system files and folders next to photos: thumbnails, recycle bins, sidecars."""
HIDDEN = "hidden or system files"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The contents of a folder and its subfolders."""

    found: tuple[Path, ...]  # possible photos, sorted by path
    left_out: Mapping[str, tuple[str, ...]]  # reason -> names relative to the folder, subfolders with a trailing "/"

    def remarks(self, named: int = 3) -> list[str]:
        """One line per reason: how many were left out for it, and the first few names."""
        lines = []
        for reason, names in self.left_out.items():
            more = ", ..." if len(names) > named else ""
            lines.append(f"{len(names)} left out ({reason}): {', '.join(names[:named])}{more}")
        return lines


def pictures_in(folder: Path) -> Pictures:
    """Find the pictures in a folder and its subfolders; links are followed, each folder is visited once.

    Hidden and system files are left out. A file counts as a picture if the installed Pillow reads its
    extension or recognises its content.

    Raises:
        MissingFileError: no such folder, or no picture in it.
    """
    if not os.path.isdir(folder):  # unlike Path.is_dir, never raises for a name that is too long
        raise MissingFileError(f"No folder at {str(folder)!r}; needed a folder with one photo of each person.")
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
        raise MissingFileError("\n".join([f"No picture in {str(folder)!r} or its subfolders.", *pictures.remarks()]))
    return pictures


def name_below(path: Path, folder: Path) -> str:
    """A file's relative path for reports: with "/", and with unprintable characters escaped."""
    name = path.relative_to(folder).as_posix() + "/" * path.is_dir()
    return printable_line(name)


def _entries(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder and every folder that is not entered, each with the reason to leave it out, or ""."""
    failed: list[OSError] = []
    seen = {_identity(folder)}
    for place, folders, files in os.walk(folder, onerror=failed.append, followlinks=True):
        paths = [Path(place, name) for name in folders]
        yield from ((path, HIDDEN) for path in paths if _is_hidden(path))
        entered = {path.name: _identity(path) for path in paths if not _is_hidden(path)}
        folders[:] = [name for name, identity in entered.items() if identity not in seen]
        seen |= {entered[name] for name in folders}
        for name in files:
            path = Path(place, name)
            yield path, HIDDEN if _is_hidden(path) else ""
    yield from ((Path(error.filename), f"cannot be opened: {error.strerror}") for error in failed)


def _identity(folder: Path) -> tuple[int, int]:
    try:
        at = os.stat(folder)
    except OSError:
        return -1, hash(folder)  # os.walk says why it cannot be entered
    return at.st_dev, at.st_ino


def _is_hidden(path: Path) -> bool:
    """By its name, and on Windows and macOS by its file attribute."""
    if path.name.startswith((".", "~$")) or path.name.lower() in SYSTEM_NAMES:
        return True
    try:
        at = os.lstat(path)
    except OSError:
        return False  # reading it will report the error
    windows = getattr(at, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN
    return bool(windows or getattr(at, "st_flags", 0) & stat.UF_HIDDEN)


def _no_picture(path: Path) -> str:
    """Why a file cannot be a photo, or ""."""
    if not os.path.isfile(path):
        return "a broken link, a pipe or a device"
    if path.suffix.lower() in readable_endings():
        return ""
    try:
        with Image.open(path, formats=readable_formats()):
            return ""
    except Image.DecompressionBombError:
        return ""  # too large; reading it will report that
    except Exception:  # Pillow raises many types for damaged pictures; this file has no picture extension either
        return kind_of_file(path) or "not a picture"


def faces_of(
    pictures: Iterable[Path],
    on_refusal: Callable[[Path, StableIdentityError], None],
    *,
    detector: FaceDetector | None = None,
    parser: FaceParser | None = None,
    choice: Choice | None = None,
) -> Iterator[tuple[Path, Face]]:
    """The face of each picture, one at a time; `on_refusal` is called for pictures that cannot be used."""
    for path in pictures:
        try:
            prepared = prepare_face(read_photo(path), detector=detector, parser=parser, choice=choice or Choice())
        except StableIdentityError as error:
            on_refusal(path, error)
        else:
            yield path, prepared.face
