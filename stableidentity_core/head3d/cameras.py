"""Pinhole cameras in OpenCV's frame (x right, y down, z forward), and the views of a training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .settings import HeadSettings

# How the views widen (settings.widen_every), as in LucidDreamer: factors, and the limits that are reached.
WIDER_FOV, LEAST_FOV = (0.75, 1.1), 0.16
NEARER, NEAREST = 0.95, (3.5, 5.0)
FURTHER_ROUND = 1.5
TO_THE_MIDDLE = 1.5  # exponent of the draws, so that views from the middle are more frequent
JITTER, JITTER_OF_UP = 0.05, 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Cameras:
    """V cameras for square pictures."""

    world_to_camera: Tensor  # [V, 3, 4]
    focals: Tensor  # [V], in widths of the picture
    azimuths: Tensor  # [V], degrees, -180..180; 0 sees the face, 180 the back of the head

    def __len__(self) -> int:
        return len(self.focals)

    def to(self, device: torch.device) -> Cameras:
        return Cameras(
            world_to_camera=self.world_to_camera.to(device),
            focals=self.focals.to(device),
            azimuths=self.azimuths.to(device),
        )


def look_at(eyes: Tensor, targets: Tensor, ups: Tensor) -> Tensor:
    """World-to-camera matrices [V, 3, 4] of cameras at `eyes` [V, 3]; `ups` [V, 3] need not be perpendicular."""
    forward = torch.nn.functional.normalize(targets - eyes, dim=-1)
    right = torch.nn.functional.normalize(torch.linalg.cross(-ups, forward), dim=-1)
    down = torch.linalg.cross(forward, right)
    rotation = torch.stack([right, down, forward], dim=1)
    return torch.cat([rotation, -(rotation @ eyes[..., None])], dim=-1)


def orbit(azimuths: Tensor, elevations: Tensor, radii: Tensor) -> Tensor:
    """Positions [V, 3] around the origin, angles in degrees.

    Azimuth 0 stands at z = -radius, before the face; a positive one at positive x; a positive elevation above.
    """
    a, e = azimuths.deg2rad(), elevations.deg2rad()
    return torch.stack([a.sin() * e.cos(), -e.sin(), -a.cos() * e.cos()], dim=-1) * radii[:, None]


def cameras_around(azimuths: Tensor, elevations: Tensor, radii: Tensor, fovs: Tensor) -> Cameras:
    """Cameras [V] that look at the origin; `fovs` in radians."""
    eyes = orbit(azimuths, elevations, radii)
    up = torch.tensor([0.0, -1.0, 0.0]).expand_as(eyes)
    return Cameras(
        world_to_camera=look_at(eyes, torch.zeros_like(eyes), up),
        focals=0.5 / (fovs / 2).tan(),
        azimuths=(azimuths + 180) % 360 - 180,
    )


def turntable_cameras(count: int, *, arc: float, elevation: float, radius: float, fov: float) -> Cameras:
    """`count` views from left to right over an arc in degrees around the front; a full turn does not repeat its end."""
    turn = abs(arc) >= 360
    steps = torch.arange(count) / max(count if turn else count - 1, 1)
    azimuths = arc * steps if turn else arc * (steps - 0.5) if count > 1 else torch.zeros(1)
    same = torch.ones(count)
    return cameras_around(azimuths, elevation * same, radius * same, fov * same)


def draw_cameras(settings: HeadSettings, step: int, generator: torch.Generator) -> Cameras:
    """The views of a step, on the CPU, distributed as in LucidDreamer (arXiv 2311.11284)."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(settings.views, generator=generator)

    def to_the_middle(low: float, high: float) -> Tensor:
        u = uniform(-1, 1)
        return (low + high) / 2 + (high - low) / 2 * u.sign() * u.abs() ** TO_THE_MIDDLE

    ranges = view_ranges(settings, step)
    azimuths, elevations = to_the_middle(*ranges.azimuths), to_the_middle(*ranges.elevations)
    radii, fovs = uniform(*ranges.radii), uniform(*ranges.fovs)

    def jitter(size: float) -> Tensor:
        return settings.camera_jitter * size * torch.randn(settings.views, 3, generator=generator)

    eyes = orbit(azimuths, elevations, radii) + jitter(JITTER)
    ups = torch.tensor([0.0, -1.0, 0.0]) + jitter(JITTER_OF_UP)
    return Cameras(
        world_to_camera=look_at(eyes, jitter(JITTER), ups),
        focals=0.5 / (fovs / 2).tan(),
        azimuths=(azimuths + 180) % 360 - 180,
    )


@dataclass(frozen=True, kw_only=True)
class ViewRanges:
    """Between what the views of a step are drawn."""

    azimuths: tuple[float, float]
    elevations: tuple[float, float]
    radii: tuple[float, float]
    fovs: tuple[float, float]


def view_ranges(settings: HeadSettings, step: int) -> ViewRanges:
    """The ranges at a step, which widen every `settings.widen_every` steps."""
    times = step // settings.widen_every if settings.widen_every else 0
    low, high = settings.fov
    near, far = settings.radius
    azimuth = min(settings.azimuth * FURTHER_ROUND**times, 180.0)
    if times:
        low = max(low * WIDER_FOV[0] ** times, min(low, LEAST_FOV))
        high = min(high * WIDER_FOV[1] ** times, settings.fov[1])
        near, far = (
            max(value * NEARER**times, min(value, limit)) for value, limit in zip((near, far), NEAREST, strict=True)
        )
    return ViewRanges(azimuths=(-azimuth, azimuth), elevations=settings.elevation, radii=(near, far), fovs=(low, high))


def furthest_azimuth(settings: HeadSettings) -> float:
    """Degrees to either side from which the last step sees the head, which is the furthest of all."""
    return view_ranges(settings, settings.steps - 1).azimuths[1]
