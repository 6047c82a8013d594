"""Progress bar, text and a turning preview of a head that is being made."""

from __future__ import annotations

import math
import time

import comfy.utils
import numpy as np
import torch
from PIL import Image

from ...stableidentity_core.console.time_left import TimeLeft
from ...stableidentity_core.head3d import HeadReport, HeadRun
from .progress_text import Teller

SIDE = 192  # pixels of a preview
SHARE = 0.1  # of the time that previews may take
SECONDS = 0.5  # between previews at least
SWING = 40.0  # degrees to either side, at most as far as the views go
TURN = 12  # previews for once to and fro


class HeadProgress:
    """To be called with the report of each step."""

    def __init__(self, run: HeadRun):
        self.run = run
        steps = run.settings.steps
        self.bar = comfy.utils.ProgressBar(steps)
        self.teller = Teller(
            TimeLeft({"first step": 1, "step": max(0, steps - run.step - 1)}, {"first step": 2, "step": 1})
        )
        self._part = "first step"
        self._next, self._shown = 0.0, 0

    def __call__(self, report: HeadReport) -> None:
        self.teller.left.done(self._part)
        self._part = "step"
        self.teller.count(f"step {report.step} of {report.steps}, {report.points:,} Gaussians")
        self.bar.update_absolute(report.step, report.steps, self._preview(report))

    def _preview(self, report: HeadReport) -> tuple[str, Image.Image, int] | None:
        begun = time.monotonic()
        if begun < self._next and report.step < report.steps:
            return None
        reach = min(SWING, self.run.settings.azimuth)
        azimuth = 0.0 if report.step == report.steps else reach * math.sin(2 * math.pi * self._shown / TURN)
        with torch.no_grad():
            picture = self.run.picture(azimuth, SIDE)
        self._shown += 1
        ended = time.monotonic()
        self._next = ended + max(SECONDS, (ended - begun) / SHARE)
        values = (picture.movedim(0, -1).numpy() * 255).round().astype(np.uint8)
        return "JPEG", Image.fromarray(values), SIDE
