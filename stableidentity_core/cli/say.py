"""What the commands print: nothing of another's file name or header reaches the terminal as it is."""

from __future__ import annotations

import sys
from typing import TextIO

from ..console.printable import printable


def say(text: str, file: TextIO | None = None) -> None:
    """Print lines of text, by default to stdout."""
    print(printable(text), file=file or sys.stdout)
