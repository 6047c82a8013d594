"""Moving small tensors to a device without synchronising with it."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """The tensor on a device; a copy from pageable memory would wait until the GPU's queue is empty."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, dtype or tensor.dtype, non_blocking=True)
    return tensor.to(device, dtype or tensor.dtype)
