"""What a user types after the command: judged while it is read, so that wrong usage ends with exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..console.printable import printable
from ..errors import StableIdentityError
from ..files.readable import stands_at


class Parser(argparse.ArgumentParser):
    """Every argument of the type Path is one that a file or folder can have; messages, which quote arguments, are
    printable."""

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self.register("type", Path, possible_path)

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(printable(message), file)


def possible_path(text: str) -> Path:
    """A path at which something may stand or come to stand.

    Raises:
        ArgumentTypeError: empty, with null characters, too long, a loop of links, a pipe, a device.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty, needed a path")
    try:
        stands_at(text)
    except StableIdentityError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def count(text: str) -> int:
    """A whole number from 1 on, such as steps between checkpoints."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no whole number from 1 on")
    return number


def usable_device(text: str) -> str:
    """A device that tensors can be computed on here; trying it is the only way to know.

    Raises:
        ArgumentTypeError: torch knows no such device, or this machine has none.
    """
    try:
        device = torch.device(text)
        usable = device.type != "meta"
        reason = "it computes nothing"
        if usable:
            torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, ImportError, ValueError, TypeError) as error:  # each kind has its own
        usable, reason = False, str(error).partition("\n")[0][:200]
    if not usable:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} cannot be used here ({reason}); cpu always can")
    return text


@contextmanager
def out_of_memory_advice() -> Iterator[None]:
    """Work that asks for more memory than there is ends in a sentence.

    Raises:
        StableIdentityError: with what could not be had.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        out = isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
        if not out:
            raise
        said = str(error).strip().partition("\n")[0][:300]
        raise StableIdentityError(
            f"There is not enough memory for this work{f': {said}' if said else ''}. Use a smaller resolution, batch "
            "size or view pool, --low-memory, or another device."
        ) from error
