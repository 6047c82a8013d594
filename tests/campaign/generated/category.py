"""One kind of input that the campaign makes up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol


@dataclass(frozen=True)
class Case:
    """One input: what it is in a word, and what a user does with it.

    `act` returns when the input is accepted; it raises AssertionError when what came out is no good.
    """

    label: str
    act: Callable[[], object]


class Category(Protocol):
    """Made once a process, in a folder of its own; `case` may write into `folder`, which is emptied after each."""

    name: str
    memory: int | None  # bytes that one input may add to the process' peak; None: pictures, which may be large

    def case(self, random: Random, folder: Path) -> Case: ...
