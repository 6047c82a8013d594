"""Memory and arithmetic of a training step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

STEPS = 2
SIDE, TIMES = 8192, 20


def flops_of_step(steps: Iterator[Any]) -> float:
    """Floating point operations of one step, forward and backward: of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        next(steps)
    return counter.get_total_flops()


def peak_flops(device: torch.device) -> float:
    """Operations a second that a GPU reaches in a large bf16 matrix product; the limit to hold steps against."""
    a, b = (torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    for _ in range(TIMES):
        a @ b
    torch.cuda.synchronize(device)
    return TIMES * 2 * SIDE**3 / (time.perf_counter() - started)


def memory_of_steps(step: Callable[[], Any], device: torch.device) -> dict[str, float]:
    """Bytes before the steps, weights among them, and at most while they run."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize(device)
        return {"before": before, "peak": torch.cuda.max_memory_allocated(device)}
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    for _ in range(STEPS):
        step()
    return {"before": before, "peak": resident("VmHWM")}


def resident(what: str) -> int:
    """Bytes of this process, `VmRSS` now or `VmHWM` at most since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) * 1024


def kept_bytes(step: Callable[[], Any], *frozen: nn.Module) -> int:
    """Bytes that the forward pass keeps for the backward pass, weights that lie there anyway left out."""
    weights = {weight.untyped_storage().data_ptr() for module in frozen for weight in module.parameters()}  # in place
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # or another tensor could come to lie at the same address

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor.detach())
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        step()
    return sum(kept.values())
