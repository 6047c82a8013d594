"""Torch files (`.pt`, `.bin`, `.pth`) of others: plain tensors of bounded size, or a sentence."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DamagedFileError
from .readable import tensor_file_size

DTYPES = frozenset(
    getattr(torch, name)
    for name in (
        *("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"),
        *("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool"),
    )
    if hasattr(torch, name)  # the oldest torch that a host may have lacks some
)
MAX_DEPTH = 50  # containers within containers; states of trainings have less than ten
# Tied weights stand twice in a table and once in the file. Little files may repeat a row, which costs nothing.
ALLOWED_SHARING, ALWAYS_ALLOWED = 2, 1 << 20


def load_plain(path: Path) -> Any:
    """What a torch file holds, each tensor an own copy on the CPU; judged before anything is copied.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: cut short or no torch file; more than tensors and containers; tensors without stored values,
            sparse, quantised, complex, or larger than the file.
    """
    size = tensor_file_size(path)
    content = _load(path, size)
    try:
        return _Judge(size).plain(content, "", 0)
    except _Unfit as unfit:
        raise DamagedFileError(
            f"{path} ({size:,} bytes) holds {unfit}. Needed plain tensors. Choose another file."
        ) from None


def judge_tensor(tensor: Tensor) -> str | None:
    """What makes a tensor unfit as weights or words; None for a plain one. Reads no value."""
    if tensor.layout != torch.strided or tensor.is_nested:
        return "sparse or nested"
    if tensor.is_quantized:
        return "quantised"
    if tensor.is_meta:
        return "on the device 'meta', without values"
    if tensor.dtype not in DTYPES:
        return f"of the type {str(tensor.dtype).removeprefix('torch.')}"
    return None


def _load(path: Path, size: int) -> Any:
    with open(path, "rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        _check_archive(path, size)
    try:
        # Mapped, the file is not read here, whatever it says of its sizes. The old format cannot be mapped.
        return torch.load(path, weights_only=True, map_location="cpu", mmap=zipped)
    except pickle.UnpicklingError as error:
        raise DamagedFileError(
            f"{path} is damaged, or holds more than tensors and could run code; it was refused unread. "
            "Use a safetensors file instead."
        ) from error
    except Exception as error:  # broken pickles make torch raise all kinds: IndexError, AssertionError, TypeError
        raise _not_whole(path, size, error) from error


def _not_whole(path: Path, size: int, error: Exception) -> DamagedFileError:
    reason = str(error).partition("\n")[0][:200] or "it ends too early"
    return DamagedFileError(
        f"{path} ({size:,} bytes) is not a whole torch file, or of a kind that torch does not read: {reason}. "
        "Copy it again, or use a safetensors file."
    )


def _check_archive(path: Path, size: int) -> None:
    """torch stores uncompressed; a compressed entry could unpack to any size."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, struct.error) as error:
        raise _not_whole(path, size, error) from error
    packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > size:
        raise DamagedFileError(
            f"{path} ({size:,} bytes) is a zip file whose entries are compressed or overlap; torch files "
            "store them as they are. Unpack it and choose the file within, or save it again with torch.save."
        )


class _Unfit(Exception):
    """What the content is, as the object of "holds"."""


class _Judge:
    """Copies containers and tensors once each, so that shared ones stay shared and loops end."""

    def __init__(self, file_bytes: int):
        self.allowed = max(ALLOWED_SHARING * file_bytes, ALWAYS_ALLOWED)
        self.used = 0
        self.done: dict[int, tuple[Any, Any]] = {}  # id -> the object, kept alive for its id, and its copy

    def plain(self, value: Any, name: str, depth: int) -> Any:
        if not isinstance(value, Tensor | Mapping | list | tuple) or isinstance(value, torch.Size):
            return value
        if depth > MAX_DEPTH:
            raise _Unfit(f"containers nested more than {MAX_DEPTH} deep")
        if id(value) not in self.done:
            self.done[id(value)] = value, self._copy(value, name, depth)
        return self.done[id(value)][1]

    def _copy(self, value: Any, name: str, depth: int) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value, name)
        if isinstance(value, Mapping):
            return {key: self.plain(item, _named(name, key), depth + 1) for key, item in value.items()}
        return type(value)(self.plain(item, _named(name, index), depth + 1) for index, item in enumerate(value))

    def _tensor(self, tensor: Tensor, name: str) -> Tensor:
        tensor = Tensor.detach(tensor)  # without what the file may have hung on it
        problem = judge_tensor(tensor)
        if problem:
            raise _Unfit(f"the tensor {name!a}, which is {problem}")
        self.used += tensor.numel() * tensor.element_size()
        if self.used > self.allowed:
            raise _Unfit(
                f"the tensor {name!a} {list(tensor.shape)}, with which its tensors would take {self.used:,} bytes "
                "of memory, more than the file has"
            )
        return tensor.clone()


def _named(name: str, key: object) -> str:
    if not isinstance(key, str | int | float | None):
        raise _Unfit(f"a table whose keys are no names but of the type {type(key).__name__}")
    if isinstance(key, str) and any("\ud800" <= letter <= "\udfff" for letter in key):
        raise _Unfit("names that are no text (lone surrogates)")
    return f"{name}.{key}"[:200].removeprefix(".")
