"""Generated bad input: every category in a child process, which tells of each input what became of it."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import shutil
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from campaign import children
from campaign.generated import CATEGORIES, Category
from campaign.judge import ACCEPTED, FOREIGN, REFUSED, Verdict, judge
from campaign.outcome import Fault, Row
from campaign.plan import Plan

PART = "inputs"
GOAL = 10_000
HANG_SECONDS = 90.0  # for one input, on a busy machine
SETUP_SECONDS = 240.0
MEMORY_LIMIT = 32 << 30  # of addresses; a child that asks for more gets an error, not the whole machine

DONE = 0  # a message: all inputs are tried
HANG, CRASH, BROKEN = "hang", "crash", "broken"
Kinds = Mapping[str, Callable[[Path], Category]]


def run(plan: Plan, kinds: Kinds = CATEGORIES, hang_seconds: float = HANG_SECONDS) -> list[Row]:
    """Try every category, the goal shared evenly; what one leaves of its time goes to the next."""
    goal = plan.goal or GOAL
    rows = []
    for number, (name, kind) in enumerate(kinds.items()):
        count = goal // len(kinds) + (number < goal % len(kinds))
        seconds = plan.left / (len(kinds) - number)
        share = replace(plan, folder=plan.folder / name.replace(" ", "_"), seconds=seconds, goal=count)
        rows.append(_category(share, name, kind, hang_seconds))
        plan.say(f"  {name}: {rows[-1].tried} tried, {rows[-1].happened} faults")
    return rows


def case_of(kind: Callable[[Path], Category], folder: Path, name: str, seed: int, number: int) -> Verdict:
    """One input by itself, in this process; its files stay in the folder."""
    category = kind(_made(folder / "setup"))
    case = category.case(_random(seed, name, number), _made(folder / "case"))
    return judge(case.label, case.act)


def _category(plan: Plan, name: str, kind: Callable[[Path], Category], hang_seconds: float) -> Row:
    row = Row(PART, name, refused=0, accepted=0)
    number = 0
    while number < (plan.goal or 0) and plan.left:
        child, line = children.start(_serve, kind, name, plan.seed, number, plan.goal, plan.folder)
        number = _listen(plan, row, line, number, hang_seconds)
        children.kill(child)
        shutil.rmtree(plan.folder, ignore_errors=True)
    row.figures = f"of {plan.goal:,} wanted" if row.tried < (plan.goal or 0) else ""
    return row


def _listen(plan: Plan, row: Row, line: Connection, number: int, hang_seconds: float) -> int:
    """Count verdicts until the child ends; gives the number of the next input."""
    label = None
    while True:
        answer = _next(line, SETUP_SECONDS if label is None else hang_seconds)
        if answer == DONE:
            return plan.goal or 0
        if isinstance(answer, str):
            label = answer
            continue
        if label is None:
            raise RuntimeError(f"The campaign's own input {number} of {row.what!r} cannot be made: {answer.message}")
        _count(plan, row, number, replace(answer, label=label))
        number, label = number + 1, None
        plan.tell(f"{row.what}: {row.tried} of {plan.goal}, {row.happened} faults")
        if answer.kind in (HANG, CRASH) or not plan.left:
            return number


def _next(line: Connection, seconds: float) -> Any:
    """The child's next message, or a verdict about its silence."""
    try:
        return line.recv() if line.poll(seconds) else Verdict(HANG, "", HANG, f"nothing came of it in {seconds:.0f} s")
    except (EOFError, OSError):
        return Verdict(CRASH, "", CRASH, "the process died")


def _count(plan: Plan, row: Row, number: int, verdict: Verdict) -> None:
    if verdict.kind in (ACCEPTED, REFUSED):
        row.tried += 1
        row.accepted = (row.accepted or 0) + (verdict.kind == ACCEPTED)
        row.refused = (row.refused or 0) + (verdict.kind == REFUSED)
    else:
        _blame(plan, row, number, verdict)


def _blame(plan: Plan, row: Row, number: int, verdict: Verdict) -> None:
    row.tried += 1
    again = f'python3 tasks.py campaign --only inputs --category "{row.what}" --seed {plan.seed} --case {number}'
    fault = row.blame(Fault(verdict.kind, verdict.root, f"{verdict.label}: {verdict.message}", again))
    if fault.times == 1:
        plan.say(f"  FAULT in {row.what}: {verdict.kind}: {verdict.root}\n    {fault.message}\n    {again}")


def _serve(
    line: Connection, kind: Callable[[Path], Category], name: str, seed: int, first: int, last: int, folder: Path
) -> None:
    """The child: of each input its label, then its verdict; DONE at the end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, resource.RLIM_INFINITY))
    os.environ["TMPDIR"] = str(_made(folder / "temp"))
    category = kind(_made(folder / "setup"))
    for number in range(first, last):
        place = _made(folder / "case")
        try:
            case = category.case(_random(seed, name, number), place)
        except Exception:
            line.send(Verdict(BROKEN, "", message=traceback.format_exc()))
            return
        line.send(case.label)
        before = _peak()
        verdict = judge(case.label, case.act)
        grown = _peak() - before
        # The first inputs load libraries.
        if category.memory is not None and grown > category.memory and number > first + 3 and verdict.kind != FOREIGN:
            verdict = Verdict("memory", case.label, verdict.kind, f"{grown >> 20} MB more, then {verdict.kind}")
        line.send(verdict)
        _cleared(place)
        if number % 50 == 0:
            gc.collect()
    line.send(DONE)


def _random(seed: int, name: str, number: int) -> Random:
    return Random(f"{seed}/{name}/{number}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _cleared(folder: Path) -> None:
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o755)
    shutil.rmtree(folder, ignore_errors=True)


def _peak() -> int:
    """Most memory that this process has ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
