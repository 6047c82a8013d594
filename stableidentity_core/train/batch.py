"""The data of one step, for one person or several, and the forward pass over all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from ..backends.protocol import Conditioning, DiffusionBackend
from ..devices import to_device
from ..face.portrait import Face
from .config import TrainConfig
from .loss import NoisedBatch, two_phase_loss
from .prompts import template_rows
from .templates import TEMPLATES
from .views import EncodedViews, draw_index, encode_views_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Where a person's training samples are drawn from.

    Attributes:
        generator: of all that is drawn, on the CPU.
        pool: views to draw from instead of drawing new ones.
        plain: the photos as they are, in their order, where `augmentation` is none; they need no encoding then.
        name: said in errors.
    """

    faces: list[Face]
    generator: torch.Generator
    pool: EncodedViews | None = None
    plain: EncodedViews | None = None
    name: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """One person's samples in a step."""

    draw: NoisedBatch
    features: Tensor  # [B, F]
    templates: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.templates)


def draw_batches(
    backend: DiffusionBackend, sources: Sequence[Source], config: TrainConfig, times: Tensor | None = None
) -> list[Batch]:
    """Draw views, templates, times and noise for each person; the VAE encodes the pictures of all people together.

    Each person's draws use only their own generator, so they are the same as in a training of that person alone.

    Args:
        times: [B] int64; drawn by the objective when None.
    """
    views = _views(backend, sources, config)
    return [_noised(backend, source, own, config, times) for source, own in zip(sources, views, strict=True)]


def _views(backend: DiffusionBackend, sources: Sequence[Source], config: TrainConfig) -> list[EncodedViews]:
    count = config.batch_size
    ready: dict[int, EncodedViews] = {}
    fresh: dict[int, list[Face]] = {}
    for place, source in enumerate(sources):
        if source.pool is not None:
            ready[place] = source.pool[torch.randint(len(source.pool), (count,), generator=source.generator)]
            continue
        chosen = [draw_index(len(source.faces), source.generator) for _ in range(count)]
        if source.plain is not None:
            ready[place] = source.plain[torch.tensor(chosen)]
        else:
            fresh[place] = [source.faces[number] for number in chosen]
    generators, names = [sources[place].generator for place in fresh], [sources[place].name for place in fresh]
    made = encode_views_of(backend, list(fresh.values()), config, generators, names)
    ready |= dict(zip(fresh, made, strict=True))
    return [ready[place] for place in range(len(sources))]


def _noised(
    backend: DiffusionBackend, source: Source, views: EncodedViews, config: TrainConfig, times: Tensor | None
) -> Batch:
    count, generator = config.batch_size, source.generator
    z0 = views.posterior.sample(generator)
    templates = tuple(TEMPLATES[draw_index(len(TEMPLATES), generator)] for _ in range(count))
    times = backend.objective.sample_times(count, generator) if times is None else times
    noise = to_device(torch.randn(z0.shape, generator=generator), z0.device)
    times = to_device(times, z0.device)
    draw = NoisedBatch(
        z0=z0,
        z_t=backend.objective.add_noise(z0, noise, times),
        noise=noise,
        times=times,
        face_mask=views.face_mask,
        hair_mask=views.hair_mask,
    )
    return Batch(draw=draw, features=views.features, templates=templates)


def predict_batches(
    backend: DiffusionBackend, projectors: Sequence[nn.Module], batches: Sequence[Batch], config: TrainConfig
) -> tuple[list[Tensor], list[Tensor]]:
    """One pass of text encoder and UNet over the batches of all people.

    Returns:
        For each person the loss per sample [B] and the model's output [B, C, h, w].
    """
    draw = _joined([batch.draw for batch in batches])
    output = backend.predict(draw.z_t, draw.times, _condition(backend, projectors, batches))
    loss = two_phase_loss(draw, output, objective=backend.objective, latents=backend.latents, config=config)
    sizes = [len(batch) for batch in batches]
    return list(loss.split(sizes)), list(output.split(sizes))


def joined_batches(batches: Sequence[Batch]) -> Batch:
    """Several batches of one person as one."""
    return Batch(
        draw=_joined([batch.draw for batch in batches]),
        features=torch.cat([batch.features for batch in batches]),
        templates=tuple(template for batch in batches for template in batch.templates),
    )


def _joined(draws: Sequence[NoisedBatch]) -> NoisedBatch:
    if len(draws) == 1:
        return draws[0]
    return NoisedBatch(
        **{field.name: torch.cat([getattr(draw, field.name) for draw in draws]) for field in fields(NoisedBatch)}
    )


def _condition(backend: DiffusionBackend, projectors: Sequence[nn.Module], batches: Sequence[Batch]) -> Conditioning:
    rows = template_rows(backend, [template for batch in batches for template in batch.templates])
    words = [projector(batch.features) for projector, batch in zip(projectors, batches, strict=True)]
    return backend.encode_text(rows, {space: torch.cat([own[space] for own in words]) for space in rows})
