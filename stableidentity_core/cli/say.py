"""Output of the commands, with untrusted file names and headers escaped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ..console.printable import printable


def say(text: str, file: TextIO | None = None) -> None:
    """Print lines of text, by default to stdout."""
    stream = file or sys.stdout
    with reader_may_leave(stream):
        print(printable(text), file=stream)


@contextmanager
def reader_may_leave(stream: TextIO) -> Iterator[None]:
    """Go on without output where nobody reads it any more, as after `| head`: what a command does counts for more."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # what is still in its buffer goes there too
        os.close(nowhere)
