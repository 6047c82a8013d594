"""Short trainings of a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from helpers.make import rng, some_face
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.face import Face
from stableidentity_core.methods import StableIdentityProjector
from stableidentity_core.store import TrainResult
from stableidentity_core.text import NameSpace
from stableidentity_core.train import StepReport, TrainConfig, TrainingRun, ValidationSet
from stableidentity_core.train.batch import Batch, Source, draw_batches
from stableidentity_core.train.session import learn_runs
from stableidentity_core.train.views import encode_views

FEATURES = 8


def small(**settings) -> TrainConfig:
    """Settings of 4 steps at 64 pixels; `settings` are general ones and the method's own."""
    return TrainConfig().with_settings(**({"resolution": 64, "steps": 4, "learning_rate": 1e-3} | settings))


def new_run(
    backend: DiffusersBackend,
    names: NameSpace,
    config: TrainConfig | None = None,
    faces: list[Face] | None = None,
    weights: int = 0,
) -> TrainingRun:
    """A run whose projector starts from the seed `weights`."""
    config = config or small()
    projector = StableIdentityProjector(FEATURES, [names], config.method_settings["normalization"], rng(weights))
    return TrainingRun(backend, faces or [some_face(features=FEATURES)], projector, config)


def finish(run: TrainingRun) -> list[tuple[float, tuple[int, ...]]]:
    """Loss and times of each step that was left."""
    return [(report.loss, report.times) for report in run]


def words(run: TrainingRun) -> torch.Tensor:
    return run.words()["clip_h"]


def learn_identity(
    run: TrainingRun,
    names: Sequence[NameSpace],
    trigger: str,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> TrainResult:
    """Train one run to the end."""
    return learn_runs([run], names, [trigger], lambda reports: on_step(reports[0]))[0]


def draw_batch(backend: DiffusersBackend, source: Source, config: TrainConfig) -> Batch:
    """What one step of one person sees."""
    return draw_batches(backend, [source], config)[0]


def held_out_loss(
    backend: DiffusersBackend, faces: list[Face], projector: nn.Module, config: TrainConfig, draws: int, seed: int = 5
) -> float:
    """Mean loss of the projector's words on draws that training does not see."""
    plain = encode_views(backend, faces, config, rng()) if config.augmentation == "none" else None
    source = Source(faces=faces, generator=rng(seed), plain=plain)
    return ValidationSet(backend, [source], config, draws).losses([projector])[0]
