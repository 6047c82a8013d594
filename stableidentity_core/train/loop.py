"""The training loop: a generator of step reports over an explicit, resumable state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor, nn

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError, TrainingError, said_of
from ..face.portrait import Face
from ..words.method import Projector
from .batch import Source, draw_batches, predict_batches
from .checkpoint import load_checkpoint, save_checkpoint, work_hash
from .config import TrainConfig
from .photos import check_photos, mean_feature, without_features
from .schedule import predicted_z0
from .views import EncodedViews, encode_views


@dataclass(frozen=True, kw_only=True, eq=False)
class StepReport:
    """What happened in one step."""

    step: int  # counted from 1
    steps: int
    loss: float
    grad_norm: float
    timesteps: tuple[int, ...]
    z0: Tensor  # [B, C, h, w] the predicted picture, scaled latents, detached


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
        self.optimizer = torch.optim.AdamW(
            self.projector.parameters(),
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
        )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0

    def __iter__(self) -> Iterator[StepReport]:
        """Train up to `config.steps`, yielding after each step.

        Raises:
            TrainingError: a loss or gradient that is not finite, or zero.
        """
        for (report,) in train_together([self]):
            yield report

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
        """Write everything needed to go on later, atomically, as safetensors."""
        save_checkpoint(self, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same photos, model, names and settings (a larger `steps` is allowed)."""
        load_checkpoint(self, path)

    @cached_property
    def _pool(self) -> EncodedViews | None:
        """Views made ahead, if that is asked for; from the seed alone, so that a resumed run has the same."""
        if not self.config.view_pool:
            return None
        generator = torch.Generator().manual_seed(self.config.seed)
        turns = islice(cycle(self.faces), max(self.config.view_pool, len(self.faces)))  # every photo has its share
        return encode_views(self.backend, list(turns), self.config, generator)

    @property
    def source(self) -> Source:
        """What this person's draws come from."""
        with said_of(self.name):
            return Source(faces=self.faces, generator=self.generator, pool=self._pool, name=self.name)


def train_together(runs: Sequence[TrainingRun]) -> Iterator[tuple[StepReport, ...]]:
    """Train people side by side up to `config.steps`, yielding one report for each person after each step.

    The frozen model takes everybody's batch in one pass. All else is each person's own: projector, draws, gradient
    norm, optimiser. So each learns what they would learn alone, but for the rounding of larger matrix products.

    Raises:
        StableIdentityError: nobody, or runs of different models, settings (but for the seed) or step counts.
        TrainingError: a loss or gradient that is not finite, or zero; nobody's projector has taken that step then.
    """
    check_together(runs)
    return _steps(runs)


def _steps(runs: Sequence[TrainingRun]) -> Iterator[tuple[StepReport, ...]]:
    first = runs[0]
    while first.step < first.config.steps:
        first.backend.check_cancelled()
        yield _step(runs)


def _step(runs: Sequence[TrainingRun]) -> tuple[StepReport, ...]:
    backend, config = runs[0].backend, runs[0].config
    batches = draw_batches(backend, [run.source for run in runs], config)
    for run in runs:
        run.optimizer.zero_grad(set_to_none=True)
    losses, outputs = predict_batches(backend, [run.projector for run in runs], batches, config)
    means = [loss.mean() for loss in losses]
    torch.autograd.backward(means)
    norms = [nn.utils.clip_grad_norm_(run.projector.parameters(), config.max_grad_norm) for run in runs]
    figures = torch.stack([torch.stack(means), torch.stack(norms)], dim=1).tolist()  # one wait for the device
    for run, (loss, norm) in zip(runs, figures, strict=True):
        with said_of(run.name):
            _check_learning(loss, norm, run.step + 1)
    for run in runs:
        run.optimizer.step()
        run.step += 1
    return tuple(
        StepReport(
            step=run.step,
            steps=config.steps,
            loss=loss,
            grad_norm=norm,
            timesteps=tuple(batch.draw.timesteps.tolist()),
            z0=predicted_z0(
                backend.prediction, output.detach(), batch.draw.z_t, backend.alphas_cumprod, batch.draw.timesteps
            ),
        )
        for run, batch, output, (loss, norm) in zip(runs, batches, outputs, figures, strict=True)
    )


def check_together(runs: Sequence[TrainingRun]) -> None:
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


def _check_learning(loss: float, grad_norm: float, step: int) -> None:
    for what, value in (("loss", loss), ("gradient", grad_norm)):
        if value != value or abs(value) == float("inf"):
            raise TrainingError(
                f"Step {step}: the {what} is {value}. The model's precision may overflow: load it in bf16 or fp32 "
                "(fp16 is the usual cause), and check that the VAE belongs to the model."
            )
        if value == 0:
            raise TrainingError(
                f"Step {step}: the {what} is exactly zero, so nothing would be learned. The words do not reach the "
                "model: look for nodes that replace its attention or conditioning, or for fp16 underflow (use bf16)."
            )
