"""The command line: `python -m stableidentity_core COMMAND`, with one module per group of commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from importlib import import_module

from .. import __version__
from .arguments import Parser
from .run import run_command

# The module of each command, the function in it that adds the options, and what the command does. torch and
# transformers take seconds to import, so the modules of the other commands are not imported.
COMMANDS = {
    "prepare": ("photos", "add_prepare", "detect, align and mask the face of a photo, and report its quality"),
    "train": ("train", "add_train", "learn a person from a photo"),
    "train-many": ("train_many", "add_train_many", "learn everybody in a folder of photos"),
    "projector": ("projector", "add_projector", "train a projector from faces to words over many people"),
    "project": ("projector", "add_project", "get a person's words from a projector, without training"),
    "score": ("score", "add_score", "face similarity along a clip: of each frame to the photo and to the next frame"),
    "head3d": ("head3d", "add_head3d", "make a head in 3D from learned words, or several side by side"),
    "evaluate": ("evaluate", "add_evaluate", "measure likeness and editability of people learned in several ways"),
    "inspect": ("files", "add_inspect", "show the contents of an identity file"),
    "convert": ("files", "add_convert", "convert an embedding to the format of the target's extension"),
    "trained": ("trained", "add_trained", "list or remove the trainings stored by the nodes"),
    "download": ("download", "add_download", "download weights into ComfyUI's models folder"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, see `run_command`."""
    given = sys.argv[1:] if arguments is None else arguments
    return run_command(parser(given), given)


def parser(wanted: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser of the command line.

    Args:
        wanted: the commands that get their options; the others only have a name. Other words do no harm.
    """
    top = Parser(prog="python -m stableidentity_core", description="Learn a person as two words.")
    top.add_argument("--version", action="version", version=__version__)
    top.set_defaults(interrupted="no identity was written")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, add_options, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        if name in wanted:
            getattr(import_module(f".{module}", __package__), add_options)(command)
    return top
