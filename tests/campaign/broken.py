"""Things that are wrong on purpose, each in a way that the campaign must find."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from campaign.acts import Act, empty
from campaign.generated import Case
from campaign.races import Race
from stableidentity_core.errors import StableIdentityError

OLD, NEW = b"old" * 200_000, b"new" * 200_000


class Raw(StableIdentityError):
    """An error whose message does something to the terminal."""

    def __str__(self) -> str:
        return "The input \x1b[31m is refused."


class Foreign:
    """Every third input ends in somebody else's exception; another is refused in a sentence with an escape sequence."""

    name = "foreign"
    memory = None

    def __init__(self, folder: Path):
        pass

    def case(self, random: Random, folder: Path) -> Case:
        way = random.choice(("good", "refused", "foreign", "escape"))

        def act() -> None:
            if way == "foreign":
                json.loads("{")
            if way == "refused":
                raise StableIdentityError("The input is refused in a sentence.")
            if way == "escape":
                raise Raw("The input is refused.")

        return Case(way, act)


class Dying:
    """One input kills the process, one never comes to an end, one takes a lot of memory; the others are good."""

    name = "dying"
    memory = 100 << 20

    def __init__(self, folder: Path):
        pass

    def case(self, random: Random, folder: Path) -> Case:
        number = _number(folder)
        ways = {1: lambda: os._exit(9), 2: lambda: time.sleep(1000), 9: lambda: bytes(os.urandom(1)) * (300 << 20)}
        return Case(f"{number}", ways.get(number, lambda: None))


def _number(folder: Path) -> int:
    """How many inputs there were before, also in earlier processes."""
    file = folder.parents[1] / "count"
    number = int(file.read_text()) if file.exists() else 0
    file.write_text(str(number + 1))
    return number


@dataclass(frozen=True)
class HalfWriter(Act):
    """Writes into the file itself."""

    what = "writing into the file"
    traced = ("/broken.py",)
    by_line = 1.0

    @property
    def path(self) -> Path:
        return self.folder / "file"

    def prepare(self) -> None:
        empty(self.folder)
        self.path.write_bytes(OLD)

    def run(self) -> None:
        with self.path.open("wb", buffering=0) as file:
            for start in range(0, len(NEW), 60_000):
                file.write(NEW[start : start + 60_000])

    def state(self) -> str:
        content = self.path.read_bytes()
        assert content in (OLD, NEW), "half file"
        return "old file" if content == OLD else "new file"

    def end(self) -> None:
        assert self.path.read_bytes() == NEW, "not written"


class Litterer(HalfWriter):
    """Writes beside the file, and never looks at what an earlier one has left there."""

    what = "leaving things"

    def run(self) -> None:
        beside = self.folder / f"file.{os.getpid()}.part"
        with beside.open("wb", buffering=0) as file:
            for start in range(0, len(NEW), 60_000):
                file.write(NEW[start : start + 60_000])
        os.replace(beside, self.path)


class Stubborn(HalfWriter):
    """Does not go on where a part of its work is there."""

    what = "not going on"

    def run(self) -> None:
        begun = self.folder / "begun"
        assert not begun.exists(), "begun before"
        begun.write_bytes(b"")
        super().run()
        begun.unlink()

    def state(self) -> str:
        return "any"


@dataclass(frozen=True)
class Careless(Race):
    """Looks whether the name is free, and then takes it."""

    what = "taking a name carelessly"

    def run(self, who: int) -> Path:
        number = 0
        while (path := self.folder / f"{number}").exists():
            number += 1
        time.sleep(0.2)
        path.write_text(f"{who}")
        return path

    def check(self, told: dict[int, Path]) -> None:
        assert len(set(told.values())) == len(told), "two were told the same name"
