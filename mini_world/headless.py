"""The demo with diffusers' classes, on machines without ComfyUI."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from .core import DiffusersBackend, Person, TrainingSession, encode_face, sample_pictures
from .outcome import TEMPLATES, Outcome, Progress, Task, photo_of
from .painter import SIZE
from .pipeline import mini_world_backend, mini_world_encoder
from .preset import CFG, SAMPLING_STEPS, SEED
from .weights import Weights

HOST = "none: headless, through diffusers"


def run_headless(task: Task, weights: Weights, progress: Progress, device: str = "cpu") -> Outcome:
    """Learn the person and generate all rows of pictures."""
    backend = mini_world_backend(weights, device)
    face = encode_face(mini_world_encoder(weights), photo_of(task.person))
    started = time.monotonic()
    session = TrainingSession(backend, [Person(trigger=task.trigger, faces=[face])], task.config)
    untrained = session.runs[0].words()
    (result,) = session.learn(lambda reports: progress("learning", 1))
    train_seconds = time.monotonic() - started
    named = {space.name: space.embed(torch.tensor(space.tokenize(task.celebrity))) for space in backend.text_spaces}
    rows = {"person": result.identity.words, "celebrity": named, "untrained": untrained}
    return Outcome(
        host=HOST,
        identity=result.identity,
        pictures={row: _paint(backend, words, progress) for row, words in rows.items()},
        train_seconds=train_seconds,
    )


def _paint(backend: DiffusersBackend, words: Mapping[str, Tensor], progress: Progress) -> Tensor:  # [12, 3, 128, 128]
    def on_step() -> None:
        progress("painting", len(TEMPLATES))

    return sample_pictures(
        backend, TEMPLATES, words, size=SIZE, cfg=CFG, steps=SAMPLING_STEPS, seed=SEED, on_step=on_step
    )
