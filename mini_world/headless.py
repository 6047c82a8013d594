"""The demo through diffusers' classes, on machines without ComfyUI."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from .core import (
    DiffusersBackend,
    TrainingRun,
    build_name_space,
    check_gradient,
    encode_face,
    learn_identity,
    make_projector,
    sample_pictures,
)
from .outcome import TEMPLATES, Outcome, Progress, Task, photo_of
from .pipeline import mini_world_backend, mini_world_encoder
from .preset import CFG, SAMPLING_STEPS, SEED
from .weights import Weights

HOST = "none: headless, through diffusers"


def run_headless(task: Task, weights: Weights, progress: Progress) -> Outcome:
    """Learn the person and paint all rows of pictures."""
    backend = mini_world_backend(weights)
    space = backend.text_spaces[0].name
    name_space = build_name_space(
        space, lambda text: backend.tokenize(space, text), lambda ids: backend.embed_tokens(space, ids)
    )
    face = encode_face(mini_world_encoder(weights), photo_of(task.person))
    started = time.monotonic()
    check_gradient(backend, compare=True)
    training = TrainingRun(backend, [face], make_projector(backend, [face], [name_space], task.config), task.config)
    untrained = training.words()[space]
    result = learn_identity(training, [name_space], task.trigger, lambda report: progress("learning", 1))
    train_seconds = time.monotonic() - started
    named = backend.embed_tokens(space, torch.tensor(backend.tokenize(space, task.celebrity)))
    rows = {"person": result.identity.words[space], "celebrity": named, "untrained": untrained}
    return Outcome(
        host=HOST,
        identity=result.identity,
        pictures={row: _paint(backend, words, progress) for row, words in rows.items()},
        train_seconds=train_seconds,
    )


def _paint(backend: DiffusersBackend, words: Tensor, progress: Progress) -> Tensor:  # [12, 3, 128, 128]
    def on_step() -> None:
        progress("painting", len(TEMPLATES))

    return sample_pictures(backend, TEMPLATES, words, cfg=CFG, steps=SAMPLING_STEPS, seed=SEED, on_step=on_step)
