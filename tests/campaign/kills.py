"""SIGKILL at random moments of everything that writes: nothing lost, nothing half, nothing left after the next time."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from campaign import children
from campaign.acts import DOWNLOADED, WEIGHT, Act, Training, acts, left_over
from campaign.outcome import Fault, Row
from campaign.plan import Plan
from helpers.file_server import serving
from stableidentity_core import __file__ as core_file

PART = "kills"
GOAL = 200
WAIT = 240.0  # seconds for an act to end
TRACED = (str(Path(core_file).parent), str(Path(__file__).parent))
Lines = Counter[tuple[str, int]]


@dataclass(frozen=True)
class AtLine:
    """Before the line of a file runs for the n-th time."""

    file: str
    line: int
    time: int


@dataclass(frozen=True)
class After:
    seconds: float


Moment = AtLine | After


def run(plan: Plan, chosen: Callable[[Path, str], Iterable[Act]] = acts) -> list[Row]:
    """Kill each act in turn until the goal or the time is reached."""
    with serving() as server:
        server.files[WEIGHT] = DOWNLOADED
        victims = [Victim(act, plan) for act in chosen(plan.folder, server.url("good", WEIGHT))]
        goal, tried = plan.goal or GOAL, 0
        while tried < goal and plan.left:
            for victim in victims[: goal - tried]:
                victim.kill()
                if not plan.left:
                    break
            tried = sum(victim.row.tried for victim in victims)
            plan.tell(f"kills: {tried} of {goal}, {sum(victim.row.happened for victim in victims)} faults")
    return [victim.finished() for victim in victims]


class Victim:
    """An act, how long it takes and which lines it runs, and what became of it so far."""

    def __init__(self, act: Act, plan: Plan):
        self.act, self.plan = act, plan
        self.row = Row(PART, act.what)
        self.states: Counter[str] = Counter()
        self.random: Random = plan.random(PART, act.folder.name)
        act.prepare()
        self.seconds, self.lines = _done(act, counting=True)
        if isinstance(act, Training):
            act.remember()

    def kill(self) -> None:
        """Kill it one to three times in a row, look each time, then let it run to its end."""
        self.act.prepare()
        for _ in range(self.random.choice((1, 1, 2, 3))):
            moment = self._moment()
            if not _killed(self.act, moment):
                continue
            self.row.tried += 1
            self._check(moment, "half file", lambda: self.states.update([self.act.state()]))
        self._check("the next time", "cannot go on", lambda: _done(self.act, counting=False))
        self._check("the next time", "lost", self.act.end)
        self._check("the next time", "left over", lambda: _nothing_left(self.act.folder))

    def finished(self) -> Row:
        self.row.figures = ", ".join(f"{count} x {state}" for state, count in self.states.most_common())
        return self.row

    def _moment(self) -> Moment:
        """By lines, so that every step of a write is met on every machine, or by the clock."""
        if self.lines and self.random.random() < self.act.by_line:
            (file, line), count = self.random.choice(sorted(self.lines.items()))
            return AtLine(file, line, self.random.randint(1, count))
        return After(self.random.uniform(0, 1.1 * self.seconds))

    def _check(self, when: object, kind: str, look: Callable[[], object]) -> None:
        try:
            look()
        except AssertionError as error:
            again = f"python3 tasks.py campaign --only kills --seed {self.plan.seed}"
            fault = Fault(kind, f"{self.act.what}: {_first_words(str(error))}", f"killed at {when}: {error}", again)
            if self.row.blame(fault).times == 1:
                self.plan.say(f"  FAULT in {self.row.what}: {kind}: {fault.message}")


def _nothing_left(folder: Path) -> None:
    found = left_over(folder)
    assert not found, f"left over: {found}"


def _first_words(text: str) -> str:
    return text.partition(":")[0]


def _done(act: Act, counting: bool) -> tuple[float, Lines]:
    """Let it run to its end in a child: seconds and the lines of `act.traced` with their counts."""
    child, line = children.start(_do, act, "count" if counting else None)
    try:
        assert line.poll(WAIT), f"hang: it did not end within {WAIT:.0f} s"
        answer = line.recv()
        if answer == "begun":
            assert line.poll(WAIT), f"hang: it did not end within {WAIT:.0f} s"
            answer = line.recv()
    except EOFError:
        raise AssertionError("the process died by itself") from None
    finally:
        children.kill(child)
    assert not isinstance(answer, str), answer
    return answer


def _killed(act: Act, moment: Moment) -> bool:
    """Kill it at that moment; False when it was quicker."""
    child, line = children.start(_do, act, moment)
    try:
        line.recv()  # "begun"
        if isinstance(moment, After):
            time.sleep(moment.seconds)
            children.kill(child)
        child.join(WAIT)
    except EOFError:
        child.join(WAIT)
    if child.is_alive():
        children.kill(child)
        raise AssertionError(f"hang at {moment}")
    return child.exitcode == -signal.SIGKILL


def _do(connection: Connection, act: Act, moment: Moment | str | None) -> None:
    """In the child."""
    lines: Lines = Counter()
    connection.send("begun")
    started = time.monotonic()
    if isinstance(moment, AtLine):
        _trace(act, lines, moment)
    elif moment == "count":
        _trace(act, lines, None)
    try:
        act.run()
    except BaseException:
        connection.send(f"it failed: {traceback.format_exc()}")
        return
    finally:
        sys.settrace(None)
    connection.send((time.monotonic() - started, lines))


def _trace(act: Act, lines: Lines, moment: AtLine | None) -> None:
    """Count lines, and die at the moment."""

    def on_line(frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            at = (frame.f_code.co_filename, frame.f_lineno)
            lines[at] += 1
            if moment and at == (moment.file, moment.line) and lines[at] == moment.time:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()
        return on_line

    def on_call(frame: FrameType, _event: str, _argument: Any) -> Any:
        name = frame.f_code.co_filename
        return on_line if name.startswith(TRACED) and any(part in name for part in act.traced) else None

    threading.settrace(on_call)  # work may be done aside
    sys.settrace(on_call)
