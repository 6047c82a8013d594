"""Progress bar and preview images for trainings, and progress over the frames of a clip."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import comfy.utils
import latent_preview
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from ...stableidentity_core.train import StepReport
from .cancel import check_cancelled

PREVIEW_SIDE = 256
PREVIEW_SECONDS = 0.5

OnStep = Callable[[tuple[StepReport, ...]], None]


def progress(model: Any, steps: int, preview_every: int, rounds: int = 1, done: int = 0) -> OnStep:
    """A callback for step reports that updates the host's progress bar and shows the predicted images.

    Args:
        steps: of one training.
        preview_every: steps between previews, 0 for none. Previews come at most twice a second.
        rounds: number of groups of people, each trained for `steps` steps.
        done: steps already done.
    """
    bar = comfy.utils.ProgressBar(steps * rounds)
    previewer = _previewer(model) if preview_every else None
    last = 0.0

    def on_step(reports: tuple[StepReport, ...]) -> None:
        nonlocal last, done
        picture, step = None, reports[0].step
        due = preview_every and (step % preview_every == 0 or step in (1, steps))
        if previewer is not None and due and time.monotonic() - last >= PREVIEW_SECONDS:
            last = time.monotonic()
            tiles = tiled([report.z0[0].float().cpu() for report in reports])
            image = previewer.decode_latent_to_preview(tiles[None])
            picture = ("JPEG", image.resize((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BICUBIC), PREVIEW_SIDE)
        done += 1
        bar.update_absolute(done, steps * rounds, picture)

    return on_step


def counting(total: int) -> Callable[[int], None]:
    """A callback that sets the host's progress bar to a count and raises the host's interruption after a cancel."""
    bar = comfy.utils.ProgressBar(total)

    def on_done(count: int) -> None:
        check_cancelled()
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
