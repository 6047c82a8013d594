"""What went wrong with a head, in sentences: known failures are reported, not hidden."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .cameras import cameras_around
from .render import picture_of
from .run import PREVIEW_FOV, PREVIEW_RADIUS
from .splat import Splat

SIDE = 96  # pixels of the pictures that are compared
JANUS = 0.75  # correlation of front and back above which both show a face
PLAIN = 0.02  # deviation of a picture's brightness below which there is nothing to compare
HOLLOW = 0.6  # of the front's coverage, below which a view is hollow
DRIFT, SHARE = 1.3, 0.1  # growth of the latents' deviation, between this share of the steps at both ends
LARGE = 1.2  # deviation of latents above which it is drift: pictures have about 1, and a grey bust begins far below
ANGLES = range(20, 181, 20)


def verdict(splat: Splat, deviations: Sequence[float], azimuth: float) -> list[str]:
    """Sentences on hollow sides, two faces, and drift; none if all is well.

    Args:
        deviations: of the latents, after each step.
        azimuth: degrees from which the head was seen at most.
    """
    front, *others = _views(splat, [0.0, *map(float, ANGLES)])
    found = []
    hollow = next((angle for angle, view in zip(ANGLES, others, strict=True) if _share(view, front) < HOLLOW), None)
    if azimuth < 90:
        found.append(f"It was only seen up to {azimuth:g} degrees to the side: further round it is made up.")
    if hollow is not None:
        found.append(f"It is hollow from about {hollow} degrees to the side on.")
    if (likeness := _likeness(front, others[-1])) > JANUS:
        found.append(
            f"Front and back look alike (correlation {likeness:.2f}): it may have two faces. Use view_prompts, or "
            "another seed."
        )
    count = max(1, round(SHARE * len(deviations)))
    first, last = (_mean(some) if some else 0.0 for some in (deviations[:count], deviations[-count:]))
    if last > max(LARGE, DRIFT * first):
        found.append(
            f"The pictures drift away from those of the model (deviation {first:.2f} to {last:.2f}): colours may burn "
            "out. Lower cfg, or use fewer steps."
        )
    return found


def _views(splat: Splat, azimuths: list[float]) -> list[tuple[Tensor, Tensor]]:
    """Grey picture and coverage, each [S, S], from each azimuth."""
    angles, one = torch.tensor(azimuths), torch.ones(len(azimuths))
    cameras = cameras_around(angles, 0 * one, PREVIEW_RADIUS * one, PREVIEW_FOV * one)
    seen = picture_of(splat, cameras, SIDE)
    coverage = seen.coverage[:, 0]
    return list(zip(seen.colours.mean(1) / coverage.clamp_min(1e-3), coverage, strict=True))


def _share(view: tuple[Tensor, Tensor], front: tuple[Tensor, Tensor]) -> float:
    return (view[1].sum() / front[1].sum().clamp_min(1e-6)).item()


def _likeness(front: tuple[Tensor, Tensor], back: tuple[Tensor, Tensor]) -> float:
    """Correlation of the front with the back in a mirror, where both are covered."""
    mirrored, both = back[0].flip(-1), (front[1] > 0.5) & (back[1].flip(-1) > 0.5)
    pair = torch.stack([front[0][both], mirrored[both]])
    if pair.shape[1] < SIDE or (pair.std(dim=1) < PLAIN).any():
        return 0.0
    return torch.corrcoef(pair)[0, 1].item()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
