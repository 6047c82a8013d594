"""8-bit weights of the host, plain or scaled: what is stored stays as it is, and gradients pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import MethodType
from typing import Any

import comfy.ops
import torch
from torch import Tensor, nn

FP8 = {getattr(torch, name) for name in ("float8_e4m3fn", "float8_e5m2") if hasattr(torch, name)}
IN_FULL = "_full_precision_mm"  # of the host's layers for scaled weights: do not multiply in 8 bits
ABSENT = object()


def stored(weight: Tensor) -> Tensor:
    """The numbers of a weight as they lie in memory, for scaled ones without their scale."""
    return getattr(weight, "_qdata", weight)


def is_scaled_fp8(weight: Tensor) -> bool:
    """Whether a weight is 8-bit numbers with one scale, of a host that can multiply them in the type of the input."""
    layout = getattr(weight, "_layout_cls", "")
    return str(layout).startswith("TensorCoreFP8") and stored(weight).dtype in FP8


@contextmanager
def in_full_precision(network: nn.Module) -> Iterator[None]:
    """Inside, layers with 8-bit weights multiply in the type of their input.

    In 8 bits the input would be rounded, through which no gradient passes. Of a table of words, only the rows that are
    asked for are converted: the whole of UMT5's would be 4 GB.
    """
    with ExitStack() as stack:
        for layer in network.modules():
            for name, value in _changes(layer).items():
                stack.enter_context(overridden(layer, name, value))
        yield


def _changes(layer: Any) -> dict[str, Any]:
    if hasattr(layer, IN_FULL):
        return {IN_FULL: True}
    if isinstance(layer, comfy.ops.fp8_ops.Linear):
        plain = comfy.ops.manual_cast.Linear.forward_comfy_cast_weights
        return {"forward_comfy_cast_weights": MethodType(plain, layer)}
    if isinstance(layer, comfy.ops.manual_cast.Embedding) and layer.weight.dtype in FP8:
        return {"forward_comfy_cast_weights": partial(_rows, layer, layer.forward_comfy_cast_weights)}
    return {}


def _rows(layer: Any, whole: Callable[..., Tensor], ids: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
    """What the host's table gives; `whole` is its own way."""
    if layer.weight_function or out_dtype is None:
        return whole(ids, out_dtype=out_dtype)
    table = layer.weight.view(torch.uint8)  # torch has no lookup in 8-bit floats
    return table[ids.to(table.device)].view(layer.weight.dtype).to(ids.device, out_dtype)


@contextmanager
def overridden(module: Any, name: str, value: Any) -> Iterator[None]:
    """Inside, a module has an attribute of its own, above the class's."""
    before = vars(module).get(name, ABSENT)
    setattr(module, name, value)
    try:
        yield
    finally:
        if before is ABSENT:
            delattr(module, name)
        else:
            setattr(module, name, before)
