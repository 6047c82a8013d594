"""The command line: `python -m stableidentity_core COMMAND`, with one module for each group of commands.

Exit codes: 0 done, 1 an error told in one sentence, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ...mini_world import command as demo
from .. import __version__
from ..console.progress import quiet_loaders
from ..console.streams import escape_unprintable
from ..errors import StableIdentityError
from . import download, files, photos, projector, score, train, trained
from .arguments import Parser, telling_of_memory
from .say import say

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    escape_unprintable(sys.stdout, sys.stderr)
    options = parser().parse_args(arguments)
    quiet_loaders("transformers")
    try:
        with telling_of_memory():
            options.run(options)
    except StableIdentityError as error:
        say(f"Error: {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        say(f"Interrupted; {options.interrupted}.", sys.stderr)
        return INTERRUPTED
    return 0


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="python -m stableidentity_core", description="Learn a person as two words.")
    top.add_argument("--version", action="version", version=__version__)
    top.set_defaults(interrupted="no identity was written")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    photos.add_command(commands)
    train.add_command(commands)
    projector.add_commands(commands)
    score.add_command(commands)
    files.add_commands(commands)
    trained.add_command(commands)
    demo.add_command(commands)
    download.add_command(commands)
    return top
