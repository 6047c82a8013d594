"""Running a command: output and exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..console.streams import escape_unprintable
from ..errors import StableIdentityError
from .arguments import out_of_memory_advice
from .say import reader_may_leave, say

INTERRUPTED = 130


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and call the function `run` that they select.

    Returns:
        The exit code: 0 on success, 1 after an error, 2 for wrong usage, 130 when interrupted.
    """
    escape_unprintable(sys.stdout, sys.stderr)
    try:
        return _run(parser.parse_args(arguments))
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with reader_may_leave(stream):
                stream.flush()


def _run(options: argparse.Namespace) -> int:
    try:
        with out_of_memory_advice():
            options.run(options)
    except StableIdentityError as error:
        say(f"Error: {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        say(f"Interrupted; {options.interrupted}.", sys.stderr)
        return INTERRUPTED
    return 0
