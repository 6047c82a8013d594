"""Argument types, validated while parsing, so that wrong usage ends with exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..console.printable import printable
from ..errors import StableIdentityError
from ..files.readable import path_kind


class Parser(argparse.ArgumentParser):
    """Validates every argument of the type Path, and escapes unprintable characters in messages."""

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self.register("type", Path, possible_path)

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(printable(message), file)


def possible_path(text: str) -> Path:
    """A path of an existing or possible file or folder.

    Raises:
        ArgumentTypeError: empty, with null characters, too long, a link cycle, a pipe or a device.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty, needed a path")
    try:
        path_kind(text)
    except StableIdentityError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def count(text: str) -> int:
    """An integer of at least 1, such as the steps between checkpoints."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not an integer of at least 1")
    return number


def usable_device(text: str) -> str:
    """A device that torch can use on this machine; the only reliable check is to try it.

    Raises:
        ArgumentTypeError: unknown to torch, or not available on this machine.
    """
    import torch  # here, as it takes a second or two that most commands do not need

    try:
        device = torch.device(text)
        usable = device.type != "meta"
        reason = "it does not compute"
        if usable:
            torch.zeros(1, device=device)
    except (
        RuntimeError,
        AssertionError,
        ImportError,
        ValueError,
        TypeError,
    ) as error:  # each device type raises its own
        usable, reason = False, str(error).partition("\n")[0][:200]
    if not usable:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} cannot be used here ({reason}); cpu always works")
    return text


@contextmanager
def out_of_memory_advice() -> Iterator[None]:
    """Turn out-of-memory errors into a message with advice.

    Raises:
        StableIdentityError: with the failed allocation.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        of_torch = type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in str(error)
        out = of_torch or isinstance(error, MemoryError)
        if not out:
            raise
        reason = str(error).strip().partition("\n")[0][:300]
        raise StableIdentityError(
            f"There is not enough memory{f': {reason}' if reason else ''}. Use a smaller resolution, batch size or "
            "view pool, --low-memory, or another device."
        ) from error
