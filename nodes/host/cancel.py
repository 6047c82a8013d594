"""Prompt reaction to the user's cancel, also while code runs that does not check for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from comfy import model_management
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...stableidentity_core.background import call_in_background

T = TypeVar("T")


def check_cancelled() -> None:
    """Raise the host's interruption if the user has cancelled."""
    model_management.throw_exception_if_processing_interrupted()


def checked(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, checking for a cancel before each."""
    for item in items:
        check_cancelled()
        yield item


class _Cancelled(Exception):
    pass


def unless_cancelled(act: Callable[[], T], otherwise: T) -> T:
    """Run `act` in a separate thread and return its result, or `otherwise` after a cancel, which stays pending.

    For `fingerprint_inputs`, where the host treats an interruption as an error and continues.
    """

    def check() -> None:
        if model_management.processing_interrupted():
            raise _Cancelled

    try:
        return call_in_background(act, check)
    except _Cancelled:
        return otherwise


def stoppable(act: Callable[[], T]) -> T:
    """Run `act` in a separate thread with the same autograd modes and return its result; a cancel does not wait for it.

    For calls without side effects that do not use the host, such as reading a file: after a cancel they keep running
    until they end, and their result is dropped.
    """
    inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def in_the_same_modes() -> T:
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            return act()

    return call_in_background(in_the_same_modes, check_cancelled)


class StoppableTorch(TorchFunctionMode):
    """Inside, a cancel is seen at each call of torch in this thread, whatever code makes it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        check_cancelled()
        return func(*args, **(kwargs or {}))


@contextmanager
def stoppable_at(parts: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, a cancel is seen after each of these parts, in the forward pass and in the backward one.

    Either takes many seconds on a CPU. Newer hosts look in each layer's forward pass themselves, older ones never.
    Copies of the parts that are made inside do the same.
    """
    hooks = [part.register_forward_hook(_check) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check(_part: nn.Module, _inputs: Any, output: Any) -> None:
    check_cancelled()
    if isinstance(output, Tensor) and output.requires_grad:
        output.register_hook(lambda _gradient: check_cancelled())
