"""The validation loss, on draws that training does not use."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..backends.protocol import DiffusionBackend
from .batch import Source, draw_batches, joined_batches, predict_batches
from .config import TrainConfig
from .loop import check_together
from .run import TrainingRun

DRAWS, SEED = 16, 0x5EED
CHUNK = 4  # samples per pass of the model, at least


class ValidationSet:
    """Draws of noise, view and prompt from separate seeds, at times that are spread evenly over the noise levels.

    The views are drawn and encoded here, so that measuring before and after training costs the encoder once.

    Args:
        sources: of each person, with generators that training does not use.
        draws: of `batch_size` samples each, for each person.
    """

    def __init__(self, backend: DiffusionBackend, sources: Sequence[Source], config: TrainConfig, draws: int = DRAWS):
        self.backend = backend
        self.config = config
        self.batches = []  # of each draw, each person's
        for i in range(draws):
            backend.check_cancelled()
            times = torch.full((config.batch_size,), backend.objective.time_at((i + 0.5) / draws))
            self.batches.append(draw_batches(backend, sources, config, times))

    @classmethod
    def of(cls, runs: Sequence[TrainingRun]) -> ValidationSet:
        """For people trained together: for each the draws that they would have alone."""
        check_together(runs)
        sources = [run.held_out_source(torch.Generator().manual_seed(SEED)) for run in runs]
        return cls(runs[0].backend, sources, runs[0].config)

    def losses(self, projectors: Sequence[nn.Module]) -> list[float]:
        """Mean loss of each person's words."""
        return self.each(projectors).mean(dim=1).tolist()

    def each(self, projectors: Sequence[nn.Module]) -> Tensor:  # [P, draws] float32, on the CPU
        """Loss of each person's words on each draw."""
        found = []
        samples = len(projectors) * self.config.batch_size
        together = 1 if self.config.low_memory else max(CHUNK // samples, 1)
        with torch.no_grad():
            for start in range(0, len(self.batches), together):
                self.backend.check_cancelled()
                batches = [joined_batches(own) for own in zip(*self.batches[start : start + together], strict=True)]
                losses, _outputs = predict_batches(self.backend, projectors, batches, self.config)
                found.append(torch.stack([loss.unflatten(0, (-1, self.config.batch_size)).mean(1) for loss in losses]))
        return torch.cat(found, dim=1).float().cpu()
