"""The user's cancel, seen within a moment, while something runs that does not look for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from comfy import model_management

from ...stableidentity_core.background import call_in_background

T = TypeVar("T")


def check_cancelled() -> None:
    """Raise the host's interruption if the user has cancelled."""
    model_management.throw_exception_if_processing_interrupted()


def checked(items: Iterable[T]) -> Iterator[T]:
    """The items, with a look for a cancel before each."""
    for item in items:
        check_cancelled()
        yield item


class _Cancelled(Exception):
    pass


def unless_cancelled(act: Callable[[], T], otherwise: T) -> T:
    """What `act` returns, computed in a thread of its own, or `otherwise` after a cancel, which stays to be seen.

    For `fingerprint_inputs`, where the host takes an interruption for a fault and goes on.
    """

    def look() -> None:
        if model_management.processing_interrupted():
            raise _Cancelled

    try:
        return call_in_background(act, look)
    except _Cancelled:
        return otherwise


def stoppable(act: Callable[[], T]) -> T:
    """What `act` returns, computed in a thread of its own, in the same autograd modes; a cancel does not wait for it.

    For acts that change nothing and that do not use the host, such as reading a file: after a cancel they end by
    themselves, some time later, and their result is dropped.
    """
    inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def in_the_same_modes() -> T:
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            return act()

    return call_in_background(in_the_same_modes, check_cancelled)
