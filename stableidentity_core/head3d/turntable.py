"""A head seen from all around, as pictures and as an animation."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import StableIdentityError
from ..optional import optional_import
from .cameras import Cameras, cameras_around, turntable_cameras
from .render import picture_of
from .run import PREVIEW_FOV, PREVIEW_RADIUS
from .splat import Splat

COLOURS = {"white": (1.0, 1.0, 1.0), "grey": (0.5, 0.5, 0.5), "black": (0.0, 0.0, 0.0)}
AT_ONCE = 4  # pictures
FORMS: dict[str, dict[str, int]] = {".webp": {"quality": 80, "method": 4}, ".gif": {}, ".png": {}, ".mp4": {}}


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


def turn(
    splat: Splat, turntable: Turntable, check: Callable[[], None] = lambda: None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures [n, 3, S, S] and their coverage [n, S, S] in 0..1, a few at a time, on the CPU.

    Args:
        check: called between parts of each picture; may raise to stop.
    """
    backdrop = torch.tensor(COLOURS[turntable.backdrop], device=splat.positions.device)
    cameras = turntable.cameras.to(splat.positions.device)
    for some in torch.arange(turntable.frames).split(AT_ONCE):
        part = Cameras(**{name: value[some.to(value.device)] for name, value in vars(cameras).items()})
        rendered = picture_of(splat, part, turntable.size, check)
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


def check_animation_name(path: Path) -> None:
    """Raise StableIdentityError unless an animation can have this name."""
    if path.suffix.lower() not in FORMS:
        raise StableIdentityError(f"{path} ends in {path.suffix!r}, needed one of {', '.join(FORMS)}.")
    if path.suffix.lower() == ".mp4":
        _av()


def animation(frames: Sequence[Image.Image], ending: str, fps: float) -> bytes:
    """An animation in a format of FORMS; all but `.mp4` repeat by themselves.

    Raises:
        StableIdentityError: another ending.
        MissingPackageError: `.mp4` without the package av.
    """
    check_animation_name(Path(f"animation{ending}"))
    if ending.lower() == ".mp4":
        return _video(frames, fps)
    content, (first, *others) = io.BytesIO(), frames
    first.save(
        content,
        format=ending[1:].upper(),
        save_all=True,
        append_images=others,
        duration=round(1000 / fps),
        loop=0,
        **FORMS[ending.lower()],
    )
    return content.getvalue()


def _av() -> Any:
    return optional_import("av", feature="writing .mp4", install="pip install av")


def _video(frames: Sequence[Image.Image], fps: float) -> bytes:
    """H.264 in an `.mp4`, whose sides are even."""
    content = io.BytesIO()
    with _av().open(content, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height = (side - side % 2 for side in frames[0].size)
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = frame.crop((0, 0, stream.width, stream.height))
            container.mux(stream.encode(_av().VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return content.getvalue()
