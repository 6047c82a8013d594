"""`train-many`: a folder of photos in, a folder of identity files out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FileTakenError
from ..files.writable import check_folder
from ..methods import METHODS
from ..methods.registry import DEFAULT
from ..suite.folder import Folder, files_of, name_in
from ..suite.methods import check_method
from ..suite.runner import run_suite
from ..suite.spec import MethodSpec, Sampling, Scoring, Suite
from ..suite.tasks import Task
from ..text.prompts import SLOT
from ..train.presets import PRESETS
from .arguments import count
from .engine_options import add_engine, add_world, engine_of, finish, shown, world_options
from .outputs import SUFFIX
from .say import say

WORK = ".train-many"  # where it notes what is done
METHOD = "people"
MANY = 100_000


@dataclass(frozen=True)
class PeopleFolder(Folder):
    """The files of people side by side, and all else in a hidden folder."""

    people: Path = Path()

    def learned(self, method: str, person: str) -> Path:
        return self.people / f"{person}{SUFFIX}"


def add_train_many(command: Any) -> None:
    command.description = "Learn everybody in a folder of photos; what is done already is not done again."
    command.set_defaults(run=run, interrupted="the same command goes on where it stopped")
    add = command.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the identity files, named as the photos")
    add("--method", choices=METHODS, default=DEFAULT, help="training method (default: %(default)s)")
    add("--preset", choices=PRESETS, help="settings (default: those of the method's paper)")
    add("--steps", type=count, help="(default: the method's)")
    add("--resolution", type=count, help="side of the training images in pixels (default: 512)")
    add("--seed", type=int, default=0, help="of everybody's training (default: %(default)s)")
    add("--at-once", type=count, default=1, metavar="N", help="people in one training (default: %(default)s)")
    add_world(command)
    add_engine(command)


def run(options: argparse.Namespace) -> None:
    """Write an identity file for each photo."""
    check_folder(options.out, "--out")
    suite = suite_of(options)
    folder = PeopleFolder(options.out / WORK, people=options.out)
    with engine_of(suite, options) as engine, shown() as progress:
        ended = run_suite(suite, folder, engine, ("learn",), progress, lambda _plan, left: check_own(folder, left))
    say(f"{ended.done} tasks done, {ended.kept} were done before. The identities are in {options.out}")
    finish(ended)


def check_own(folder: PeopleFolder, left: Sequence[Task]) -> None:
    """Raise FileTakenError if a file would be replaced that is not of an earlier `train-many`."""
    own = {name for record in (folder.root / "records").glob("*.json") for name in files_of(folder, record.stem) or ()}
    paths = [folder.learned(task.method, person) for task in left for person in task.people]
    if taken := [path for path in paths if path.exists() and name_in(folder, path) not in own]:
        raise FileTakenError(
            f"{taken[0]} is there already, and `train-many` has not written it. Move it away, or give another --out."
        )


def suite_of(options: argparse.Namespace) -> Suite:
    names = ("steps", "resolution")
    settings = {name: value for name in names if (value := getattr(options, name)) is not None}
    suite = Suite(
        title="people",
        world="photos",
        world_options=world_options(options),
        prompts=(SLOT,),
        people=MANY,
        at_once=options.at_once,
        sampling=Sampling(),
        scoring=Scoring(distance=False, inception=False),
        methods=(
            MethodSpec(
                name=METHOD,
                kind="learn",
                options={
                    "method": options.method,
                    "preset": options.preset or "",
                    "settings": settings,
                    "seed": options.seed,
                    "named": True,
                },
            ),
        ),
    )
    check_method(suite.methods[0])
    return suite
