"""The two loops whose speed is compared, and where their time is measured."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import torch
from learning import new_run
from published_loop import PublishedLoop
from speed_models import SpeedWorld
from torch import nn

from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.train import TrainConfig, TrainingRun, lookahead
from stableidentity_core.train.projector_init import make_projector

POOL = 32
VARIANTS: dict[str, dict[str, Any]] = {
    "published": {},
    "ours": {"cached_views": POOL, "precision": "auto"},
    "ours, low memory": {"cached_views": POOL, "precision": "auto", "low_memory": True},
    "ours, bf16 weights": {"cached_views": POOL},
    "ours, bf16 weights, low memory": {"cached_views": POOL, "low_memory": True},
}
BF16_WEIGHTS = {name for name in VARIANTS if "bf16 weights" in name}  # minutes a step on processors without bf16


def published(world: SpeedWorld, config: TrainConfig) -> PublishedLoop:
    projector = make_projector(world.backend(), [world.face], world.name_spaces, config)
    return PublishedLoop(world.backend(), world.encoder, world.face, projector, config)


def ours(world: SpeedWorld, config: TrainConfig, backend: DiffusersBackend | None = None) -> TrainingRun:
    """A training without end."""
    return new_run(backend or world.backend(), world.name_spaces, world.face, replace(config, steps=10**6))


def config_of(world: SpeedWorld, variant: str, pool: int = POOL) -> TrainConfig:
    settings = {**VARIANTS[variant], **({} if variant == "published" else {"cached_views": pool})}
    return TrainConfig(resolution=world.resolution, **settings)


def places_of_published(one: PublishedLoop) -> list[tuple[Any, str, str]]:
    return [
        (one, "read", "decoding the photo"),
        (sys.modules["published_loop"], "augment", "drawing a view"),
        (one, "encode", "face ViT"),
        (sys.modules["published_loop"], "tokenize_templates", "tokenising"),
        *_common(one.backend, one.optimizer),
    ]


def places_of_ours(run: TrainingRun) -> list[tuple[Any, str, str]]:
    return [(lookahead, "draw_batches", "drawing from the pool"), *_common(run.backend, run.optimizer)]


def _common(backend: Any, optimizer: Any) -> list[tuple[Any, str, str]]:
    return [
        (backend, "encode_posterior", "VAE encoder"),
        (backend, "encode_text", "text encoder, forward"),
        (backend, "predict", "UNet, forward"),
        (torch.autograd, "backward", "UNet and text, backward"),
        (nn.utils, "clip_grad_norm_", "clipping and AdamW"),
        (optimizer, "step", "clipping and AdamW"),
    ]


def networks(backend: Any) -> list[nn.Module]:
    """Whose weights lie there anyway."""
    quick = [] if backend._cast_unet is None else [backend._cast_unet]
    return [backend.unet, *quick, *(text.model for text in backend.texts.values())]
