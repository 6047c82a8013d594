"""Files that a user names, at the door: what stands at the path, and whether it can be read at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from .errors import DamagedFileError, MissingFileError


def file_size(path: str | Path) -> int:
    """Bytes of the regular file at a path; links are followed.

    Raises:
        MissingFileError: nothing is there, or a link that leads nowhere.
        DamagedFileError: a folder, a pipe or a device, a path that no file can have, or one that may not be read.
    """
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            with open(path, "rb"):  # a pipe would wait here for a writer, for ever
                return found.st_size
    except (OSError, ValueError) as error:
        kind = MissingFileError if isinstance(error, FileNotFoundError | NotADirectoryError) else DamagedFileError
        raise kind(f"{shown_path(path)} cannot be read: {path_problem(error)}") from error
    raise DamagedFileError(f"{shown_path(path)} is {_kind(found.st_mode)}, needed a file. Choose a file.")


def shown_path(path: str | Path) -> str:
    """A path for a message, cut where nobody would read on."""
    text = str(path)
    return text if len(text) <= 400 else f"{text[:200]}…{text[-100:]} ({len(text):,} characters)"


def path_problem(error: OSError | ValueError) -> str:
    """What is wrong with a path and what to do, as a sentence."""
    if isinstance(error, UnicodeError):
        return "the path holds characters that are no text (lone surrogates). Rename the file, or type the path again."
    if not isinstance(error, OSError):
        return "the path holds a null character. Type it again."
    if error.errno == errno.ENAMETOOLONG:
        return "the path or a name in it is longer than the file system allows. Choose a shorter one."
    if error.errno == errno.ELOOP:
        return "it is a link that leads back to itself. Choose the file itself."
    if isinstance(error, PermissionError):
        return "its permissions, or those of a folder above it, do not allow it. Change them or choose another file."
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "nothing is there. Check the path and its folders."
    return f"{error.strerror or error}. Choose another file."


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
