"""Several people, and the runs that train them together."""

from __future__ import annotations

from dataclasses import replace

from helpers.make import some_face
from helpers.trainings import FEATURES
from stableidentity_core.train import TrainConfig, TrainingRun
from stableidentity_core.train.projector_init import make_projector


def some_people(count: int = 3, **face) -> list:
    """One photo of the first, two of each other."""
    return [
        [some_face(**{"features": FEATURES, "seed": 10 * i + j} | face) for j in range(min(i + 1, 2))]
        for i in range(count)
    ]


def runs_of(backend, names, people, config: TrainConfig, seeds=None) -> list[TrainingRun]:
    runs = []
    for number, faces in enumerate(people):
        own = replace(config, seed=config.seed if seeds is None else seeds[number])
        runs.append(TrainingRun(backend, faces, make_projector(backend, faces, [names], own), own, f"<p{number}>"))
    return runs
