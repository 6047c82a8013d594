"""`evaluate`: people, prompts and methods of a suite in; pictures, scores, tables and a report out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..console.progress import quiet_loaders
from ..console.time_left import describe_duration
from ..errors import StableIdentityError
from ..files.locked import locked
from ..files.names import safe_file_name
from ..files.writable import check_folder
from ..suite.add import add_pictures
from ..suite.estimate import bytes_needed, check_room, seconds_left, seconds_of_steps
from ..suite.folder import Folder
from ..suite.read import MOST, read_suite, shipped_suites
from ..suite.results.found import find_results, people_of
from ..suite.results.report import write_report
from ..suite.results.tables import groups_of, markdown, write_tables
from ..suite.runner import STAGES, run_suite
from ..suite.spec import MethodSpec, Suite
from ..suite.stored import stored_suite, with_added
from ..suite.tasks import Plan, Task
from ..suite.world import read_world
from .arguments import count
from .ask_names import add_names
from .engine_options import SHOWN, add_engine, add_world, engine_of, finish, shown, with_world_options
from .say import say


def add_evaluate(command: Any) -> None:
    actions = command.add_subparsers(required=True, metavar="ACTION")
    _add_run(actions)
    _add_score(actions)
    report = actions.add_parser("report", help="write the tables and the report again")
    report.add_argument("folder", type=Path, help="folder of an evaluation")
    report.set_defaults(run=lambda options: _report(Folder(options.folder)), interrupted="the report is not complete")
    _add_add(actions)
    add_names(actions)


def _add_run(actions: Any) -> None:
    command = actions.add_parser("run", help="do all the work of a suite; what is done already is not done again")
    command.set_defaults(run=_run, interrupted="the same command goes on where it stopped")
    add = command.add_argument
    add("suite", help=f"suite file, or one of the pack's: {', '.join(shipped_suites())}")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the evaluation")
    add("--people", type=count, metavar="N", help="only the first N people")
    add_world(command)
    add_engine(command)


def _add_score(actions: Any) -> None:
    command = actions.add_parser("score", help="measure what is not measured yet, such as added pictures")
    command.set_defaults(run=_score, interrupted="the same command goes on where it stopped")
    command.add_argument("folder", type=Path, help="folder of an evaluation")
    add_world(command)
    add_engine(command)


def _add_add(actions: Any) -> None:
    command = actions.add_parser("add", help="take in pictures that another program made: PERSON/003-1.png")
    command.set_defaults(run=_add, interrupted="not all pictures were added")
    add = command.add_argument
    add("folder", type=Path, help="folder of an evaluation")
    add("--method", required=True, help="name of the method in tables")
    add("--base", required=True, help="the diffusion model that made them, such as SD1.5")
    add("--source", default="", help="the program that made them, and its version")
    add("--group", default="methods", help="the table that it stands in (default: %(default)s)")
    add(
        "--pictures",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="a folder for each person, named as the photo; PROMPT-SEED.png in it, with prompts counted from 1",
    )


def _run(options: argparse.Namespace) -> None:
    folder = Folder(options.out)
    check_folder(options.out, "--out")
    suite = with_added(with_world_options(read_suite(options.suite), options), folder)
    if options.people:
        suite = replace(suite, people=min(options.people, MOST))
    _work(suite, folder, options, STAGES)


def _score(options: argparse.Namespace) -> None:
    folder = Folder(options.folder)
    _work(with_world_options(stored_suite(folder), options), folder, options, ("score", "measure"))


def _work(suite: Suite, folder: Folder, options: argparse.Namespace, stages: Any) -> None:
    quiet_loaders("diffusers")
    with ExitStack() as stack:
        engine = stack.enter_context(engine_of(suite, options))

        def prepare(plan: Plan, left: Sequence[Task]) -> None:
            needed = bytes_needed(suite, left)
            check_room(folder.root, needed)
            if any(task.stage in ("learn", "paint") for task in left):
                steps = engine.ask(partial(seconds_of_steps, suite=suite))
                seconds = seconds_left(suite, left, steps, engine.workers)
                say(f"About {describe_duration(seconds)} of learning and painting, and {needed / 1e6:,.0f} MB.")

        run = run_suite(suite, folder, engine, stages, stack.enter_context(shown()), prepare)
    try:
        _report(folder)
    except StableIdentityError:
        finish(run)  # why there is nothing to be shown
        raise
    finish(run)


def _report(folder: Folder) -> None:
    suite = stored_suite(folder)
    found = find_results(folder, suite)
    write_tables(folder, suite, found)
    report = write_report(folder, suite, found)
    for group, members in groups_of(found).items():
        say(f"{group}\n{markdown(members, len(people_of(found)))}")
    say(f"Written: {report}, and tables beside it")


def _add(options: argparse.Namespace) -> None:
    folder = Folder(options.folder)
    suite = stored_suite(folder)
    spec = MethodSpec(
        name=safe_file_name(options.method),
        kind="added",
        group=safe_file_name(options.group),
        options={"base": options.base, "source": options.source},
    )
    with locked(folder.lock, f"Another process works in {folder.root}. Wait until it has ended."):
        added = add_pictures(folder, suite, read_world(folder).people, spec, options.pictures)
    say(f"{sum(added.pictures.values())} pictures of {len(added.pictures)} people by {spec.name} added.")
    for name, why in added.left_out[:SHOWN]:
        say(f"Left out: {name}: {why}.", sys.stderr)
    if len(added.left_out) > SHOWN:
        say(f"... and {len(added.left_out) - SHOWN} more.", sys.stderr)
    if added.incomplete:
        say(f"Not measured, since pictures are missing: {', '.join(added.incomplete[:SHOWN])}.", sys.stderr)
    say(f"Measure them with: evaluate score {options.folder}")
