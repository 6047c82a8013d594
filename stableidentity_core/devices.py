"""Where networks are, and moving small tensors there without synchronising with the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def to_device(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """The tensor on a device; a copy from pageable memory would wait until the GPU's queue is empty."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, dtype or tensor.dtype, non_blocking=True)
    return tensor.to(device, dtype or tensor.dtype)


def device_of(network: nn.Module) -> torch.device:
    """The device of a network's weights: ask at each call, for a host may move them in between."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))
