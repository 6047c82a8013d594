"""A head seen from all around, as pictures and as an animation."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import StableIdentityError
from .cameras import Cameras, cameras_around, turntable_cameras
from .render import picture_of
from .run import PREVIEW_FOV, PREVIEW_RADIUS
from .splat import Splat

COLOURS = {"white": (1.0, 1.0, 1.0), "grey": (0.5, 0.5, 0.5), "black": (0.0, 0.0, 0.0)}
AT_ONCE = 4  # pictures


@dataclass(frozen=True, kw_only=True)
class Turntable:
    """How a head is shown.

    Attributes:
        frames: number of pictures.
        size: side of a picture in pixels.
        arc: degrees, around the front; 360 is a full turn that begins and ends there.
        elevation: degrees above the head.
        backdrop: a name of COLOURS.
    """

    frames: int = 120
    size: int = 512
    arc: float = 360.0
    elevation: float = 0.0
    backdrop: str = "white"

    @property
    def cameras(self) -> Cameras:
        return turntable_cameras(
            self.frames, arc=self.arc, elevation=self.elevation, radius=PREVIEW_RADIUS, fov=PREVIEW_FOV
        )


def turn(splat: Splat, turntable: Turntable) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures [n, 3, S, S] and their coverage [n, S, S] in 0..1, a few at a time, on the CPU."""
    backdrop = torch.tensor(COLOURS[turntable.backdrop], device=splat.positions.device)
    cameras = turntable.cameras.to(splat.positions.device)
    for some in torch.arange(turntable.frames).split(AT_ONCE):
        part = Cameras(**{name: value[some.to(value.device)] for name, value in vars(cameras).items()})
        rendered = picture_of(splat, part, turntable.size)
        yield rendered.on(backdrop).clamp(0, 1).cpu(), rendered.coverage[:, 0].clamp(0, 1).cpu()


@torch.no_grad()
def views_of(splat: Splat, azimuths: Sequence[float], size: int) -> Tensor:
    """Pictures [V, 3, S, S] in 0..1 on white from azimuths in degrees."""
    angles, one = torch.tensor(azimuths), torch.ones(len(azimuths))
    cameras = cameras_around(angles, 0 * one, PREVIEW_RADIUS * one, PREVIEW_FOV * one).to(splat.positions.device)
    white = torch.ones(3, device=splat.positions.device)
    return picture_of(splat, cameras, size).on(white).clamp(0, 1)


def to_pictures(frames: Tensor) -> list[Image.Image]:
    """Frames [F, 3, H, W] in 0..1 as pictures of 8 bits."""
    values = (frames * 255).round().byte().movedim(1, -1).numpy()
    return [Image.fromarray(np.ascontiguousarray(value)) for value in values]


def animation(frames: Sequence[Image.Image], ending: str, fps: float) -> bytes:
    """An animation as `.webp`, `.gif` or `.png`, that repeats.

    Raises:
        StableIdentityError: another ending.
    """
    forms = {".webp": {"quality": 80, "method": 4}, ".gif": {}, ".png": {}}
    if ending.lower() not in forms:
        raise StableIdentityError(f"An animation ends in {ending!r}, needed one of {', '.join(forms)}.")
    content, (first, *others) = io.BytesIO(), frames
    first.save(
        content,
        format=ending[1:].upper(),
        save_all=True,
        append_images=others,
        duration=round(1000 / fps),
        loop=0,
        **forms[ending.lower()],
    )
    return content.getvalue()
