"""The training loop: a generator of step reports over runs that keep the state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError, error_context
from ..methods.base import Projector
from .batch import Batch, Source, predict_batches
from .config import TrainConfig
from .finite_guard import FiniteGuard
from .lookahead import Lookahead
from .loss import phase_losses
from .loss_scale import LossScale, shrink_scales
from .optimizer import set_rate
from .step_report import StepReport


class Run(Protocol):
    """What the loop needs of a run."""

    name: str  # with which error messages begin
    backend: DiffusionBackend
    config: TrainConfig
    projector: Projector
    optimizer: torch.optim.AdamW
    generator: torch.Generator
    loss_scale: LossScale
    step: int
    finite_guard: FiniteGuard

    @property
    def source(self) -> Source:
        """Where its samples are drawn from."""
        ...


def train_together(runs: Sequence[Run]) -> Iterator[tuple[StepReport, ...]]:
    """Train people side by side up to `config.steps`, yielding one report for each person after each step.

    The batches of all people go through the frozen model in one pass. Projector, draws, gradient norm and optimizer are
    separate for each person, so the result is that of single trainings up to the rounding of larger matrix products.

    Raises:
        StableIdentityError: nobody, or runs of different models, settings (but for the seed) or step counts.
        TrainingError: a loss or gradient that is not finite, or zero; on the CPU it is raised before any
            projector takes that step, on a GPU some steps later.
    """
    check_together(runs)
    return _steps(runs)


def _steps(runs: Sequence[Run]) -> Iterator[tuple[StepReport, ...]]:
    first, lookahead = runs[0], Lookahead(runs)
    while first.step < first.config.steps:
        first.backend.check_cancelled()
        with _drawn_again_if_broken_off(runs):
            reports = _step(runs, lookahead.next())
        yield reports
    for run in runs:
        with error_context(run.name):
            run.finite_guard.check()


@contextmanager
def _drawn_again_if_broken_off(runs: Sequence[Run]) -> Iterator[None]:
    """A step that fails leaves the random state as it was, so that a checkpoint can be written after it."""
    before = [run.generator.get_state() for run in runs]
    try:
        yield
    except BaseException:
        for run, state in zip(runs, before, strict=True):
            run.generator.set_state(state)
        raise


def _step(runs: Sequence[Run], batches: Sequence[Batch]) -> tuple[StepReport, ...]:
    backend, config = runs[0].backend, runs[0].config
    scaled = backend.dtype is torch.float16
    losses, norms, outputs = _gradients(runs, batches, scaled)
    while scaled and shrink_scales([run.loss_scale for run in runs], _means(losses), norms):
        losses, norms, outputs = _gradients(runs, batches, scaled)
    means = _means(losses)
    for run, mean, norm in zip(runs, means, norms, strict=True):
        with error_context(run.name):
            run.finite_guard.add(run.step + 1, mean, norm)
    for run in runs:
        set_rate(run.optimizer, config, run.step)
        run.optimizer.step()
        if scaled:
            run.loss_scale.stepped()
        run.step += 1
    return tuple(
        StepReport(
            step=run.step,
            steps=config.steps,
            loss_on_device=mean,
            grad_norm_on_device=norm,
            phase_losses_on_device=phase_losses(loss, batch.draw.times, backend.objective, config.alpha),
            times_on_device=batch.draw.times,
            make_z0=partial(_picture, backend, batch, output.detach()),
        )
        for run, batch, output, loss, mean, norm in zip(runs, batches, outputs, losses, means, norms, strict=True)
    )


def _gradients(
    runs: Sequence[Run], batches: Sequence[Batch], scaled: bool
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Each person's losses [B], gradient norm [] before clipping, and output [B, C, h, w]; gradients are clipped."""
    config = runs[0].config
    for run in runs:
        run.optimizer.zero_grad(set_to_none=True)
    losses, outputs = predict_batches(runs[0].backend, [run.projector for run in runs], batches, config)
    means = _means(losses)
    factors = [run.loss_scale.value for run in runs] if scaled else [1.0] * len(runs)
    torch.autograd.backward(means, [torch.full_like(mean, factor) for mean, factor in zip(means, factors, strict=True)])
    for run in runs if scaled else ():
        run.loss_scale.unscale(run.projector.parameters())
    norms = [nn.utils.clip_grad_norm_(run.projector.parameters(), config.max_grad_norm) for run in runs]
    return [loss.detach() for loss in losses], norms, outputs


def _means(losses: Sequence[Tensor]) -> list[Tensor]:
    return [loss.mean() for loss in losses]


def _picture(backend: DiffusionBackend, batch: Batch, output: Tensor) -> Tensor:  # [B, C, h, w]
    draw = batch.draw
    return backend.objective.predicted_z0(output, draw.z_t, draw.times)


def check_together(runs: Sequence[Run]) -> None:
    """Raise unless the runs can share steps, see `train_together`."""
    if not runs:
        raise StableIdentityError("There is nobody to train; needed at least one person.")
    for what, values in {
        "models": [run.backend for run in runs],
        "settings": [replace(run.config, seed=0) for run in runs],
        "steps done": [run.step for run in runs],
    }.items():
        if any(value != values[0] for value in values[1:]):
            raise StableIdentityError(
                f"The {len(runs)} people to be trained together have different {what}; needed the same for all except "
                "for the seed. Train those that differ separately."
            )
