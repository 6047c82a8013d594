"""The training loop: a generator of step reports over an explicit, resumable state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, partial
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError, said_of
from ..face.portrait import Face
from ..words.method import Projector
from .batch import Batch, Source, draw_batches, predict_batches
from .checkpoint import load_checkpoint, save_checkpoint, work_hash
from .config import TrainConfig, compute_of
from .loss_scale import LossScale
from .photos import check_photos, mean_feature, without_features
from .rate import set_rate
from .report import StepReport
from .schedule import predicted_z0
from .views import EncodedViews, encode_views
from .watch import Watch


class Run(Protocol):
    """What a step needs of a run."""

    name: str  # said in errors
    backend: DiffusionBackend
    config: TrainConfig
    projector: Projector
    optimizer: torch.optim.AdamW
    loss_scale: LossScale
    step: int
    watch: Watch

    @property
    def source(self) -> Source:
        """What its draws come from."""
        ...


class TrainingRun:
    """One person being learned: projector, optimiser, random state and step count.

    Args:
        backend: the frozen diffusion model.
        faces: prepared photos of one person, of one size and each with its feature by one encoder, if the method
            looks at features. Each view is of one of them, drawn anew; with one photo nothing is drawn. Their order
            counts: it decides which is drawn.
        projector: maps features [B, F] to words {text space: [B, 2, D]}; trained in place.
        config: settings; the projector's own settings are taken as they are.
        name: of the person, which errors then say; for several people that are learned together.

    Raises:
        StableIdentityError: photos that do not go together, or a projector of another method than the settings'.
    """

    def __init__(
        self,
        backend: DiffusionBackend,
        faces: list[Face],
        projector: Projector,
        config: TrainConfig,
        name: str = "",
    ):
        if projector.method != config.method:
            raise StableIdentityError(
                f"The projector is of {projector.method}, the settings are for {config.method}. Make it for them."
            )
        check_photos(faces, projector.needs_face)
        self.name = name
        self.backend = backend
        self.faces = faces if projector.needs_face else without_features(faces)
        self.config = config
        self.projector = projector.to(backend.device).requires_grad_(True).train()
        self.optimizer = new_optimizer(self.projector, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.loss_scale = LossScale()
        self.step = 0
        self.watch = Watch(backend.device)

    def __iter__(self) -> Iterator[StepReport]:
        """Train up to `config.steps`, yielding after each step.

        Raises:
            TrainingError: a loss or gradient that is not finite, or zero; on a GPU it is seen some steps later.
        """
        for (report,) in train_together([self]):
            yield report

    def computing(self) -> AbstractContextManager[None]:
        """Inside, the model computes as the settings ask; outside it does as it was loaded."""
        return self.backend.computing(compute_of(self.config))

    def words(self) -> dict[str, Tensor]:
        """The person's words {text space: [2, D]} from the mean feature of the plain photos."""
        self.projector.eval()
        with torch.no_grad():
            words = self.projector(mean_feature(self.faces).to(self.backend.device))
            return {space: value[0].float().cpu().clone() for space, value in words.items()}

    @cached_property
    def work(self) -> str:
        """Hash of what this run learns from; a checkpoint belongs to it."""
        return work_hash(self)

    def save(self, path: Path) -> None:
        """Write everything needed to go on later, atomically, as safetensors; raises as the steps do."""
        self.watch.check()
        save_checkpoint(self, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same photos, model, names and settings (a larger `steps` is allowed)."""
        load_checkpoint(self, path)

    @property
    def source(self) -> Source:
        """What this person's draws come from."""
        with said_of(self.name):
            return Source(faces=self.faces, generator=self.generator, pool=self._pool, name=self.name)

    def held_out_source(self, generator: torch.Generator) -> Source:
        """The same photos for draws that training does not see: never from the pool."""
        with said_of(self.name):
            return Source(faces=self.faces, generator=generator, plain=self._plain, name=self.name)

    @cached_property
    def _pool(self) -> EncodedViews | None:
        """Views made ahead, if that is asked for; from the seed alone, so that a resumed run has the same."""
        if not self.config.view_pool:
            return None
        generator = torch.Generator().manual_seed(self.config.seed)
        turns = islice(cycle(self.faces), max(self.config.view_pool, len(self.faces)))  # every photo has its share
        return encode_views(self.backend, list(turns), self.config, generator)

    @cached_property
    def _plain(self) -> EncodedViews | None:
        if self.config.augmentation != "none":
            return None
        return encode_views(self.backend, self.faces, self.config, torch.Generator())  # nothing is drawn


def new_optimizer(projector: Projector, config: TrainConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        projector.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )


def train_together(runs: Sequence[Run]) -> Iterator[tuple[StepReport, ...]]:
    """Train people side by side up to `config.steps`, yielding one report for each person after each step.

    The frozen model takes everybody's batch in one pass. All else is each person's own: projector, draws, gradient
    norm, optimiser. So each learns what they would learn alone, but for the rounding of larger matrix products.

    Raises:
        StableIdentityError: nobody, or runs of different models, settings (but for the seed) or step counts.
        TrainingError: a loss or gradient that is not finite, or zero; on the CPU nobody's projector has taken that step
            then, on a GPU it is seen some steps later.
    """
    check_together(runs)
    return _steps(runs)


def _steps(runs: Sequence[Run]) -> Iterator[tuple[StepReport, ...]]:
    first = runs[0]
    while first.step < first.config.steps:
        first.backend.check_cancelled()
        yield _step(runs)
    for run in runs:
        with said_of(run.name):
            run.watch.check()


def _step(runs: Sequence[Run]) -> tuple[StepReport, ...]:
    backend, config = runs[0].backend, runs[0].config
    batches = draw_batches(backend, [run.source for run in runs], config)
    scaled = backend.dtype is torch.float16
    means, norms, outputs = _gradients(runs, batches, scaled)
    while scaled and any([run.loss_scale.shrink(*of) for run, *of in zip(runs, means, norms, strict=True)]):
        means, norms, outputs = _gradients(runs, batches, scaled)
    for run, loss, norm in zip(runs, means, norms, strict=True):
        with said_of(run.name):
            run.watch.add(run.step + 1, loss.detach(), norm)
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
            loss_on_device=loss.detach(),
            grad_norm_on_device=norm,
            timesteps_on_device=batch.draw.timesteps,
            make_z0=partial(_picture, backend, batch, output.detach()),
        )
        for run, batch, output, loss, norm in zip(runs, batches, outputs, means, norms, strict=True)
    )


def _gradients(
    runs: Sequence[Run], batches: Sequence[Batch], scaled: bool
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Each person's mean loss [], gradient norm [] before clipping, and output [B, C, h, w]; gradients are clipped."""
    config = runs[0].config
    for run in runs:
        run.optimizer.zero_grad(set_to_none=True)
    losses, outputs = predict_batches(runs[0].backend, [run.projector for run in runs], batches, config)
    means = [loss.mean() for loss in losses]
    factors = [run.loss_scale.value for run in runs] if scaled else [1.0] * len(runs)
    torch.autograd.backward(means, [torch.full_like(mean, factor) for mean, factor in zip(means, factors, strict=True)])
    for run in runs if scaled else ():
        run.loss_scale.unscale(run.projector.parameters())
    norms = [nn.utils.clip_grad_norm_(run.projector.parameters(), config.max_grad_norm) for run in runs]
    return means, norms, outputs


def _picture(backend: DiffusionBackend, batch: Batch, output: Tensor) -> Tensor:  # [B, C, h, w]
    draw = batch.draw
    return predicted_z0(backend.prediction, output, draw.z_t, backend.alphas_cumprod, draw.timesteps)


def check_together(runs: Sequence[Run]) -> None:
    """Raise unless one step can serve them all, as `train_together` says."""
    if not runs:
        raise StableIdentityError("There is nobody to learn; needed at least one person.")
    for what, values in {
        "models": [run.backend for run in runs],
        "settings": [replace(run.config, seed=0) for run in runs],
        "steps done": [run.step for run in runs],
    }.items():
        if any(value != values[0] for value in values[1:]):
            raise StableIdentityError(
                f"The {len(runs)} people to be learned together have different {what}; needed the same for all, but "
                "for the seed. Train those that differ by themselves."
            )
