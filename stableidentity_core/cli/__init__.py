"""The command line: `python -m stableidentity_core COMMAND`, with one module per group of commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .. import __version__
from . import download, files, photos, projector, score, train, trained
from .arguments import Parser
from .run import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, see `run_command`."""
    return run_command(parser(), arguments)


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
    download.add_command(commands)
    return top
