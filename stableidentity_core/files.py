"""Files: written whole or not at all, read without running code, under names that stay in their folder."""

from __future__ import annotations

import json
import os
import pickle
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .errors import DamagedFileError, StableIdentityError

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
MAX_NAME = 100
MAX_NAME_BYTES = 200


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the target, flush to disk, then rename over it.

    Raises:
        StableIdentityError: the disk is full or the folder cannot be written; the target is as before.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
        temporary = None
    except PermissionError as error:
        raise StableIdentityError(
            f"{path} could not be written: {error.strerror}. The folder is read-only or the file is in use; choose "
            "another name or folder. Nothing was changed."
        ) from error
    except OSError as error:
        raise StableIdentityError(
            f"{path} ({len(content):,} bytes) could not be written: {error.strerror or error}. "
            "Free some space or choose another folder; nothing was changed."
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file atomically; equal content gives equal bytes."""
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_atomically(path, _sorted_header(save(contiguous, dict(metadata))))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors and its header.

    Raises:
        DamagedFileError: not there, cut short, or not safetensors at all.
    """
    try:
        with safe_open(path, framework="pt") as file:
            # Copies: the library's tensors are views of the file, which Windows then will not let anyone replace.
            return {key: file.get_tensor(key).clone() for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        size = f"{path.stat().st_size:,} bytes" if path.is_file() else "no file"
        raise DamagedFileError(f"{path} ({size}) is not a whole safetensors file: {error}. Copy it again.") from error


def read_pickled_tensors(path: Path) -> Any:
    """Read a torch file (`.pt`, `.bin`) that holds plain tensors and containers; code in it is never run.

    Raises:
        DamagedFileError: cut short or not a torch file, or one that holds more than tensors.
    """
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise DamagedFileError(
            f"{path} is damaged, or holds more than tensors and could run code; it was refused unread. "
            "Use a safetensors file instead."
        ) from error
    except Exception as error:  # broken pickles make torch raise all kinds: IndexError, AssertionError, TypeError
        size = path.stat().st_size
        raise DamagedFileError(
            f"{path} ({size:,} bytes) is not a whole torch file: {str(error) or 'it ends too early'}. Copy it again."
        ) from error


def _sorted_header(blob: bytes) -> bytes:
    """Sort the header of a safetensors blob, whose metadata the library writes in random order.

    Format: 8 bytes little-endian header length, JSON header padded with spaces to 8 bytes, data.
    """
    start = 8 + int.from_bytes(blob[:8], "little")
    header = json.dumps(json.loads(blob[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + blob[start:]


def safe_file_name(name: str) -> str:
    """Check a user's name for a file and return it.

    Letters, digits, `.`, `_` and `-` are kept as they are, because `embedding:<name>` ends at white
    space and brackets; anything else is refused rather than changed behind the user's back.
    """
    name = name.strip()
    problem = None
    if not name:
        problem = "is empty"
    elif len(name) > MAX_NAME:
        problem = f"has {len(name)} characters, at most {MAX_NAME} are allowed"
    elif len(name.encode()) > MAX_NAME_BYTES:  # file systems count bytes and allow 255, ending included
        problem = f"has {len(name.encode())} bytes, at most {MAX_NAME_BYTES} are allowed"
    elif not re.fullmatch(r"[\w.-]+", name):
        bad = "".join(dict.fromkeys(re.findall(r"[^\w.-]", name)))
        problem = f"contains {bad!r}"
    elif name.startswith(".") or name.endswith("."):
        problem = "starts or ends with a dot"
    elif name.split(".")[0].lower() in _RESERVED:
        problem = "is a reserved name on Windows"
    if problem:
        raise StableIdentityError(
            f"The name {name!r} {problem}. Use letters, digits, '_', '-' and inner dots, such as 'anna-2026'."
        )
    return name
