"""Options and progress of the commands that do the work of a suite: models, photos, and where it runs."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..console.progress import progress_bar, write_beside_bar
from ..errors import StableIdentityError
from ..suite.engines import Local, Processes, WithRay
from ..suite.photos import DTYPES, OPTIONS
from ..suite.runner import Progress, Run
from ..suite.spec import Suite
from ..suite.tasks import Task
from .arguments import count, usable_device

ENGINES = ("local", "processes", "ray")
MOST = 60  # processes, of which Windows waits for no more
SHOWN = 10  # failures at the end


def add_world(command: Any) -> None:
    group = command.add_argument_group("models and photos (default: what the suite says)")
    for name, text in OPTIONS.items():
        option = f"--{name.replace('_', '-')}"
        if name == "v_prediction":
            group.add_argument(option, action="store_true", default=None, help=text)
        elif name == "dtype":
            group.add_argument(option, choices=DTYPES, help=text)
        else:
            group.add_argument(option, type=Path, help=text)


def add_engine(command: Any) -> None:
    group = command.add_argument_group("where it runs")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    group.add_argument(
        "--engine",
        choices=ENGINES,
        help="local: in this process; processes: one on each GPU; ray: on "
        "a cluster (default: processes with several GPUs, else local)",
    )
    group.add_argument("--device", type=usable_device, default=device, help="cpu, cuda, mps (default: %(default)s)")
    group.add_argument(
        "--workers", type=count, metavar="N", help="of the engines processes and ray (default: one a GPU)"
    )


def engine_of(suite: Suite, options: argparse.Namespace) -> Any:
    if options.engine == "local" and options.workers:
        raise StableIdentityError("--workers is for the engines processes and ray; local works in this process.")
    gpus = torch.cuda.device_count() if options.device == "cuda" else 0
    options.engine = options.engine or ("processes" if gpus > 1 or options.workers else "local")
    if options.engine == "ray":
        return WithRay(suite, options.device, options.workers)
    if options.engine == "processes":
        workers = options.workers or gpus or 1
        if workers > MOST:
            raise StableIdentityError(f"--workers is {workers:,}, needed at most {MOST} for the engine processes.")
        return Processes(suite, [f"cuda:{number % gpus}" if gpus else options.device for number in range(workers)])
    return Local(suite, options.device)


def world_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, as a suite file has them."""
    given = {name: value for name in OPTIONS if (value := getattr(options, name)) is not None}
    return {
        name: os.path.abspath(value.expanduser()) if isinstance(value, Path) else value for name, value in given.items()
    }


def with_world_options(suite: Suite, options: argparse.Namespace) -> Suite:
    """The suite with the options that were given.

    Raises:
        StableIdentityError: it is not of photos.
    """
    given = world_options(options)
    if given and suite.world != "photos":
        raise StableIdentityError(f"--{next(iter(given))} is for suites of photos; this one is of the {suite.world}.")
    return replace(suite, world_options={**suite.world_options, **given})


@contextmanager
def shown() -> Iterator[Progress]:
    """A bar of the tasks; failures are written beside it."""
    with progress_bar(total=0, unit="task") as bar:

        def begin(tasks: Any, workers: int) -> None:
            bar.reset(total=len(tasks))

        def done(task: Task) -> None:
            bar.set_postfix_str(str(task), refresh=False)
            bar.update()

        def failed(task: Task, reason: str, again: bool) -> None:
            write_beside_bar(f"{task}: {reason}{' It is tried once more.' if again else ''}")
            if not again:
                bar.update()

        yield Progress(begin, done, failed)


def finish(run: Run) -> None:
    """Say what failed.

    Raises:
        StableIdentityError: anything did.
    """
    if run.ok:
        return
    lines = [f"{person}: {reason}" for person, reason in run.refused.items()]
    lines += [f"{task}: {reason}" for task, reason in run.failed.items()]
    lines += [f"tasks left out, since {reason}: {count}" for reason, count in Counter(run.left_out.values()).items()]
    more = f"\n... and {len(lines) - SHOWN} more, see failures.json" if len(lines) > SHOWN else ""
    raise StableIdentityError(
        "Not everything could be done; the tables show what is there:\n" + "\n".join(lines[:SHOWN]) + more
    )
