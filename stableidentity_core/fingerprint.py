"""Short content hashes of tensors, to tell models, photos and settings apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

SAMPLES = 4096  # of each tensor of a model
WHOLE = 1 << 62  # every value, for anything smaller


def fingerprint_tensors(
    tensors: Iterable[tuple[str, Tensor]], samples: int = SAMPLES, on_tensor: Callable[[], None] = lambda: None
) -> str:
    """Hash names, shapes, dtypes and up to `samples` evenly spaced values of each tensor.

    Sampling makes a 5 GB model a matter of a second; it tells checkpoints apart, it is no proof
    against tampering. Tensors of at most `samples` values are hashed whole. `on_tensor` is called before
    each and may raise to cancel: a model that is still in its file is read here.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        on_tensor()
        flat = _flat(tensor)
        if flat.numel() > samples:
            step = flat.numel() / samples
            flat = flat[(torch.arange(samples, dtype=torch.float64) * step).long().to(flat.device)]
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(flat.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _flat(tensor: Tensor) -> Tensor:
    try:
        return tensor.detach().reshape(-1)
    except RuntimeError:  # made in inference mode and moved outside of it: a tensor that allows no view
        return tensor.detach().clone().reshape(-1)
