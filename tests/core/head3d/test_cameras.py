"""Where cameras stand and what they see."""

from __future__ import annotations

import torch

from stableidentity_core.head3d.cameras import (
    Cameras,
    cameras_around,
    draw_cameras,
    furthest_azimuth,
    turntable_cameras,
    view_ranges,
)
from stableidentity_core.head3d.project import project
from stableidentity_core.head3d.settings import HeadSettings, with_preset

ONE = torch.ones(1)
ROUND = torch.tensor([[1.0, 0.0, 0.0, 0.0]])


def places(point: list[float], azimuth: float, elevation: float = 0.0) -> tuple[float, float, float]:
    """Right, down and depth of a point in a picture of 100 pixels, from its middle."""
    cameras = cameras_around(azimuth * ONE, elevation * ONE, 5 * ONE, 0.5 * ONE)
    found = project(torch.tensor([point]), ROUND, torch.full((1, 3), 0.01), ONE, cameras, 100)
    (x, y), depth = found.centres[0, 0].tolist(), found.depths[0, 0].item()
    return x - 50, y - 50, depth


def near(found: tuple[float, ...], *expected: float) -> bool:
    return all(abs(one - other) < 1e-3 for one, other in zip(found, expected, strict=True))


def test_from_the_front_x_is_to_the_right_and_y_down():
    right, down = places([0.5, 0, 0], 0), places([0, 0.5, 0], 0)
    assert right[0] > 5 and near(right[1:], 0, 5)
    assert down[1] > 5 and near((down[0], down[2]), 0, 5)
    assert near(places([0, 0, -0.5], 0), 0, 0, 4.5), "the face looks towards the camera"


def test_a_positive_azimuth_goes_to_positive_x_and_a_positive_elevation_up():
    assert near(places([0.5, 0, 0], 90), 0, 0, 4.5)
    assert near(places([0, 0, 0.5], 180), 0, 0, 4.5)
    assert near(places([0, -0.5, 0], 0, 80)[:1], 0) and places([0, -0.5, 0], 0, 80)[2] < 4.6
    assert places([0, 0, -0.5], 30)[0] < -5, "seen from the right, the face is on the left"


def test_a_rotation_is_one():
    matrix = cameras_around(
        torch.tensor([0.0, 77.0, -160.0]), torch.tensor([0.0, 30.0, -20.0]), 5 * torch.ones(3), torch.ones(3)
    )
    rotation = matrix.world_to_camera[:, :, :3]
    assert (rotation @ rotation.mT - torch.eye(3)).abs().max() < 1e-6
    assert (torch.linalg.det(rotation) - 1).abs().max() < 1e-6


def test_the_focal_length_is_that_of_the_field_of_view():
    """A point at the edge of the view, 0.25 radians off the axis, is at the edge of the picture."""
    assert abs(places([5 * float(torch.tensor(0.25).tan()), 0, 0], 0)[0] - 50) < 1e-3


def test_drawn_views_stay_in_their_ranges_and_prefer_the_middle():
    settings = HeadSettings(views=16, camera_jitter=0.0, azimuth=80)
    drawn = [draw_cameras(settings, 0, torch.Generator().manual_seed(seed)) for seed in range(60)]
    azimuths = torch.cat([cameras.azimuths for cameras in drawn])
    assert azimuths.abs().max() <= 80 and azimuths.min() < -60 and azimuths.max() > 60
    assert 22 < azimuths.abs().median() < 34, "80 (1/2)^1.5 = 28"
    eyes = torch.cat([-(c.world_to_camera[:, :, :3].mT @ c.world_to_camera[:, :, 3:])[..., 0] for c in drawn])
    assert eyes.norm(dim=-1).min() >= 5.2 and eyes.norm(dim=-1).max() <= 5.5001
    assert eyes[:, 1].max() < 1e-4, "none from below"
    fovs = 2 * (0.5 / torch.cat([cameras.focals for cameras in drawn])).atan()
    assert fovs.min() >= 0.32 and fovs.max() <= 0.6001


def test_views_widen_up_to_their_limits():
    ranges = [view_ranges(HeadSettings(), step) for step in (0, 499, 500, 1000, 4999)]
    assert ranges[0] == ranges[1]
    assert ranges[2].azimuths == (-120, 120) and ranges[3].azimuths == (-180, 180)
    assert ranges[2].radii == (5.2 * 0.95, 5.5 * 0.95) and ranges[-1].radii == (3.5, 5.0)
    assert ranges[2].fovs == (0.32 * 0.75, 0.6) and ranges[-1].fovs == (0.16, 0.6)
    assert view_ranges(HeadSettings(widen_every=0), 4000) == ranges[0]


def test_the_furthest_view_is_that_of_the_last_step():
    assert [furthest_azimuth(HeadSettings(steps=steps)) for steps in (500, 501, 5000)] == [80, 120, 180]
    assert furthest_azimuth(with_preset(HeadSettings(), "mini_world")) == 15


def test_jittered_cameras_differ_but_little():
    still, jittered = (
        draw_cameras(HeadSettings(camera_jitter=size), 0, torch.Generator().manual_seed(1)) for size in (0.0, 1.0)
    )
    assert torch.equal(still.azimuths, jittered.azimuths)
    difference = (still.world_to_camera - jittered.world_to_camera).abs().amax()
    assert 0.001 < difference < 0.5


def azimuths_of(cameras: Cameras) -> list[float]:
    return [round(value, 4) for value in cameras.azimuths.tolist()]


def test_a_turntable_goes_once_around_or_from_left_to_right():
    around = turntable_cameras(4, arc=360, elevation=0, radius=5, fov=0.5)
    assert azimuths_of(around) == [0, 90, -180, -90]
    assert azimuths_of(turntable_cameras(3, arc=40, elevation=0, radius=5, fov=0.5)) == [-20, 0, 20]
    assert azimuths_of(turntable_cameras(1, arc=40, elevation=0, radius=5, fov=0.5)) == [0]
