"""`python -m mini_world`: the demo, which learns a drawn person with ComfyUI or without."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .core import Parser, run_command, say
from .outcome import Task
from .preset import TRAIN
from .run import run_demo

OUT = Path("out") / "demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code; see `run_command` in the core."""
    return run_command(parser(), arguments)


def parser() -> argparse.ArgumentParser:
    demo = Parser(prog="python -m mini_world", description="Learn a drawn person in the pack's own mini world.")
    demo.set_defaults(run=run, interrupted="no identity was written")
    add = demo.add_argument
    add("--person", type=whole_number, default=1, metavar="N", help="each whole number is a person (default: 1)")
    add("--out", type=Path, default=OUT, metavar="DIR", help="folder for the results (default: %(default)s)")
    add("--steps", type=int, default=TRAIN.steps, help="training steps (default: %(default)s)")
    add("--comfyui", type=Path, metavar="DIR", help="a ComfyUI to run it in (default: without ComfyUI)")
    add("--port", type=int, help="port of that ComfyUI (default: a free one)")
    return demo


def whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is not a whole number; each whole number is a person, such as 7 or -3"
        ) from None


def run(options: argparse.Namespace) -> None:
    """Run the demo and say where its results are."""
    task = Task(person=options.person, steps=options.steps)
    with _sigterm_interrupts():
        files, report = run_demo(task, options.out, options.comfyui, options.port)
    say(
        f"Face similarity {report['face_similarity']:.2f} (a name that the model knows, {report['celebrity']}: "
        f"{report['named_people_similarity']:.2f}; other people: {report['other_people_similarity']:.2f})\n"
        f"Prompts followed {report['prompt_accuracy']:.0%} (the known name: {report['named_prompt_accuracy']:.0%})\n"
        f"Learned in {report['train_seconds']:.0f} s, {report['total_seconds']:.0f} s in all; "
        f"host: {report['host']}\n"
        f"Pictures  {files.sheet.absolute()}\n"
        f"Identity  {files.identity.absolute()}\n"
        f"Report    {files.report.absolute()}"
    )


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, so that a ComfyUI started by the demo is stopped."""

    def interrupt(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
