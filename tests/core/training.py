"""Short trainings of a tiny model."""

from __future__ import annotations

import torch

from core.make import rng, some_face
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.face import Face
from stableidentity_core.methods import StableIdentityProjector
from stableidentity_core.text import NameSpace
from stableidentity_core.train import TrainConfig, TrainingRun

FEATURES = 8


def small(**settings) -> TrainConfig:
    return TrainConfig(**({"resolution": 64, "steps": 4, "learning_rate": 1e-3} | settings))


def new_run(
    backend: DiffusersBackend,
    names: NameSpace,
    config: TrainConfig | None = None,
    faces: list[Face] | None = None,
    weights: int = 0,
) -> TrainingRun:
    """A run whose projector starts from the seed `weights`."""
    config = config or small()
    projector = StableIdentityProjector(FEATURES, [names], config.normalization, rng(weights))
    return TrainingRun(backend, faces or [some_face(features=FEATURES)], projector, config)


def finish(run: TrainingRun) -> list[tuple[float, tuple[int, ...]]]:
    """Loss and timesteps of each step that was left."""
    return [(report.loss, report.timesteps) for report in run]


def words(run: TrainingRun) -> torch.Tensor:
    return run.words()["clip_h"]
