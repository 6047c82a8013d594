"""The training loop of all networks: for a given time or number of steps, resumable, with averaged weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mini_world.training.runs import Ema, cosine_rate, load_state, save_state

SAVE_EVERY = 150.0  # seconds

Loss = Callable[[torch.Generator, float], tuple[Tensor, float]]  # generator, fraction done -> loss, value to print


@dataclass(frozen=True, kw_only=True)
class Course:
    """Length and schedule of a training; either `minutes` or `steps`."""

    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    decay: float = 0.998  # of the averaged weights
    clip: float = 1.0  # of the gradient's norm
    warm_up: float = 0.02
    floor: float = 0.02
    report_every: int = 100

    def share(self, step: int, spent: float) -> float:
        return step / self.steps if self.steps else spent / (60 * (self.minutes or 0.0))


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, course: Course, file: Path, loss_of: Loss) -> None:
    """Train `model`, or resume from `file`; the optimiser's learning rates are the peak of the schedule."""
    generator = torch.Generator().manual_seed(course.seed)
    rates = [group["lr"] for group in optimizer.param_groups]
    ema = Ema(model, course.decay)
    state = {"model": model, "optimizer": optimizer, "ema": ema}
    step, spent = load_state(file, state, generator)
    begun, saved, running = time.monotonic() - spent, time.monotonic(), math.nan
    while (share := course.share(step, spent)) < 1:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * cosine_rate(share, course.warm_up, course.floor)
        loss, figure = loss_of(generator, share)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), course.clip)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(model)
        step += 1
        spent = time.monotonic() - begun
        running = figure if math.isnan(running) else 0.98 * running + 0.02 * figure
        if step % course.report_every == 0:
            print(f"{file.stem} step {step}, {spent:.0f} s: {running:.5f}", flush=True)
        if time.monotonic() - saved > SAVE_EVERY:
            save_state(file, state, generator, step, spent)
            saved = time.monotonic()
    save_state(file, state, generator, step, spent)
