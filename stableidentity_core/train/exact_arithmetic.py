"""float32 without TF32, in which GPUs round the inputs of products to 10 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

Switch = tuple[Any, str, Any]  # owner, name of the setting, value that means float32


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Inside, float32 matrix products and convolutions are computed in float32; afterwards as before.

    What a version of torch has no switch for, or refuses to switch, stays as it is.
    """
    before = []
    for owner, name, value in _switches():
        with suppress(RuntimeError, AttributeError):  # torch refuses to mix its two sets of switches
            before.append((owner, name, getattr(owner, name)))
            setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in reversed(before):
            with suppress(RuntimeError, AttributeError):
                setattr(owner, name, value)


def _switches() -> list[Switch]:
    """Since torch 2.9 each part has a precision; the older flags are then refused if the two do not agree."""
    found: Any = torch.backends  # its types lack the newer switches
    if hasattr(found.cuda.matmul, "fp32_precision"):
        parts = [found.cuda.matmul, found.cudnn.conv, found.cudnn.rnn]
        parts += [part for name in ("matmul", "conv") if (part := getattr(found.mkldnn, name, None)) is not None]
        return [(part, "fp32_precision", "ieee") for part in parts]
    return [(found.cuda.matmul, "allow_tf32", False), (found.cudnn, "allow_tf32", False)]
