"""Reading files named by the user: path checks, text, JSON, and error handling for libraries that read files."""

from __future__ import annotations

import codecs
import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn

from ..errors import DamagedFileError, MissingFileError, StableIdentityError

MAX_TEXT_BYTES = 16 << 20  # lists of names and configurations are far smaller
_ROOM = "x" * 100  # a path must leave room for names of this length


def path_kind(path: str | Path) -> Literal["file", "folder", "nothing"]:
    """What is at a path; links are followed.

    Raises:
        DamagedFileError: a pipe or a device, an invalid path, or one without permission.
    """
    try:
        os.lstat(os.path.join(path, _ROOM))
    except (OSError, ValueError) as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise DamagedFileError(f"{path} cannot be read: {path_problem(error)}") from error
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {path_problem(error)}") from error
    if stat.S_ISREG(found.st_mode):
        return "file"
    if stat.S_ISDIR(found.st_mode):
        return "folder"
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
    raise DamagedFileError(f"{path} is {kind}, needed a file or a folder. Choose a file.")


def file_size(path: str | Path) -> int:
    """The size in bytes of the file at a path, after checking that it can be opened.

    Raises:
        MissingFileError: nothing is there, or a broken link.
        DamagedFileError: a folder, a pipe or a device, an invalid path, or one without read permission.
    """
    found = path_kind(path)
    if found == "nothing":
        raise MissingFileError(f"{path} cannot be read: {path_problem(FileNotFoundError())}")
    if found == "folder":
        raise DamagedFileError(f"{path} is a folder, needed a file. Choose a file.")
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {path_problem(error)}") from error


def tensor_file_size(path: str | Path) -> int:
    """Like `file_size`, and the path must be valid UTF-8, as the tensor libraries require.

    Raises:
        MissingFileError, DamagedFileError: as in `file_size`, or a path that is not UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        raise DamagedFileError(f"{path} cannot be read: {path_problem(error)}") from error
    return file_size(path)


def files_in(folder: Path) -> list[Path]:
    """The contents of a folder, sorted by name.

    Raises:
        DamagedFileError: the folder cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DamagedFileError(f"{folder} cannot be read: {path_problem(error)}") from error


def read_text(path: str | Path, what: str) -> str:
    """A text file in UTF-8, or in UTF-16 with a byte order mark, as Windows editors write it.

    Args:
        what: the expected content with its article, such as "a list of names".

    Raises:
        MissingFileError: no such file.
        DamagedFileError: not text, another encoding, or far too long.
    """
    content = _content(path, what)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DamagedFileError(
            f"{path} cannot be read as {what}: it is not UTF-8 (byte 0x{content[error.start]:02x} in line "
            f"{line}). Save it as UTF-8."
        ) from error
    if "\0" in text:
        raise DamagedFileError(f"{path} is not a text file, needed {what}. Choose another file.")
    return text


def read_json_object(path: str | Path, what: str) -> dict[str, Any]:
    """A JSON object, in UTF-8, UTF-16 or UTF-32.

    Args:
        what: the expected content with its article, such as "the configuration of a network".

    Raises:
        MissingFileError: no such file.
        DamagedFileError: not JSON, not an object, numbers that are not finite, nested too deeply, or far too long.
    """
    content = _content(path, what)
    try:
        found = json.loads(content, parse_constant=_refused_constant)
        problem = f"it contains a {type(found).__name__}, needed an object"
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        found, problem = None, "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    if not isinstance(found, dict):
        raise DamagedFileError(
            f"{path} ({len(content):,} bytes) cannot be read as {what}: {problem}. Download it again from "
            "the source of the files next to it."
        )
    return found


@contextmanager
def library_reads(path: str | Path, what: str, advice: str = "Download it again.") -> Iterator[None]:
    """Wrap a library call that reads a user's file, since libraries raise many types for invalid files.

    Args:
        what: the expected content with its article.

    Raises:
        DamagedFileError: with the library's error as the reason.
    """
    try:
        yield
    except StableIdentityError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:300] or "no reason is given"
        raise DamagedFileError(
            f"{path} cannot be read as {what}: {reason} ({type(error).__name__}). {advice}"
        ) from error


def path_problem(error: OSError | ValueError) -> str:
    """What is wrong with a path and what to do, as a sentence."""
    if isinstance(error, UnicodeError):
        return (
            "the path contains invalid characters (lone surrogates). Rename the file and its folders, or type the "
            "path again."
        )
    if not isinstance(error, OSError):
        return "the path contains a null character. Type it again."
    if error.errno == errno.ENAMETOOLONG:
        return "the path or a name in it is longer than the file system allows. Choose a shorter one."
    if error.errno == errno.ELOOP:
        return "it is a link that points to itself. Choose the file itself."
    if isinstance(error, PermissionError):
        return "its permissions, or those of a folder above it, do not allow it. Change them or choose another file."
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "it does not exist. Check the path and its folders."
    return f"{error.strerror or error}. Choose another file."


def _content(path: str | Path, what: str) -> bytes:
    size = file_size(path)
    if size > MAX_TEXT_BYTES:
        raise DamagedFileError(
            f"{path} has {size:,} bytes, needed {what} of at most {MAX_TEXT_BYTES:,} bytes. Choose another file."
        )
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {path_problem(error)}") from error


def _refused_constant(name: str) -> NoReturn:
    raise ValueError(f"it contains the number {name}")
