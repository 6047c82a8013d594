"""Many people learned side by side: one batch through the frozen model, otherwise as if each were alone.

Every person has an own projector, optimiser state, random numbers and gradient clipping, so the
arithmetic is that of single runs of batch 1. Views are drawn from a pool that is made once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from stableidentity_core.backends.objective import add_noise
from stableidentity_core.backends.protocol import DiffusionBackend
from stableidentity_core.face.portrait import Face
from stableidentity_core.methods.stableidentity import StableIdentityProjector
from stableidentity_core.text.names import NameSpace
from stableidentity_core.text.prompts import PromptRows, tokenize_templates
from stableidentity_core.train.config import TrainConfig
from stableidentity_core.train.loss import NoisedBatch, two_phase_loss
from stableidentity_core.train.optimizer import set_rate
from stableidentity_core.train.templates import TEMPLATES
from stableidentity_core.train.views import draw_view

GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Crowd:
    """Pools of views, encoded once: P people with K views each."""

    z0: Tensor  # [P, K, C, h, w]
    face_masks: Tensor  # [P, K, 1, h, w]
    hair_masks: Tensor  # [P, K, 1, h, w]
    mirrored: Tensor  # [P, K] bool
    plain: Tensor  # [P, F] feature of the photo
    flipped: Tensor  # [P, F] feature of its mirror image

    def without_masks(self) -> Crowd:
        return replace(self, face_masks=torch.ones_like(self.face_masks), hair_masks=torch.zeros_like(self.hair_masks))

    def with_features(self, plain: Tensor, flipped: Tensor) -> Crowd:
        return replace(self, plain=plain, flipped=flipped)

    def __len__(self) -> int:
        return len(self.plain)


def make_crowd(backend: DiffusionBackend, faces: Sequence[Face], config: TrainConfig) -> Crowd:
    """Draw and encode `cached_views` views of each face."""
    z0, face_masks, hair_masks, mirrored = [], [], [], []
    for number, face in enumerate(faces):
        generator = torch.Generator().manual_seed(config.seed * 100_003 + number)
        drawn = [draw_view(face, config, backend.latent_factor, generator) for _ in range(config.cached_views)]
        pictures = torch.stack([view.image for view in drawn])
        z0.append(torch.cat([backend.encode_image(part, generator) for part in pictures.split(16)]))
        face_masks.append(torch.stack([view.face_mask for view in drawn]))
        hair_masks.append(torch.stack([view.hair_mask for view in drawn]))
        mirrored.append(torch.tensor([view.mirrored for view in drawn]))
    features = [face.feature for face in faces if face.feature is not None]
    return Crowd(
        z0=torch.stack(z0),
        face_masks=torch.stack(face_masks),
        hair_masks=torch.stack(hair_masks),
        mirrored=torch.stack(mirrored),
        plain=torch.stack([feature.plain for feature in features]),
        flipped=torch.stack([feature.mirrored for feature in features]),
    )


class Projectors:
    """One StableIdentityProjector per person, computed together."""

    def __init__(
        self,
        people: int,
        width: int,
        name_space: NameSpace,
        config: TrainConfig,
        start: StableIdentityProjector | None = None,
    ):
        modules = [start] * people
        if start is None:
            seeds = [torch.Generator().manual_seed(config.seed * 100_003 + number) for number in range(people)]
            modules = [StableIdentityProjector(width, [name_space], config.normalization, seed) for seed in seeds]
        self.space = name_space.space
        self.module = modules[0]
        parameters, self.buffers = stack_module_state(modules)  # type: ignore[arg-type]
        self.parameters = {key: value.detach().clone().requires_grad_(True) for key, value in parameters.items()}

    def __call__(self, features: Tensor) -> Tensor:  # [P, B, F] -> [P, B, 2, D]
        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], feature: Tensor) -> Tensor:
            return functional_call(self.module, (parameters, buffers), (feature,))[self.space]

        return torch.vmap(one)(self.parameters, self.buffers, features)

    def clip_gradients(self, limit: float) -> None:
        """Each person's gradient by its own norm."""
        gradients = [value.grad for value in self.parameters.values() if value.grad is not None]
        norm = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()  # [P]
        for gradient in gradients:
            gradient.mul_((limit / (norm + 1e-6)).clamp(max=1).reshape(-1, *[1] * (gradient.ndim - 1)))


@dataclass(frozen=True, kw_only=True)
class Tricks:
    """Ways to draw and to average that may need fewer steps; none of them is the paper's."""

    stratified: bool = False  # each person's timesteps go over the schedule evenly, by the golden ratio
    antithetic: bool = False  # every second step takes the noise of the one before with the other sign
    averaged: bool = False  # the words are the mean of the last half of the steps


def learn_crowd(
    backend: DiffusionBackend,
    crowd: Crowd,
    name_space: NameSpace,
    config: TrainConfig,
    start: StableIdentityProjector | None = None,
    tricks: Tricks | None = None,
) -> Tensor:
    """Train one projector per person and return the words [P, 2, D] of their plain photos."""
    words = list(words_by_step(backend, crowd, name_space, config, start, tricks))
    return torch.stack(words[config.steps // 2 :]).mean(0) if tricks and tricks.averaged else words[-1]


def words_by_step(
    backend: DiffusionBackend,
    crowd: Crowd,
    name_space: NameSpace,
    config: TrainConfig,
    start: StableIdentityProjector | None = None,
    tricks: Tricks | None = None,
) -> Iterator[Tensor]:  # of [P, 2, D]
    """The same as a training that gives everybody's words after each step.

    At a constant rate they are, at each step, those of a training of so many steps.
    """
    projectors = Projectors(len(crowd), crowd.plain.shape[1], name_space, config, start)
    optimizer = torch.optim.AdamW(
        projectors.parameters.values(),
        config.learning_rate,
        (config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )
    generator = torch.Generator().manual_seed(config.seed)
    everyone = torch.arange(len(crowd)).repeat_interleave(config.batch_size)
    space = backend.text_spaces[0]
    rows = tokenize_templates(TEMPLATES, space, lambda text: backend.tokenize(space.name, text))
    draws = _Draws(crowd, len(everyone), len(backend.alphas_cumprod), tricks or Tricks(), generator)
    for step in range(config.steps):
        drawn = draws.at(step)
        draw = noised(backend, crowd, everyone, drawn)
        mirrored = crowd.mirrored[everyone, drawn.views][:, None]
        features = torch.where(mirrored, crowd.flipped[everyone], crowd.plain[everyone])
        words = projectors(features.unflatten(0, (len(crowd), -1))).flatten(0, 1)
        prompts = PromptRows(token_ids=rows.token_ids[drawn.prompts], positions=rows.positions[drawn.prompts])
        output = backend.predict(
            draw.z_t, draw.timesteps, backend.encode_text({space.name: prompts}, {space.name: words})
        )
        loss = two_phase_loss(
            draw,
            output,
            prediction=backend.prediction,
            alphas_cumprod=backend.alphas_cumprod,
            latent_scale=backend.latent_scale,
            config=config,
        )
        optimizer.zero_grad()
        (loss.sum() / config.batch_size).backward()
        projectors.clip_gradients(config.max_grad_norm)
        set_rate(optimizer, config, step)
        optimizer.step()
        yield _words(projectors, crowd)


def _words(projectors: Projectors, crowd: Crowd) -> Tensor:  # [P, 2, D]
    with torch.no_grad():
        return projectors(crowd.plain[:, None])[:, 0]


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """What a step sees of each person, all [B] but the noise."""

    views: Tensor
    prompts: Tensor
    timesteps: Tensor
    noise: Tensor  # [B, C, h, w]


class _Draws:
    """What each step sees of each person."""

    def __init__(self, crowd: Crowd, people: int, schedule: int, tricks: Tricks, generator: torch.Generator):
        self.crowd, self.people, self.schedule = crowd, people, schedule
        self.tricks, self.generator = tricks, generator
        self.first = torch.rand(people, generator=generator) if tricks.stratified else None
        self.last: _Drawn | None = None

    def at(self, step: int) -> _Drawn:
        if self.tricks.antithetic and step % 2 and self.last is not None:
            return replace(self.last, noise=-self.last.noise)
        views = torch.randint(self.crowd.z0.shape[1], (self.people,), generator=self.generator)
        prompts = torch.randint(len(TEMPLATES), (self.people,), generator=self.generator)
        if self.first is None:
            timesteps = torch.randint(self.schedule, (self.people,), generator=self.generator)
        else:
            timesteps = ((self.first + step * GOLDEN) % 1 * self.schedule).long()
        noise = torch.randn((self.people, *self.crowd.z0.shape[2:]), generator=self.generator)
        self.last = _Drawn(views=views, prompts=prompts, timesteps=timesteps, noise=noise)
        return self.last


def noised(backend: DiffusionBackend, crowd: Crowd, people: Tensor, drawn: _Drawn) -> NoisedBatch:
    """The chosen view of each person with noise."""
    z0 = crowd.z0[people, drawn.views]
    return NoisedBatch(
        z0=z0,
        z_t=add_noise(z0, drawn.noise, backend.alphas_cumprod, drawn.timesteps),
        noise=drawn.noise,
        timesteps=drawn.timesteps,
        face_mask=crowd.face_masks[people, drawn.views],
        hair_mask=crowd.hair_masks[people, drawn.views],
    )
