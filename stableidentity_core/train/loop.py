"""The training loop: a generator of step reports over an explicit, resumable state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ..backends.protocol import Conditioning, DiffusionBackend
from ..errors import StableIdentityError, TrainingError
from ..face.portrait import Face
from ..words.method import Projector
from ..words.place import prompt_rows
from .checkpoint import load_checkpoint, save_checkpoint, work_hash
from .config import TrainConfig
from .loss import Draw, two_phase_loss
from .photos import check_photos, mean_feature, without_features
from .rate import set_rate
from .schedule import add_noise, predicted_z0
from .templates import TEMPLATES
from .views import EncodedViews, draw_index, encode_views


@dataclass(frozen=True, kw_only=True, eq=False)
class StepReport:
    """What happened in one step."""

    step: int  # counted from 1
    steps: int
    loss: float
    grad_norm: float
    timesteps: tuple[int, ...]
    z0: Tensor  # [B, C, h, w] the predicted picture, scaled latents, detached


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
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

    def __iter__(self) -> Iterator[StepReport]:
        """Train up to `config.steps`, yielding after each step.

        Raises:
            TrainingError: a loss or gradient that is not finite, or zero.
        """
        while self.step < self.config.steps:
            self.backend.check_cancelled()
            yield train_step(self, self.faces, self._pool)

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


class Run(Protocol):
    """What a step needs of a run."""

    backend: DiffusionBackend
    config: TrainConfig
    projector: Projector
    optimizer: torch.optim.AdamW
    generator: torch.Generator
    step: int


def new_optimizer(projector: Projector, config: TrainConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        projector.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )


def train_step(run: Run, faces: list[Face], pool: EncodedViews | None) -> StepReport:
    """One optimiser step on views of the faces, or of the pool.

    Raises:
        TrainingError: a loss or gradient that is not finite, or zero.
    """
    batch = draw_batch(run.backend, faces, run.config, run.generator, pool=pool)
    run.optimizer.zero_grad(set_to_none=True)
    loss, output = _loss(run.backend, run.projector, batch, run.config)
    loss = loss.mean()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(run.projector.parameters(), run.config.max_grad_norm)
    loss_value, norm_value = loss.item(), grad_norm.item()
    _check_learning(loss_value, norm_value, run.step + 1)
    set_rate(run.optimizer, run.config, run.step)
    run.optimizer.step()
    run.step += 1
    draw = batch.draw
    z0 = predicted_z0(run.backend.prediction, output.detach(), draw.z_t, run.backend.alphas_cumprod, draw.timesteps)
    return StepReport(
        step=run.step,
        steps=run.config.steps,
        loss=loss_value,
        grad_norm=norm_value,
        timesteps=tuple(draw.timesteps.tolist()),
        z0=z0,
    )


def held_out_loss(
    backend: DiffusionBackend,
    faces: list[Face],
    projector: nn.Module,
    config: TrainConfig,
    *,
    draws: int = 16,
    seed: int = 0x5EED,
    pool: EncodedViews | None = None,
) -> float:
    """Mean loss on draws of noise, timestep, view and prompt that training does not see.

    The same seed gives the same draws, so that values before and after training compare;
    timesteps are spread evenly over the schedule.
    """
    generator = torch.Generator().manual_seed(seed)
    count = len(backend.alphas_cumprod)
    total = 0.0
    with torch.no_grad():
        for i in range(draws):
            backend.check_cancelled()
            timesteps = torch.full((config.batch_size,), int((i + 0.5) * count / draws))
            batch = draw_batch(backend, faces, config, generator, timesteps, pool)
            loss, _ = _loss(backend, projector, batch, config)
            total += loss.mean().item()
    return total / draws


def draw_batch(
    backend: DiffusionBackend,
    faces: list[Face],
    config: TrainConfig,
    generator: torch.Generator,
    timesteps: Tensor | None = None,  # [B] int64; drawn evenly when None
    pool: EncodedViews | None = None,
) -> _Batch:
    """Draw views, templates, timesteps and noise; all randomness is the generator's, on the CPU."""
    count = config.batch_size
    if pool is None:
        photos = [faces[draw_index(len(faces), generator)] for _ in range(count)]
        views = encode_views(backend, photos, config, generator)
    else:
        views = pool[torch.randint(len(pool), (count,), generator=generator)]
    templates = tuple(TEMPLATES[draw_index(len(TEMPLATES), generator)] for _ in range(count))
    z0 = views.z0
    if timesteps is None:
        timesteps = torch.randint(len(backend.alphas_cumprod), (count,), generator=generator)
    noise = torch.randn(z0.shape, generator=generator).to(z0)
    timesteps = timesteps.to(z0.device)
    draw = Draw(
        z0=z0,
        z_t=add_noise(z0, noise, backend.alphas_cumprod, timesteps),
        noise=noise,
        timesteps=timesteps,
        face_mask=views.face_mask,
        hair_mask=views.hair_mask,
    )
    return _Batch(draw=draw, features=views.features, templates=templates)


def _loss(backend: DiffusionBackend, projector: nn.Module, batch: _Batch, config: TrainConfig) -> tuple[Tensor, Tensor]:
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


def _condition(backend: DiffusionBackend, projector: nn.Module, batch: _Batch) -> Conditioning:
    rows = {
        space.name: prompt_rows(batch.templates, space, lambda text, name=space.name: backend.tokenize(name, text))
        for space in backend.text_spaces
    }
    return backend.encode_text(rows, projector(batch.features))


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
