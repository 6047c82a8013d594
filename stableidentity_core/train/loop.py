"""The training loop: a generator of step reports over an explicit, resumable state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ..backends.protocol import Conditioning, DiffusionBackend
from ..devices import moved
from ..errors import StableIdentityError
from ..face.portrait import Face
from ..words.method import Projector
from .checkpoint import load_checkpoint, save_checkpoint, work_hash
from .config import TrainConfig, compute_of
from .loss import Draw, two_phase_loss
from .photos import check_photos, mean_feature, without_features
from .prompts import template_rows
from .rate import set_rate
from .report import StepReport
from .schedule import add_noise, predicted_z0
from .templates import TEMPLATES
from .views import EncodedViews, draw_index, encode_views
from .watch import Watch


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """What one step compares, and on whose features and prompts."""

    draw: Draw
    features: Tensor  # [B, F]
    templates: tuple[str, ...]


class TrainingRun:
    """One person being learned: projector, optimiser, random state and step count.

    Args:
        backend: the frozen diffusion model.
        faces: prepared photos of one person, of one size and each with its feature by one encoder, if the method
            looks at features. Each view is of one of them, drawn anew; with one photo nothing is drawn. Their order
            counts: it decides which is drawn.
        projector: maps features [B, F] to words {text space: [B, 2, D]}; trained in place.
        config: settings; the projector's own settings are taken as they are.

    Raises:
        StableIdentityError: photos that do not go together, or a projector of another method than the settings'.
    """

    def __init__(self, backend: DiffusionBackend, faces: list[Face], projector: Projector, config: TrainConfig):
        if projector.method != config.method:
            raise StableIdentityError(
                f"The projector is of {projector.method}, the settings are for {config.method}. Make it for them."
            )
        check_photos(faces, projector.needs_face)
        self.backend = backend
        self.faces = faces if projector.needs_face else without_features(faces)
        self.config = config
        self.projector = projector.to(backend.device).requires_grad_(True).train()
        self.optimizer = new_optimizer(self.projector, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.watch = Watch(backend.device)

    def __iter__(self) -> Iterator[StepReport]:
        """Train up to `config.steps`, yielding after each step.

        Raises:
            TrainingError: a loss or gradient that is not finite, or zero. On the CPU nothing is learned of it; on
                other devices a few steps may have been taken until it is seen, and what was learned is lost.
        """
        while self.step < self.config.steps:
            self.backend.check_cancelled()
            yield train_step(self, self.faces, self._pool)
        self.watch.check()

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

    @cached_property
    def _pool(self) -> EncodedViews | None:
        """Views made ahead, if that is asked for; from the seed alone, so that a resumed run has the same."""
        if not self.config.view_pool:
            return None
        generator = torch.Generator().manual_seed(self.config.seed)
        turns = islice(cycle(self.faces), max(self.config.view_pool, len(self.faces)))  # every photo has its share
        return encode_views(self.backend, list(turns), self.config, generator)


class Run(Protocol):
    """What a step needs of a run."""

    backend: DiffusionBackend
    config: TrainConfig
    projector: Projector
    optimizer: torch.optim.AdamW
    generator: torch.Generator
    step: int
    watch: Watch


def new_optimizer(projector: Projector, config: TrainConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        projector.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )


def train_step(run: Run, faces: list[Face], pool: EncodedViews | None) -> StepReport:
    """One optimiser step on views of the faces, or of the pool; the run's watch sees loss and gradient."""
    batch = draw_batch(run.backend, faces, run.config, run.generator, pool=pool)
    run.optimizer.zero_grad(set_to_none=True)
    loss, output = batch_loss(run.backend, run.projector, batch, run.config)
    loss = loss.mean()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(run.projector.parameters(), run.config.max_grad_norm)
    run.watch.add(run.step + 1, loss.detach(), grad_norm)
    set_rate(run.optimizer, run.config, run.step)
    run.optimizer.step()
    run.step += 1
    return StepReport(
        step=run.step,
        steps=run.config.steps,
        loss_on_device=loss.detach(),
        grad_norm_on_device=grad_norm,
        timesteps_on_device=batch.draw.timesteps,
        make_z0=partial(_picture, run.backend, batch.draw, output.detach()),
    )


def _picture(backend: DiffusionBackend, draw: Draw, output: Tensor) -> Tensor:  # [B, C, h, w]
    return predicted_z0(backend.prediction, output, draw.z_t, backend.alphas_cumprod, draw.timesteps)


def draw_batch(
    backend: DiffusionBackend,
    faces: list[Face],
    config: TrainConfig,
    generator: torch.Generator,
    timesteps: Tensor | None = None,  # [B] int64; drawn evenly when None
    pool: EncodedViews | None = None,
    plain: EncodedViews | None = None,
) -> Batch:
    """Draw views, templates, timesteps and noise; all randomness is the generator's, on the CPU.

    Args:
        pool: views to draw from instead of drawing new ones.
        plain: the photos as they are, in their order, where `augmentation` is none; they need no encoding then.
    """
    count = config.batch_size
    if pool is None:
        chosen = [draw_index(len(faces), generator) for _ in range(count)]
        photos = [faces[number] for number in chosen]
        views = encode_views(backend, photos, config, generator) if plain is None else plain[torch.tensor(chosen)]
    else:
        views = pool[torch.randint(len(pool), (count,), generator=generator)]
    z0 = views.posterior.sample(generator)
    templates = tuple(TEMPLATES[draw_index(len(TEMPLATES), generator)] for _ in range(count))
    if timesteps is None:
        timesteps = torch.randint(len(backend.alphas_cumprod), (count,), generator=generator)
    noise = moved(torch.randn(z0.shape, generator=generator), z0.device)
    timesteps = moved(timesteps, z0.device)
    draw = Draw(
        z0=z0,
        z_t=add_noise(z0, noise, backend.alphas_cumprod, timesteps),
        noise=noise,
        timesteps=timesteps,
        face_mask=views.face_mask,
        hair_mask=views.hair_mask,
    )
    return Batch(draw=draw, features=views.features, templates=templates)


def batch_loss(
    backend: DiffusionBackend, projector: nn.Module, batch: Batch, config: TrainConfig
) -> tuple[Tensor, Tensor]:
    """Loss per sample [B] and the model's output [B, C, h, w]."""
    output = backend.predict(batch.draw.z_t, batch.draw.timesteps, _condition(backend, projector, batch))
    loss = two_phase_loss(
        batch.draw,
        output,
        prediction=backend.prediction,
        alphas_cumprod=backend.alphas_cumprod,
        latent_scale=backend.latent_scale,
        config=config,
    )
    return loss, output


def _condition(backend: DiffusionBackend, projector: nn.Module, batch: Batch) -> Conditioning:
    rows = template_rows(backend, batch.templates)
    return backend.encode_text(rows, projector(batch.features))
