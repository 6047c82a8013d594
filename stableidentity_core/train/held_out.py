"""The loss on draws that training does not see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..backends.protocol import DiffusionBackend
from ..face.portrait import Face
from .batch import Source, draw_batches, predict_batches
from .config import TrainConfig
from .loop import TrainingRun, check_together

DRAWS, SEED = 16, 0x5EED


def held_out_loss(
    backend: DiffusionBackend,
    faces: list[Face],
    projector: nn.Module,
    config: TrainConfig,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> float:
    """Mean loss on draws of noise, timestep, view and prompt that training does not see.

    The same seed gives the same draws, so that values before and after training compare;
    timesteps are spread evenly over the schedule.
    """
    source = Source(faces=faces, generator=torch.Generator().manual_seed(seed))
    return _held_out(backend, [source], [projector], config, draws)[0]


def held_out_losses(runs: Sequence[TrainingRun]) -> list[float]:
    """`held_out_loss` of people that are learned together, on the draws that each would have alone."""
    check_together(runs)
    sources = [Source(faces=run.faces, generator=torch.Generator().manual_seed(SEED), name=run.name) for run in runs]
    return _held_out(runs[0].backend, sources, [run.projector for run in runs], runs[0].config, DRAWS)


def _held_out(
    backend: DiffusionBackend,
    sources: Sequence[Source],
    projectors: Sequence[nn.Module],
    config: TrainConfig,
    draws: int,
) -> list[float]:
    count = len(backend.alphas_cumprod)
    totals = [0.0] * len(sources)
    with torch.no_grad():
        for i in range(draws):
            backend.check_cancelled()
            timesteps = torch.full((config.batch_size,), int((i + 0.5) * count / draws))
            batches = draw_batches(backend, sources, config, timesteps)
            losses, _ = predict_batches(backend, projectors, batches, config)
            means = torch.stack([loss.mean() for loss in losses]).tolist()
            totals = [total + mean for total, mean in zip(totals, means, strict=True)]
    return [total / draws for total in totals]
