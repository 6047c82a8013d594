"""Files that a user names, at the door: what stands at a path, text and JSON, and calls of libraries that read them."""

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

MOST_TEXT = 16 << 20  # bytes; lists of names and configurations have far less
_ROOM = "x" * 100  # names of that length must still find room behind a path


def stands_at(path: str | Path) -> Literal["file", "folder", "nothing"]:
    """What a path leads to; links are followed.

    Raises:
        DamagedFileError: a pipe or a device, a path that no file can have, or one that may not be looked at.
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
    """Bytes of the file at a path, which can be opened.

    Raises:
        MissingFileError: nothing is there, or a link that leads nowhere.
        DamagedFileError: a folder, a pipe or a device, a path that no file can have, or one that may not be read.
    """
    found = stands_at(path)
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
    """As `file_size`, for a file whose name is text: the libraries that read tensors take no other.

    Raises:
        MissingFileError, DamagedFileError: as `file_size`, or a name that is not UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        raise DamagedFileError(f"{path} cannot be read: {path_problem(error)}") from error
    return file_size(path)


def files_in(folder: Path) -> list[Path]:
    """What lies in a folder, in the order of the names.

    Raises:
        DamagedFileError: it may not be looked into.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DamagedFileError(f"{folder} cannot be read: {path_problem(error)}") from error


def read_text(path: str | Path, what: str) -> str:
    """A text file in UTF-8, or in UTF-16 with its mark, as editors of Windows write.

    Args:
        what: it is, with its article, such as "a list of names".

    Raises:
        MissingFileError: no such file.
        DamagedFileError: no text, text in another encoding, or far too long.
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
        raise DamagedFileError(f"{path} is no text, needed {what}. Choose another file.")
    return text


def read_json_object(path: str | Path, what: str) -> dict[str, Any]:
    """A JSON object, in UTF-8, 16 or 32.

    Args:
        what: it is, with its article, such as "the configuration of a network".

    Raises:
        MissingFileError: no such file.
        DamagedFileError: no JSON, no object, numbers that are not finite, nested too deep, or far too long.
    """
    content = _content(path, what)
    try:
        found = json.loads(content, parse_constant=_refused_constant)
        problem = f"it holds a {type(found).__name__}, needed an object"
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        found, problem = None, "it is nested too deep" if isinstance(error, RecursionError) else str(error)
    if not isinstance(found, dict):
        raise DamagedFileError(
            f"{path} ({len(content):,} bytes) cannot be read as {what}: {problem}. Download it again from "
            "where the files beside it came."
        )
    return found


@contextmanager
def library_reads(path: str | Path, what: str, advice: str = "Download it again.") -> Iterator[None]:
    """For one call of a library with a user's file, which raises all kinds when the file is not as it expects.

    Args:
        what: the file should be, with its article.

    Raises:
        DamagedFileError: whatever the library raised, as a sentence.
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
            "the path holds characters that are no text (lone surrogates). Rename the file and its folders, or type "
            "the path again."
        )
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


def _content(path: str | Path, what: str) -> bytes:
    size = file_size(path)
    if size > MOST_TEXT:
        raise DamagedFileError(
            f"{path} has {size:,} bytes, needed {what}, of at most {MOST_TEXT:,}. Choose another file."
        )
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {path_problem(error)}") from error


def _refused_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds the number {name}")
