"""Layers of the host that can cast their weights as they compute, and which of them do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def casting_layers(network: nn.Module) -> list[Any]:
    """Those that can cast their weights as they compute."""
    return [layer for layer in network.modules() if hasattr(layer, "comfy_cast_weights")]


def has_other_type(layer: nn.Module, dtype: torch.dtype) -> bool:
    """Whether one of a layer's own weights has another type."""
    return any(value.dtype != dtype for value in layer.parameters(recurse=False))


@contextmanager
def casting(network: nn.Module, wanted: Callable[[nn.Module], bool]) -> Iterator[None]:
    """Inside, those layers of a network cast their weights that are wanted to."""
    with flagged([(layer, wanted(layer)) for layer in casting_layers(network)]):
        yield


@contextmanager
def flagged(flags: Iterable[tuple[Any, bool]]) -> Iterator[None]:
    """Inside, each of the layers casts its weights or not."""
    flags = list(flags)
    before = [(layer, layer.comfy_cast_weights) for layer, _casts in flags]
    try:
        for layer, casts in flags:
            layer.comfy_cast_weights = casts
        yield
    finally:
        for layer, casts in before:
            layer.comfy_cast_weights = casts
