"""Files of tensors, read without running code, and names that stay in their folder."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .atomic import write_atomically
from .errors import DamagedFileError, StableIdentityError

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_SUPERSCRIPTS = str.maketrans("\u00b9\u00b2\u00b3", "123")
MAX_NAME = 100
MAX_NAME_BYTES = 200


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, replace: bool = True
) -> None:
    """Write a safetensors file atomically; equal content gives equal bytes.

    Raises:
        FileTakenError: `replace` is False and the name is taken.
        StableIdentityError: the disk is full or the folder cannot be written.
    """
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_atomically(path, _sorted_header(save(contiguous, dict(metadata))), replace=replace)


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
    elif not re.fullmatch(r"[\w.-]+", name):
        bad = "".join(dict.fromkeys(re.findall(r"[^\w.-]", name)))
        problem = f"contains {bad!r}"
    elif len(name.encode()) > MAX_NAME_BYTES:  # file systems count bytes and allow 255, ending included
        problem = f"has {len(name.encode())} bytes, at most {MAX_NAME_BYTES} are allowed"
    elif name.startswith(".") or name.endswith("."):
        problem = "starts or ends with a dot"
    elif _device(name) in _RESERVED:
        problem = "is a reserved name on Windows"
    if problem:
        shown = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."
        raise StableIdentityError(
            f"The name {shown!r} {problem}. Use letters, digits, '_', '-' and inner dots, such as 'anna-2026'."
        )
    return name


def _device(name: str) -> str:
    """What Windows takes a name for: without what follows a dot, and `COM\u00b9` for COM1."""
    return name.split(".")[0].lower().translate(_SUPERSCRIPTS)
