"""Progress bar and preview pictures while a training runs, or frames are gone through."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import comfy.utils
import latent_preview
from comfy import model_management
from PIL import Image

from ...stableidentity_core.train import StepReport

PREVIEW_SIDE = 256
PREVIEW_SECONDS = 0.5


def progress(model: Any, steps: int, preview_every: int) -> Callable[[StepReport], None]:
    """A consumer of step reports that moves the host's progress bar and shows the predicted picture.

    Args:
        preview_every: steps between previews, 0 for none. Previews come at most twice a second.
    """
    bar = comfy.utils.ProgressBar(steps)
    previewer = _previewer(model) if preview_every else None
    last = 0.0

    def on_step(report: StepReport) -> None:
        nonlocal last
        picture = None
        due = preview_every and (report.step % preview_every == 0 or report.step in (1, report.steps))
        if previewer is not None and due and time.monotonic() - last >= PREVIEW_SECONDS:
            last = time.monotonic()
            image = previewer.decode_latent_to_preview(report.z0[:1].float().cpu())
            picture = ("JPEG", image.resize((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BICUBIC), PREVIEW_SIDE)
        bar.update_absolute(report.step, report.steps, picture)

    return on_step


def counting(total: int) -> Callable[[int], None]:
    """Moves the host's progress bar to the number it is told; raises the host's interruption when the user cancels."""
    bar = comfy.utils.ProgressBar(total)

    def on_done(count: int) -> None:
        model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(count, total)

    return on_done


def _previewer(model: Any) -> Any:
    """The linear preview of the model's latent format, whatever previews the user has chosen for sampling."""
    latent_format = model.model.latent_format
    if latent_format.latent_rgb_factors is None:
        return None
    bias = getattr(latent_format, "latent_rgb_factors_bias", None)
    return latent_preview.Latent2RGBPreviewer(latent_format.latent_rgb_factors, bias)
