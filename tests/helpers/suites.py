"""A suite without models: people are colours, and pictures say how bright they are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from helpers.make import rand
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.evaluate.metrics import Sample
from stableidentity_core.suite.engines import Local
from stableidentity_core.suite.methods.base import Method
from stableidentity_core.suite.people import seed_of_name
from stableidentity_core.suite.read import suite_of
from stableidentity_core.suite.spec import Suite

SIDE = 16


def paint_suite(folder: Path = Path(), **changes: Any) -> Suite:
    content: dict[str, Any] = {
        "title": "Colours",
        "prompts": ["a photo of {}", "{} in the snow"],
        "people": 3,
        "sampling": {"size": SIDE, "seeds": [1, 2]},
        "methods": [{"name": "bright", "kind": "colours"}, {"name": "dark", "kind": "colours", "level": 0.2}],
    }
    return suite_of({**content, **changes}, folder)


class Colours(Method):
    """What is learned is a person's colour; `fails` names people who cannot be learned or painted."""

    kind = "colours"
    options = {"level": 0.8, "fails": "", "fails_to_paint": "", "file": ""}

    def content(self, bench: Any) -> dict[str, Any]:
        return {"file": bench.files[self.values["file"]]} if self.values["file"] else {}

    def learn(self, bench: Any, people: Sequence[str]) -> dict[str, Any]:
        bench.learned.append(tuple(people))
        for person in people:
            if person == self.values["fails"]:
                raise StableIdentityError(f"nothing to be learned of {person}")
        return {person: partial(_write, person) for person in people}

    def paint(
        self, bench: Any, person: str, learned: Path | None, prompts: Sequence[str], sampling: Any
    ) -> Iterator[tuple[int, int, Tensor]]:
        assert learned is not None and learned.read_text() == person
        bench.painted.append((self.spec.name, person))
        for number in range(len(prompts)):
            for seed in sampling.seeds:
                yield number, seed, torch.full((3, SIDE, SIDE), self.values["level"]) * (number + 1) / len(prompts)
                if person == self.values["fails_to_paint"]:
                    raise RuntimeError("no paint left")


def _write(person: str, path: Path) -> None:
    path.write_text(person)


class Brightness:
    name, title = "brightness", "brightness"

    def __init__(self):
        self.feature = _Means()
        self.features = (self.feature,)

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self.each(sample).mean() for sample in samples])

    def each(self, sample: Sample) -> Tensor:
        return sample.of(self.feature)


class _Means:
    name = "means"

    def __call__(self, sample: Sample) -> Tensor:
        return sample.pictures.mean((1, 2, 3))


@dataclass
class FakeBench:
    """Notes what it is asked to do."""

    people: list[str] = field(default_factory=lambda: ["ann", "ben", "cem"])
    refused: str = ""
    model: str = "model"
    measuring: str = "means"
    stamp: str = ""
    loads: int = 0  # of the model
    files: dict[str, str] = field(default_factory=dict)
    learned: list[Any] = field(default_factory=list)
    painted: list[Any] = field(default_factory=list)
    inception_feature, device = "", "cpu"

    def photo(self, person: str) -> Tensor:
        if person == self.refused:
            raise StableIdentityError("no face in it")
        return rand(3, SIDE, SIDE, seed=seed_of_name(person))

    def seed_of(self, person: str) -> int:
        return seed_of_name(person)

    def photo_hash(self, person: str) -> str:
        return str(self.photo(person).sum().item())

    def metrics(self, compared: Tensor | None) -> list[Any]:
        return [Brightness()]

    def facts(self) -> dict[str, str]:
        return {"encoder": "encoder", "names": "names", "measuring": self.measuring}

    def model_facts(self) -> dict[str, str]:
        self.loads += 1
        return {"model": self.model, "decoder": "decoder"}

    def model_stamp(self) -> str:
        return self.stamp


def engine_of(bench: FakeBench, suite: Suite) -> Local:
    engine = Local(suite, "cpu")
    engine.worker.bench = bench  # type: ignore[misc]
    return engine


def work_that_may_die(bench: Any, task: Any) -> float:
    """In a worker's process, which imports this module."""
    if task.method == "dies":
        os._exit(1)
    begun = Path(task.key)
    if task.method == "dies beside":
        while not begun.exists():
            time.sleep(0.01)
        os._exit(1)
    if task.method == "is beside" and not begun.exists():
        begun.touch()
        time.sleep(600)  # the end of the pool ends it
    if task.method == "fails":
        raise ValueError("no such thing")
    return 1.0


def ask_what_fits(bench: Any) -> Any:
    return list(bench.people)


def ask_what_fails(bench: Any) -> Any:
    raise RuntimeError("cannot be")
