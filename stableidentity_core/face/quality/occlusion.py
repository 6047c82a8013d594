"""Parts of a face that the photo does not show: occluded, or outside the photo.

Regions follow FFHQ alignment, in fractions of the portrait's side: eyes at x = 0.375 and 0.625,
y = 0.475, mouth corners at about y = 0.725, the face in `ffhq_oval`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...shapes import check_shape
from ..align import Alignment
from ..parsing import FacePart, masks_of_parts
from ..portrait import ffhq_oval

GRID = 128  # sample points per side


@dataclass(frozen=True, kw_only=True)
class Occlusion:
    """Covered shares of a region, 0..1."""

    hair: float  # of brows, eyes, nose and mouth
    hat: float  # of the whole face
    glasses: float  # of the eyes and their surroundings
    other: float  # of brows, eyes, nose and mouth: neither face nor hair, hat or glasses


@dataclass(frozen=True, kw_only=True)
class OutsidePhoto:
    """Shares that lie outside the photo, 0..1."""

    face: float  # of the face's oval
    portrait: float  # of the whole portrait


def features_region(side: int) -> Tensor:  # [S, S] bool
    """Brows, eyes, nose and mouth of an aligned portrait."""
    return _ellipse(side, (0.5, 0.6), (0.21, 0.2))


def eyes_region(side: int) -> Tensor:  # [S, S] bool
    """Both eyes with their surroundings, as wide as the lenses of glasses."""
    return _ellipse(side, (0.375, 0.475), (0.075, 0.045)) | _ellipse(side, (0.625, 0.475), (0.075, 0.045))


def measure_occlusion(parts: Tensor) -> Occlusion:
    """What covers the face, from the parts [S, S] of an aligned portrait (`FacePart` numbers)."""
    side = check_shape(parts, "s s", "The map of face parts")["s"]
    features, eyes, oval = features_region(side), eyes_region(side), ffhq_oval(side) > 0
    parts = parts.cpu()
    face = masks_of_parts(parts)[0] > 0  # glasses included
    strange = ~face & (parts != FacePart.HAIR) & (parts != FacePart.HAT)

    def share(of: Tensor, region: Tensor) -> float:
        return of[region].float().mean().item()

    return Occlusion(
        hair=share(parts == FacePart.HAIR, features),
        hat=share(parts == FacePart.HAT, oval),
        glasses=share(parts == FacePart.GLASSES, eyes),
        other=share(strange, features),
    )


def outside_photo(alignment: Alignment, photo_size: tuple[int, int]) -> OutsidePhoto:
    """How much of a portrait lies outside its photo of (height, width) and had to be filled in."""
    axis = (torch.arange(GRID, dtype=torch.float64) + 0.5) * alignment.size / GRID
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    points = alignment.unmap_points(torch.stack([x, y], dim=-1).reshape(-1, 2))
    height, width = photo_size
    within = (points >= 0).all(1) & (points <= torch.tensor([width, height])).all(1)
    outside = ~within.reshape(GRID, GRID)
    return OutsidePhoto(
        face=outside[ffhq_oval(GRID) > 0].float().mean().item(),
        portrait=outside.float().mean().item(),
    )


def _ellipse(side: int, middle: tuple[float, float], half: tuple[float, float]) -> Tensor:
    axis = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return ((x - middle[0]) / half[0]) ** 2 + ((y - middle[1]) / half[1]) ** 2 <= 1
