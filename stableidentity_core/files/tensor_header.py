"""The header of a safetensors file, read without its tensors: fast enough for lists of thousands of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DamagedFileError, StableIdentityError
from .json_text import parse_object
from .readable import file_size

MAX_HEADER = 8 << 20  # a whole model's header has less than one million bytes


@dataclass(frozen=True, kw_only=True)
class TensorHeader:
    """What a safetensors file says about its content."""

    shapes: Mapping[str, tuple[int, ...]]  # {tensor: its shape}
    texts: Mapping[str, str]  # the metadata


def read_tensor_header(path: Path) -> TensorHeader:
    """Read the header, and check that the file is as long as it says.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: not safetensors, truncated, or unreadable.
    """
    size = file_size(path)
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
                raise _damaged(path, size, "it does not begin like one")
            text = file.read(length).decode()
        entries = parse_object(text, "its header")
        texts = _texts(entries.pop("__metadata__", {}))
        shapes, end = _layout(entries)
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, size, str(error)) from error
    except DamagedFileError:
        raise
    except StableIdentityError as error:
        raise _damaged(path, size, str(error).rstrip(".")) from error
    if 8 + length + end != size:
        raise _damaged(path, size, f"it should have {8 + length + end:,} bytes")
    return TensorHeader(shapes=shapes, texts=texts)


def _texts(value: Any) -> dict[str, str]:
    """The metadata, which is untrusted, as texts."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise StableIdentityError("its metadata are not texts")
    return value


def _layout(entries: Mapping[str, Any]) -> tuple[dict[str, tuple[int, ...]], int]:
    """The shapes, and where the last tensor ends."""
    shapes, end = {}, 0
    for name, entry in entries.items():
        try:
            shapes[name] = tuple(int(side) for side in entry["shape"])
            end = max(end, int(entry["data_offsets"][1]))
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise StableIdentityError(f"its header does not describe the tensor {name[:40]!a}") from error
    return shapes, end


def _damaged(path: Path, size: int, why: str) -> DamagedFileError:
    return DamagedFileError(f"{path.name} ({size:,} bytes) is not a complete safetensors file: {why}. Copy it again.")
