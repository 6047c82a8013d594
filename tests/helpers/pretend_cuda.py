"""What torch says about the GPU that is not there, and who has waited for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch.utils.checkpoint import _allowed_determinism_checks_to_fns

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
TORCH, HELPERS = (Path(file).resolve().parent for file in (torch.__file__, __file__))
PACK = HELPERS.parents[1]
SKIPPED = ("<", str(TORCH), *map(str, HELPERS.glob("pretend_*.py")))
OWN = tuple(str(PACK / folder) for folder in ("stableidentity_core", "nodes", "mini_world"))
FRAMES = 2
GB = 2**30


@dataclass(frozen=True)
class Wait:
    """One wait for the device."""

    why: str
    where: tuple[str, ...]  # "folder/file.py:12": the innermost frames outside torch, then the pack's innermost one

    def __str__(self) -> str:
        return f"{self.why} at {' < '.join(self.where)}"


def where_from() -> tuple[str, ...]:
    """The innermost frames that are neither torch's nor the pretended device's, and the pack's innermost frame."""
    found: list[str] = []
    frame, known = sys._getframe(1), False  # whether one of the pack's is among them
    while frame is not None and not (len(found) >= FRAMES and known):
        file = _real(frame.f_code.co_filename)
        own = file.startswith(OWN)
        if not file.startswith(SKIPPED) and (own or len(found) < FRAMES):
            found.append(f"{_short(file)}:{frame.f_lineno}")
            known = known or own
        frame = frame.f_back
    return tuple(found)


@cache
def _real(file: str) -> str:
    """Without `..`, which paths of modules may have; what is no file, such as <string>, as it is."""
    return file if file.startswith("<") else str(Path(file).resolve())


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(PACK)) if path.is_relative_to(PACK) else "/".join(path.parts[-3:])


@contextmanager
def pretended_cuda(has: Callable[[torch.Tensor], bool], synchronize: Callable[[], None]) -> Iterator[None]:
    """Inside, torch.cuda describes a GPU, and autocasting for it is autocasting for the CPU.

    `torch.cuda.is_available` is left as it is; where it says no, nobody looks for streams, graphs or memory of a GPU.

    Args:
        has: whether a tensor is on the device.
        synchronize: is called instead of the function of torch.cuda.
    """
    facts = SimpleNamespace(major=9, minor=0, name="pretended", total_memory=8 * GB, multi_processor_count=1)
    answers: dict[str, Callable[..., Any]] = {
        "current_device": lambda: 0,
        "get_device_properties": lambda *_: facts,
        "get_device_name": lambda *_: facts.name,
        "mem_get_info": lambda *_: (8 * GB, 8 * GB),
        "memory_stats": lambda *_: {"active_bytes.all.current": 0, "reserved_bytes.all.current": 0},
        "is_bf16_supported": lambda *_, **__: True,
        "synchronize": lambda *_: synchronize(),
    }
    with ExitStack() as patches:
        for name, answer in answers.items():
            patches.enter_context(mock.patch.object(torch.cuda, name, answer))
        patches.enter_context(mock.patch.object(torch._C, "_group_tensors_by_device_and_dtype", _grouped(has)))
        for name in ("is_autocast_enabled", "get_autocast_dtype"):
            patches.enter_context(mock.patch.object(torch, name, _of_the_cpu(getattr(torch, name))))
        patches.enter_context(mock.patch.object(torch.autocast, "__init__", _for_the_cpu(torch.autocast.__init__)))
        patches.enter_context(mock.patch.dict(_allowed_determinism_checks_to_fns, default=_shape_and_type))
        yield


def _shape_and_type(saved: torch.Tensor) -> dict[str, Any]:
    """What checkpointing compares; a tensor is saved within the function that makes it, before it is on the device."""
    return {"shape": saved.shape, "dtype": saved.dtype}


def _grouped(has: Callable[[torch.Tensor], bool]) -> Callable[..., Any]:
    """By which clipping and optimizers choose a device's functions; they give no groups of two devices."""
    group = torch._C._group_tensors_by_device_and_dtype

    def grouped(lists: list[list[torch.Tensor]], with_indices: bool = False) -> dict[Any, Any]:
        found = group(lists, with_indices)
        return {(CUDA if has(parts[0][0][0]) else device, dtype): parts for (device, dtype), parts in found.items()}

    return grouped


def _cpu_for(kind: Any) -> Any:
    return "cpu" if kind == "cuda" else kind


def _of_the_cpu(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def asked(device_type: str = "cuda") -> Any:
        return function(_cpu_for(device_type))

    return asked


def _for_the_cpu(start: Callable[..., None]) -> Callable[..., None]:
    @wraps(start)
    def started(self: torch.autocast, device_type: str, *args: Any, **kwargs: Any) -> None:
        start(self, _cpu_for(device_type), *args, **kwargs)

    return started
