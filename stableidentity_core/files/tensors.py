"""Tensor files, read without running code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import DamagedFileError
from .atomic import write_atomically
from .readable import file_size, tensor_file_size
from .torch_file import load_plain, tensor_problem


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, replace: bool = True
) -> None:
    """Write a safetensors file atomically; equal content gives equal bytes.

    Raises:
        FileTakenError: `replace` is False and the name is taken.
        StableIdentityError: the disk is full or the folder is not writable.
    """
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_atomically(path, _sorted_header(save(contiguous, dict(metadata))), replace=replace)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors and its header.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: truncated, not safetensors, or with tensors of an unsupported type.
    """
    size = tensor_file_size(path)
    try:
        with safe_open(path, framework="pt") as file:
            # Copies: the library's tensors are views of the file, which Windows then does not allow to be replaced.
            tensors = {key: _plain(file.get_tensor(key), key, path) for key in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except DamagedFileError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise DamagedFileError(
            f"{path} ({size:,} bytes) is not a complete safetensors file: {error or 'too large'}. Copy it again."
        ) from error


def read_pickled_tensors(path: Path) -> Any:
    """Read a torch file (`.pt`, `.bin`) of plain tensors and containers; code in it is never run.

    Containers are returned as dict, list and tuple; tensors as CPU copies, whose total size is bounded by the file's.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: truncated, not a torch file, or one that contains more than plain tensors.
    """
    return load_plain(path)


def read_any_tensors(path: Path) -> tuple[Any, dict[str, str]]:
    """Read a safetensors or a torch file, recognised by its content, not its name.

    Returns:
        The content (for safetensors a dict of tensors by name), and the safetensors header (empty for torch files).

    Raises:
        MissingFileError: no such file.
        DamagedFileError: neither of the two, or damaged; the message says what the file is, if that can be recognised.
    """
    size = file_size(path)
    if is_safetensors(path):
        return read_tensors(path)
    start = _start_of(path)
    if start.startswith((b"PK", b"\x80")):  # a zip archive; torch's old format, a sequence of pickles
        return read_pickled_tensors(path), {}
    raise DamagedFileError(
        f"{path} ({size:,} bytes) is neither a safetensors nor a torch file{_likely(start)}. "
        "Copy it again, or choose another file."
    )


def is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors: 8 bytes of header length, then a JSON object.

    Raises:
        MissingFileError, DamagedFileError: the file cannot be read.
    """
    file_size(path)
    start = _start_of(path)
    return start[8:9] == b"{" and not start.startswith(b"PK")  # no torch file has a bracket there


def _start_of(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(64)


def _likely(start: bytes) -> str:
    text = start.lstrip().lower()
    if not start:
        return ": it is empty"
    if text.startswith((b"<!doctype", b"<html")):
        return ", but a web page, such as a login page"
    if text.startswith(b"version https://git-lfs"):
        return ", but a Git LFS pointer without the content"
    if not start.strip(b"\0"):
        return ": it begins with zeros, like an interrupted download"
    return ""


def _plain(tensor: Tensor, name: str, path: Path) -> Tensor:
    problem = tensor_problem(tensor)
    if problem:
        raise DamagedFileError(
            f"{path} contains the tensor {name!a}, which is {problem}, needed plain numbers. Choose another file."
        )
    return tensor.clone()


def _sorted_header(blob: bytes) -> bytes:
    """Sort the header of a safetensors blob, whose metadata the library writes in random order.

    Format: 8 bytes little-endian header length, JSON header padded with spaces to 8 bytes, data.
    """
    start = 8 + int.from_bytes(blob[:8], "little")
    header = json.dumps(json.loads(blob[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + blob[start:]
