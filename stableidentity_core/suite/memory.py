"""The most memory that work has taken."""

from __future__ import annotations

import sys

import torch


def forget_peak(device: str) -> None:
    """Begin to look, where the device can: on a GPU."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: str) -> int | None:
    """Of tensors on a GPU since `forget_peak`; of the whole process since its start on a CPU; None where unknown."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
