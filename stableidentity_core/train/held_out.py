"""The loss on draws that training does not see, made once for all measurements."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import nn

from ..backends.protocol import DiffusionBackend
from ..face.portrait import Face
from .config import TrainConfig
from .loop import Batch, batch_loss, draw_batch
from .loss import Draw
from .views import EncodedViews, encode_views

CHUNK = 4  # samples that go through the model at once, without gradients, where a step takes fewer


class HeldOut:
    """Draws of noise, view and prompt from a seed of their own; timesteps are spread evenly over the schedule.

    The views are drawn and encoded here, so that measuring before and after training costs the encoder once.

    Args:
        faces: photos of one person, as the training has them.
        draws: of `batch_size` samples each.
        pool: views to draw from in place of the faces'.
    """

    def __init__(
        self,
        backend: DiffusionBackend,
        faces: list[Face],
        config: TrainConfig,
        *,
        draws: int = 16,
        seed: int = 0x5EED,
        pool: EncodedViews | None = None,
    ):
        generator = torch.Generator().manual_seed(seed)
        count = len(backend.alphas_cumprod)
        once = config.augmentation == "none" and pool is None
        plain = encode_views(backend, faces, config, generator) if once else None
        self.backend = backend
        self.config = config
        self.batches = []
        for i in range(draws):
            backend.check_cancelled()
            timesteps = torch.full((config.batch_size,), int((i + 0.5) * count / draws))
            self.batches.append(draw_batch(backend, faces, config, generator, timesteps, pool, plain))

    def loss(self, projector: nn.Module) -> float:
        """Mean loss of the projector's words."""
        total = torch.zeros((), device=self.backend.device)
        together = 1 if self.config.low_memory else max(CHUNK // self.config.batch_size, 1)
        with torch.no_grad():
            for start in range(0, len(self.batches), together):
                self.backend.check_cancelled()
                batch = _joined(self.batches[start : start + together])
                total += batch_loss(self.backend, projector, batch, self.config)[0].sum()
        return total.item() / (len(self.batches) * self.config.batch_size)


def _joined(batches: list[Batch]) -> Batch:
    names = [field.name for field in fields(Draw)]
    return Batch(
        draw=Draw(**{name: torch.cat([getattr(batch.draw, name) for batch in batches]) for name in names}),
        features=torch.cat([batch.features for batch in batches]),
        templates=tuple(template for batch in batches for template in batch.templates),
    )


def held_out_loss(
    backend: DiffusionBackend,
    faces: list[Face],
    projector: nn.Module,
    config: TrainConfig,
    *,
    draws: int = 16,
    seed: int = 0x5EED,
) -> float:
    """Mean loss on draws that training does not see; the same seed gives the same draws."""
    return HeldOut(backend, faces, config, draws=draws, seed=seed).loss(projector)
