"""The per-step callback of the training commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from ..train import StepReport

SHOWN_EVERY = 10  # steps


class Resumable(Protocol):
    """A training that can save a checkpoint."""

    def save(self, checkpoint: Path, /) -> None: ...


def after_each_step(training: Resumable, options: argparse.Namespace, bar: tqdm) -> Callable[[StepReport], None]:
    """A callback that updates the bar and writes checkpoints according to the options."""

    def on_step(report: StepReport) -> None:
        if report.step % SHOWN_EVERY == 0 or report.step == report.steps:  # reading the loss synchronises with the GPU
            bar.set_postfix(loss=f"{report.loss:.4g}", refresh=False)
        bar.update()
        if options.checkpoint and report.step % options.checkpoint_every == 0:
            training.save(options.checkpoint)

    return on_step
