"""Output of the commands, with untrusted file names and headers escaped."""

from __future__ import annotations

import sys
from typing import TextIO

from ..console.printable import printable


def say(text: str, file: TextIO | None = None) -> None:
    """Print lines of text, by default to stdout."""
    print(printable(text), file=file or sys.stdout)
