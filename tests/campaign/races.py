"""Several processes at once: everyone is served or refused, and what each was told is true."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from campaign import children
from campaign.acts import DOWNLOADED, KEY, WEIGHT, empty, left_over, person, same, some_result, weight_at
from campaign.outcome import Fault, Row
from campaign.plan import Plan
from helpers.file_server import serving
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.files.names import IfExists
from stableidentity_core.identity import load_identity
from stableidentity_core.identity.save import save_under_name
from stableidentity_core.store import ResultStore
from stableidentity_core.weights import download

PART = "races"
GOAL = 30  # rounds of each
PROCESSES = 4
WAIT = 120.0


@dataclass(frozen=True)
class Race:
    """What each process does, all at the same moment."""

    folder: Path

    @property
    def what(self) -> str:
        raise NotImplementedError

    def run(self, who: int) -> Any:
        """In a child: what it was told."""
        raise NotImplementedError

    def check(self, told: dict[int, Any]) -> None:
        """Raises AssertionError when what they were told is not so; a refusal is a text."""
        raise NotImplementedError


@dataclass(frozen=True)
class Saving(Race):
    if_exists: IfExists = IfExists.NUMBER

    @property
    def what(self) -> str:
        return f"saving under one name, {self.if_exists.value}"

    def run(self, who: int) -> Path:
        return save_under_name(person(who, width=1024), self.folder, "anna", self.if_exists)

    def check(self, told: dict[int, Any]) -> None:
        saved = {who: path for who, path in told.items() if isinstance(path, Path)}
        if self.if_exists is IfExists.NUMBER:
            assert len(saved) == PROCESSES, f"not everyone could save: {told}"
        if self.if_exists is IfExists.STOP:
            assert len(saved) == 1, f"{len(saved)} were told that the name is theirs: {told}"
        if self.if_exists is IfExists.REPLACE:
            assert len(saved) == PROCESSES, f"not everyone could save: {told}"
            there = load_identity(self.folder / "anna.safetensors")
            assert any(same(there, person(who, width=1024)) for who in saved), "the file is nobody's"
            return
        assert len(set(saved.values())) == len(saved), f"two were told the same name: {told}"
        for who, path in saved.items():
            assert same(load_identity(path), person(who, width=1024)), f"{path.name} is not who was saved there"


@dataclass(frozen=True)
class Storing(Race):
    what = "storing one training"

    def run(self, who: int) -> str:
        store = ResultStore(self.folder)
        store.put(KEY, some_result(1))
        found = store.get(KEY)
        assert found is not None and same(found.identity, some_result(1).identity), "half file: the stored training"
        return "stored"

    def check(self, told: dict[int, Any]) -> None:
        assert set(told.values()) == {"stored"}, f"not everyone could store: {told}"


@dataclass(frozen=True)
class Downloading(Race):
    url: str = ""
    what = "downloading one file"

    def run(self, who: int) -> Path:
        return download(weight_at(self.url), self.folder)

    def check(self, told: dict[int, Any]) -> None:
        target = weight_at(self.url).path(self.folder)
        assert all(path == target for path in told.values()), f"not everyone got it: {told}"
        assert target.read_bytes() == DOWNLOADED, "a wrong file has the final name"


def races(folder: Path, url: str) -> list[Race]:
    return [
        *(Saving(folder / choice.name, choice) for choice in IfExists),
        Storing(folder / "store"),
        Downloading(folder / "download", url),
    ]


def run(plan: Plan, chosen: Callable[[Path, str], Iterable[Race]] = races) -> list[Row]:
    with serving() as server:
        server.files[WEIGHT] = DOWNLOADED
        some = list(chosen(plan.folder, server.url("good", WEIGHT)))
        rows = [Row(PART, race.what) for race in some]
        for number in range(plan.goal or GOAL):
            for race, row in zip(some, rows, strict=True):
                if plan.left:
                    _round(plan, race, row, number)
        for row in rows:
            row.figures = f"{PROCESSES} processes each"
    return rows


def _round(plan: Plan, race: Race, row: Row, number: int) -> None:
    empty(race.folder)
    row.tried += 1
    try:
        told = _raced(race)
        race.check(told)
        found = left_over(race.folder)
        assert not found, f"left over: {found}"
    except (AssertionError, StableIdentityError, OSError) as error:
        again = f"python3 tasks.py campaign --only races --seed {plan.seed}"
        fault = Fault("race", str(error).partition(":")[0], f"round {number}: {error}", again)
        if row.blame(fault).times == 1:
            plan.say(f"  FAULT in {race.what}: {fault.message}")
    plan.tell(f"{race.what}: {row.tried} rounds, {row.happened} faults")


def _raced(race: Race) -> dict[int, Any]:
    """Everyone ready, then go; what each was told, a refusal as text."""
    started = [children.start(_do, race, who) for who in range(PROCESSES)]
    try:
        for _child, line in started:
            assert line.poll(WAIT) and line.recv() == "ready", "hang: a process did not get ready"
        for _child, line in started:
            line.send("go")
        told = {}
        for who, (_child, line) in enumerate(started):
            assert line.poll(WAIT), "hang: a process did not end"
            told[who], trace = line.recv()
            assert not trace, f"foreign exception: {trace}"
        return told
    finally:
        for child, _line in started:
            children.kill(child)


def _do(line: Connection, race: Race, who: int) -> None:
    line.send("ready")
    line.recv()
    try:
        line.send((race.run(who), ""))
    except StableIdentityError as error:
        line.send((str(error), ""))
    except BaseException:
        line.send((None, traceback.format_exc()))
