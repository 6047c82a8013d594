"""What the commands print: nothing of another's file name or header reaches the terminal as it is."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO

from ..printable import printable


def say(text: str, file: TextIO | None = None) -> None:
    """Print lines of text, by default to stdout."""
    print(printable(text), file=file or sys.stdout)


def take_any_character() -> None:
    """Terminals that lack a character get its number in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced by another program, or closed
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
