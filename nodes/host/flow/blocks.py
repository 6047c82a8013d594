"""The blocks of any transformer, and what lets gradients pass through the host's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .fp8 import overridden


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Modules that run one after another and hold most of a step's activations: those of the outermost lists."""
    found: list[nn.Module] = []
    for child in network.children():
        found += list(child) if isinstance(child, nn.ModuleList) else blocks_of(child)
    return found


def norms_of(network: nn.Module) -> list[nn.Module]:
    """Its normalisations, of which the host has several kinds of its own."""
    return [module for module in network.modules() if type(module).__name__.lower().endswith("norm")]


@contextmanager
def on_copies(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, modules get copies of their inputs, which no value depends on.

    The host adds in place to what a normalisation or a block keeps for its backward pass.
    """
    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_pre_hook(_copied, with_kwargs=True).remove)
        yield


def _copied(
    _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def copy(value: Any) -> Any:
        return value.clone() if isinstance(value, Tensor) and value.requires_grad else value

    return tuple(map(copy, args)), {name: copy(value) for name, value in kwargs.items()}


@contextmanager
def written_by_copying(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, what these modules compute into a given tensor (`out=`) is copied into it, which autograd can follow.

    Newer hosts do so at the end of a block. To be entered before blocks are recomputed, so that it holds there too.
    """
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(overridden(module, "forward", _copying(module.forward)))
        yield


def _copying(forward: Callable[..., Any]) -> Callable[..., Any]:
    def copying(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        with _CopyOut():
            return forward(*args, **kwargs)

    return copying


class _CopyOut(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        out = kwargs.get("out")
        if not isinstance(out, Tensor):
            return function(*args, **kwargs)
        del kwargs["out"]
        return out.copy_(function(*args, **kwargs))
