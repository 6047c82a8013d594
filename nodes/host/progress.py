"""Progress bar, previews and text of a training, and of work that is counted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import comfy.utils
import latent_preview
import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from ...stableidentity_core.console.time_left import TimeLeft
from ...stableidentity_core.train import StepReport
from .cancel import check_cancelled
from .progress_text import Teller

PREVIEW_SIDE = 256
PREVIEW_SECONDS = 0.5
PAINTED_SECONDS = 5.0  # for which a painted picture stays before previews go on
# Passes through the diffusion model, a training step being 3 for its backward pass. The first step comes after
# measuring the held-out loss, and another measuring follows the last one.
GUESSES = {"first step": 40.0, "step": 3.0, "picture": 42.0}


class TrainingProgress:
    """Shows a training on the node that runs; to be called with the reports of each step.

    Args:
        steps: of one training.
        preview_every: steps between previews, 0 for none. Previews come at most twice a second.
        rounds: number of groups of people, each trained for `steps` steps.
        done: steps already done.
        pictures: to be painted in all.
    """

    def __init__(
        self, model: Any, steps: int, preview_every: int, *, rounds: int = 1, done: int = 0, pictures: int = 0
    ):
        self.total = steps * rounds
        self.bar = comfy.utils.ProgressBar(self.total)
        self.preview_every = preview_every
        self.previewer = _previewer(model) if preview_every else None
        self.done = done
        parts = {"first step": rounds, "step": max(0, self.total - done - rounds), "picture": pictures}
        self.teller = Teller(TimeLeft(parts, GUESSES))
        self._who = ""
        self._part = "first step"
        self._previews_from = 0.0

    def begin(self, who: str) -> None:
        """Begin with a group: "people 1 to 8 of 20", or an empty text where all are learned together."""
        self._who = f"{who}, " if who else ""
        self._part = "first step"
        self.teller.begin()

    def stage(self, what: str) -> None:
        """Tell what is done besides steps."""
        self.teller.now(f"{self._who}{what}")

    def __call__(self, reports: tuple[StepReport, ...]) -> None:
        report = reports[0]
        self.teller.left.done(self._part)
        self._part = "step"
        self.teller.count(f"{self._who}step {report.step} of {report.steps}")
        self.done += 1
        self.bar.update_absolute(self.done, self.total, self._preview(reports))

    def painted(self, pictures: Sequence[Tensor]) -> None:
        """Show pictures [1, H, W, 3] that have just been painted, one of each person."""
        for _picture in pictures:
            self.teller.left.done("picture")
        self._previews_from = time.monotonic() + PAINTED_SECONDS
        show_pictures(pictures, self.done, self.total)

    def _preview(self, reports: tuple[StepReport, ...]) -> tuple[str, Image.Image, int] | None:
        step, steps = reports[0].step, reports[0].steps
        due = self.preview_every and (step % self.preview_every == 0 or step in (1, steps))
        if self.previewer is None or not due or time.monotonic() < self._previews_from:
            return None
        self._previews_from = time.monotonic() + PREVIEW_SECONDS
        tiles = tiled([report.z0[0].float().cpu() for report in reports])
        image = self.previewer.decode_latent_to_preview(tiles[None])
        return "JPEG", image.resize((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BICUBIC), PREVIEW_SIDE


def show_pictures(pictures: Sequence[Tensor], done: int = 1, total: int = 1) -> None:
    """Show pictures [1, H, W, 3] as the preview of the node that runs, whose bar is at `done`."""
    if pictures:
        tiles = tiled([picture[0].movedim(-1, 0) for picture in pictures]).movedim(0, -1)
        image = Image.fromarray((tiles.cpu().numpy() * 255).round().astype(np.uint8))
        comfy.utils.ProgressBar(total).update_absolute(done, total, ("JPEG", image, None))


def counting(total: int, what: str) -> Callable[[int], None]:
    """A callback that shows a count by bar and text ("photo 12 of 500"), and raises the host's interruption.

    Args:
        what: one of those that are counted.
    """
    bar = comfy.utils.ProgressBar(total)
    teller = Teller(TimeLeft({what: total}, {what: 1.0}))
    before = 0

    def on_done(count: int) -> None:
        nonlocal before
        check_cancelled()
        for _one in range(count - before):
            teller.left.done(what)
        before = count
        teller.count(f"{what} {min(count + 1, total)} of {total}")
        bar.update_absolute(count, total)

    return on_done


def tiled(pictures: Sequence[Tensor]) -> Tensor:
    """Pictures [C, h, w] row by row in the smallest square that holds them, [C, n h, n w]; one stays unchanged."""
    side = math.ceil(len(pictures) ** 0.5)
    empty = [torch.zeros_like(pictures[0])] * (side * side - len(pictures))
    return rearrange(torch.stack([*pictures, *empty]), "(r c) d h w -> d (r h) (c w)", r=side)


def _previewer(model: Any) -> Any:
    """The linear preview of the model's latent format, regardless of the preview method set for sampling."""
    latent_format = model.model.latent_format
    if latent_format.latent_rgb_factors is None:
        return None
    bias = getattr(latent_format, "latent_rgb_factors_bias", None)
    return latent_preview.Latent2RGBPreviewer(latent_format.latent_rgb_factors, bias)
