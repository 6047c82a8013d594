"""Untrusted torch files (`.pt`, `.bin`, `.pth`): plain tensors of bounded size, or an error."""

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
    if hasattr(torch, name)  # the oldest supported torch lacks some
)
MAX_DEPTH = 50  # of nested containers; training checkpoints have less than ten
# Tied weights appear twice in a state dict and once in the file. Small files may repeat a row at no cost.
ALLOWED_SHARING, MIN_ALLOWED = 2, 1 << 20


def load_plain(path: Path) -> Any:
    """The content of a torch file with each tensor copied to the CPU; everything is checked before it is copied.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: truncated or not a torch file; more than tensors and containers; tensors without stored
            values, sparse, quantised, complex, or larger than the file.
    """
    size = tensor_file_size(path)
    content = _load(path, size)
    try:
        return _Copier(size).plain(content, "", 0)
    except _NotPlain as error:
        raise DamagedFileError(
            f"{path} ({size:,} bytes) contains {error}, needed plain tensors. Choose another file."
        ) from None


def tensor_problem(tensor: Tensor) -> str | None:
    """Why a tensor cannot be used as weights or words, or None for a plain one. Reads no values."""
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
        # Memory-mapped, so the file is not read here, whatever sizes it claims. The old format cannot be mapped.
        return torch.load(path, weights_only=True, map_location="cpu", mmap=zipped)
    except pickle.UnpicklingError as error:
        raise DamagedFileError(
            f"{path} is damaged, or contains more than tensors and could run code; it was not loaded. "
            "Use a safetensors file instead."
        ) from error
    except Exception as error:  # torch raises many types for broken pickles: IndexError, AssertionError, TypeError
        raise _incomplete(path, size, error) from error


def _incomplete(path: Path, size: int, error: Exception) -> DamagedFileError:
    reason = str(error).partition("\n")[0][:200] or "it ends too early"
    return DamagedFileError(
        f"{path} ({size:,} bytes) is not a complete torch file, or of a kind that torch does not read: {reason}. "
        "Copy it again, or use a safetensors file."
    )


def _check_archive(path: Path, size: int) -> None:
    """Reject compressed entries, which could unpack to any size; torch stores entries uncompressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, struct.error) as error:
        raise _incomplete(path, size, error) from error
    packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed or sum(entry.file_size for entry in entries) > size:
        raise DamagedFileError(
            f"{path} ({size:,} bytes) is a zip file with compressed or overlapping entries, which torch files do not "
            "have. Unpack it and choose the file inside, or save it again with torch.save."
        )


class _NotPlain(Exception):
    """A description of the content, as the object of "contains"."""


class _Copier:
    """Copies each container and tensor once, so that shared objects stay shared and cycles end."""

    def __init__(self, file_bytes: int):
        self.allowed = max(ALLOWED_SHARING * file_bytes, MIN_ALLOWED)
        self.used = 0
        self.done: dict[int, tuple[Any, Any]] = {}  # id -> the object, kept alive for its id, and its copy

    def plain(self, value: Any, name: str, depth: int) -> Any:
        if not isinstance(value, Tensor | Mapping | list | tuple) or isinstance(value, torch.Size):
            return value
        if depth > MAX_DEPTH:
            raise _NotPlain(f"containers nested more than {MAX_DEPTH} deep")
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
        tensor = Tensor.detach(tensor)  # without attributes that the file may have attached
        problem = tensor_problem(tensor)
        if problem:
            raise _NotPlain(f"the tensor {name!a}, which is {problem}")
        self.used += tensor.numel() * tensor.element_size()
        if self.used > self.allowed:
            raise _NotPlain(
                f"the tensor {name!a} {list(tensor.shape)}, with which its tensors would need {self.used:,} bytes "
                "of memory, more than the file has"
            )
        return tensor.clone()


def _named(name: str, key: object) -> str:
    if not isinstance(key, str | int | float | None):
        raise _NotPlain(f"a dict with keys of the type {type(key).__name__}")
    if isinstance(key, str) and any("\ud800" <= letter <= "\udfff" for letter in key):
        raise _NotPlain("names with invalid characters (lone surrogates)")
    return f"{name}.{key}"[:200].removeprefix(".")
