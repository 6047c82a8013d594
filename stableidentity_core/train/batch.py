"""What one step looks at, of one person or of several, and the frozen model's one pass over all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from ..backends.protocol import Conditioning, DiffusionBackend
from ..face.portrait import Face
from ..words.place import prompt_rows
from .config import TrainConfig
from .loss import Draw, two_phase_loss
from .schedule import add_noise
from .templates import TEMPLATES
from .views import EncodedViews, draw_index, encode_views_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What a person's draws come from."""

    faces: list[Face]
    generator: torch.Generator
    pool: EncodedViews | None = None  # views made ahead
    name: str = ""  # said in errors


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """One person's share of a step."""

    draw: Draw
    features: Tensor  # [B, F]
    templates: tuple[str, ...]


def draw_batch(
    backend: DiffusionBackend,
    faces: list[Face],
    config: TrainConfig,
    generator: torch.Generator,
    timesteps: Tensor | None = None,  # [B] int64; drawn evenly when None
    pool: EncodedViews | None = None,
) -> Batch:
    """Draw views, templates, timesteps and noise; all randomness is the generator's, on the CPU."""
    return draw_batches(backend, [Source(faces=faces, generator=generator, pool=pool)], config, timesteps)[0]


def draw_batches(
    backend: DiffusionBackend, sources: Sequence[Source], config: TrainConfig, timesteps: Tensor | None = None
) -> list[Batch]:
    """The same for several people, whose pictures the VAE takes together.

    Nobody's generator is used for anybody else, so that each draws what they would draw alone.
    """
    views = _views(backend, sources, config)
    return [_noised(backend, source, own, config, timesteps) for source, own in zip(sources, views, strict=True)]


def _views(backend: DiffusionBackend, sources: Sequence[Source], config: TrainConfig) -> list[EncodedViews]:
    fresh = [source for source in sources if source.pool is None]
    photos = [
        [source.faces[draw_index(len(source.faces), source.generator)] for _ in range(config.batch_size)]
        for source in fresh
    ]
    generators, names = [source.generator for source in fresh], [source.name for source in fresh]
    made = iter(encode_views_of(backend, photos, config, generators, names))
    return [
        next(made) if source.pool is None else _from_pool(source.pool, config.batch_size, source.generator)
        for source in sources
    ]


def _from_pool(pool: EncodedViews, count: int, generator: torch.Generator) -> EncodedViews:
    return pool[torch.randint(len(pool), (count,), generator=generator)]


def _noised(
    backend: DiffusionBackend, source: Source, views: EncodedViews, config: TrainConfig, timesteps: Tensor | None
) -> Batch:
    count, generator, z0 = config.batch_size, source.generator, views.z0
    templates = tuple(TEMPLATES[draw_index(len(TEMPLATES), generator)] for _ in range(count))
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
    return Batch(draw=draw, features=views.features, templates=templates)


def predict_batches(
    backend: DiffusionBackend, projectors: Sequence[nn.Module], batches: Sequence[Batch], config: TrainConfig
) -> tuple[list[Tensor], list[Tensor]]:
    """One pass of text encoder and UNet over everybody's batch.

    Returns:
        For each person the loss per sample [B] and the model's output [B, C, h, w].
    """
    draw = _joined([batch.draw for batch in batches])
    output = backend.predict(draw.z_t, draw.timesteps, _condition(backend, projectors, batches))
    loss = two_phase_loss(
        draw,
        output,
        prediction=backend.prediction,
        alphas_cumprod=backend.alphas_cumprod,
        latent_scale=backend.latent_scale,
        config=config,
    )
    return list(loss.split(config.batch_size)), list(output.split(config.batch_size))


def _joined(draws: Sequence[Draw]) -> Draw:
    return Draw(**{field.name: torch.cat([getattr(draw, field.name) for draw in draws]) for field in fields(Draw)})


def _condition(backend: DiffusionBackend, projectors: Sequence[nn.Module], batches: Sequence[Batch]) -> Conditioning:
    templates = [template for batch in batches for template in batch.templates]
    rows = {
        space.name: prompt_rows(templates, space, lambda text, name=space.name: backend.tokenize(name, text))
        for space in backend.text_spaces
    }
    words = [projector(batch.features) for projector, batch in zip(projectors, batches, strict=True)]
    return backend.encode_text(rows, {space: torch.cat([own[space] for own in words]) for space in rows})
